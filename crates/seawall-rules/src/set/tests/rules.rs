use http::StatusCode;

use super::*;
use crate::refusal::{Cause, Refusal};
use crate::tally::{Counts, Totals};

/// Whether a rule of this one condition matches.
fn matches(condition: Condition, request: &Request) -> bool {
    !Gate::new(vec![rule("r", vec![condition], deny())], vec![]).passes(request)
}

#[test]
fn the_storm_of_the_story_is_refused_and_nobody_else() {
    let mut gate = Gate::new(
        vec![rule(
            "qqgamehall",
            vec![
                is(Fact::Method, Test::Exact("POST".into())),
                path("/ca/cacert.pem"),
                is(Fact::UserAgent, Test::Prefix("QQGameHall".into())),
            ],
            deny(),
        )],
        vec![],
    );
    let post = Request { method: "POST", ..get("/ca/cacert.pem") };
    assert_eq!(gate.says(&post.clone().with("User-Agent", "QQGameHall")), "403 qqgamehall");
    assert_eq!(gate.says(&post.clone().with("user-agent", "QQGameHall/2")), "403 qqgamehall");
    assert_eq!(gate.says(&post.clone().with("User-Agent", "curl/8.5.0")), "pass");
    assert_eq!(gate.says(&post), "pass");
    assert_eq!(gate.says(&get("/ca/cacert.pem").with("User-Agent", "QQGameHall")), "pass");
}

#[test]
fn every_test_of_text_compares_octets() {
    let request = get("/").with("user-agent", b"Bot/\xff 2.0");
    let agent = |test| matches(is(Fact::UserAgent, test), &request);
    assert!(agent(Test::Prefix("Bot/".into())));
    assert!(!agent(Test::Prefix("bot/".into())));
    assert!(agent(Test::Suffix(" 2.0".into())));
    assert!(agent(Test::Contains("2.".into())));
    assert!(!agent(Test::Exact("Bot/\u{ff} 2.0".into())));
    assert!(agent(Test::Regex(r"^Bot/(?-u:\xff) \d\.\d$".into())));
    assert!(!agent(Test::Regex("bot".into())));
    assert!(matches(is(Fact::Path, Test::OneOf(vec!["/a".into(), "/".into()])), &request));
}

#[test]
fn several_lines_of_a_field_are_one_value() {
    let request = get("/").with("X-App", "one").with("Other", "x").with("x-app", "two");
    assert!(matches(is(field("x-app"), Test::Exact("one, two".into())), &request));
    assert!(!matches(is(field("x-app"), Test::Exact("one".into())), &request));
    assert!(matches(is(field("x-app"), Test::Suffix("two".into())), &request));
    assert!(matches(is(field("x-app"), Test::Contains("e, t".into())), &request));
}

#[test]
fn an_absent_fact_fails_every_test_and_a_negated_test_holds_for_it() {
    let (with, without) = (get("/").with("X-App", ""), get("/"));
    for (condition, on_with, on_without) in [
        (is(field("x-app"), Test::Absent), false, true),
        (not(field("x-app"), Test::Absent), true, false),
        (is(field("x-app"), Test::Exact(String::new())), true, false),
        (not(field("x-app"), Test::Exact("a".into())), true, true),
        (is(field("x-app"), Test::Regex("^$".into())), true, false),
        (not(field("x-app"), Test::Regex("^$".into())), false, true),
    ] {
        assert_eq!(matches(condition.clone(), &with), on_with, "{condition:?}");
        assert_eq!(matches(condition.clone(), &without), on_without, "{condition:?}");
    }
    assert!(matches(is(Fact::Host, Test::Absent), &Request { host: "", ..get("/") }));
    assert!(!matches(is(Fact::Host, Test::Regex("^$".into())), &Request { host: "", ..get("/") }));
}

#[test]
fn a_query_has_the_shape_of_its_names() {
    let shape = |query, text: &str| {
        matches(is(Fact::QueryShape, Test::Exact(text.into())), &Request { query, ..get("/") })
    };
    assert!(shape(Some("a=1&b&c=x=y"), "a&b&c"));
    assert!(shape(Some("alice@site.example"), "…"));
    assert!(shape(Some(""), ""));
    assert!(!shape(None, ""));
    assert!(matches(is(Fact::QueryShape, Test::Absent), &get("/")));
}

#[test]
fn a_referer_is_its_host() {
    let host = |value: &str, text: &str| {
        matches(is(Fact::Referer, Test::Exact(text.into())), &get("/").with("Referer", value))
    };
    assert!(host("https://WWW.Site.example/a?b", "www.site.example"));
    assert!(host("http://user:x@site.example:8080/", "site.example"));
    assert!(host("http://[2001:DB8::1]:80/", "[2001:db8::1]"));
    assert!(host("http://site.example.", "site.example"));
    assert!(matches(is(Fact::Referer, Test::Absent), &get("/").with("Referer", "/relative")));
    assert!(matches(is(Fact::Referer, Test::Absent), &get("/").with("Referer", "https:///path")));
}

#[test]
fn addresses_numbers_and_protocols_match() {
    let within = |network: &str| is(Fact::Client, Test::Within(vec![network.parse().unwrap()]));
    assert!(matches(within("192.0.2.0/24"), &get("/")));
    assert!(!matches(within("198.51.100.0/24"), &get("/")));
    assert!(matches(within("2001:db8::/32"), &get("/").from("2001:db8::7")));
    let known = Request { content: ContentLength::Known(9), ..get("/") };
    assert!(matches(is(Fact::ContentLength, Test::Range { min: 9, max: 9 }), &known));
    assert!(!matches(is(Fact::ContentLength, Test::Range { min: 10, max: 99 }), &known));
    for content in [ContentLength::Unknown, ContentLength::Absent] {
        assert!(matches(is(Fact::ContentLength, Test::Absent), &Request { content, ..get("/") }));
    }
    let h2 = Request { protocol: Protocol::Http2, ..get("/") };
    assert!(matches(is(Fact::Protocol, Test::Exact("HTTP/2".into())), &h2));
    assert!(!matches(is(Fact::Protocol, Test::Prefix("HTTP/1".into())), &h2));
}

#[test]
fn the_first_enforced_match_decides() {
    let gone = Action::Deny { status: StatusCode::GONE, text: Some("Moved".into()) };
    let rules = vec![
        observing(rule("watch", vec![path("/a")], Action::Drop)),
        rule("gone", vec![path("/a")], gone),
        rule("drop", vec![path("/a")], Action::Drop),
        rule("pit", vec![path("/b")], Action::Tarpit { delay: Duration::from_secs(9) }),
        rule("read", vec![path("/c")], Action::RefuseMethod { allow: vec!["GET".into()] }),
        rule("all", vec![], Action::Drop),
    ];
    let mut gate = Gate::new(rules, vec![]);
    assert_eq!(
        gate.decide(&get("/a")).verdict,
        Verdict::Refuse(Refusal {
            cause: Cause::Rule { name: "gone", revision: 101 },
            status: StatusCode::GONE,
            text: Some("Moved"),
            count: 1,
            bound: 0,
            retry_after: None,
            allow: &[],
        })
    );
    assert_eq!(gate.says(&get("/b")), "403 pit after 9s");
    let Verdict::Refuse(refusal) = gate.decide(&get("/c")).verdict else { panic!() };
    assert_eq!((refusal.status, refusal.allow), (StatusCode::METHOD_NOT_ALLOWED, &["GET".to_owned()][..]));
    assert_eq!(gate.says(&get("/d")), "drop all");
}

fn from(network: &str) -> Condition {
    is(Fact::Client, Test::Within(vec![network.parse().unwrap()]))
}

#[test]
fn a_network_of_which_all_is_dropped_is_barred_and_counted() {
    let rules = vec![
        rule("deny", vec![path("/a")], deny()),
        observing(rule("watch", vec![from("0.0.0.0/0")], Action::Drop)),
        observing(rule("friends", vec![path("/a")], Action::Allow)),
        rule("some", vec![from("198.51.100.0/24"), path("/a")], Action::Drop),
        Rule {
            expires: Some(UnixTime::from_secs(1)),
            ..rule("past", vec![from("203.0.113.0/24")], Action::Drop)
        },
        rule("wide", vec![from("192.0.2.0/24")], Action::Drop),
        rule("narrow", vec![from("192.0.2.7/32")], Action::Drop),
        rule("allow", vec![path("/health")], Action::Allow),
        rule("late", vec![from("2001:db8::/32")], Action::Drop),
    ];
    let gate = Gate::new(rules, vec![]);
    let bars = |peer: &str| gate.set.bars(peer.parse().unwrap(), &gate.tally, gate.now.wall);
    assert!(bars("192.0.2.7") && bars("192.0.2.9") && bars("::ffff:192.0.2.9"));
    for peer in ["198.51.100.1", "203.0.113.1", "2001:db8::1", "127.0.0.1"] {
        assert!(!bars(peer), "{peer}");
    }
    assert_eq!(gate.tally.rule(5), Counts { matched: 3, enforced: 3, ..Counts::default() });
    assert_eq!(gate.tally.rule(6), Counts::default());
}

#[test]
fn an_allowed_request_skips_later_rules_and_all_limits() {
    let rules = vec![
        rule("first", vec![path("/a"), is(Fact::Method, Test::Exact("POST".into()))], Action::Drop),
        rule(
            "friend",
            vec![is(Fact::Client, Test::Within(vec!["192.0.2.0/24".parse().unwrap()]))],
            Action::Allow,
        ),
        rule("deny", vec![path("/a")], deny()),
    ];
    let mut gate = Gate::new(rules, vec![limit("one", rate(1, 60, 1), vec![])]);
    assert_eq!(gate.pass_of(5, &get("/a")), 5);
    assert_eq!(gate.says(&Request { method: "POST", ..get("/a") }), "drop first");
    assert_eq!(gate.says(&get("/a").from("198.51.100.1")), "403 deny");
    assert_eq!(gate.pass_of(5, &get("/b").from("198.51.100.1")), 1);
    assert_eq!(gate.tally.limit(0).matched, 5);
}

#[test]
fn an_absorbed_request_skips_later_rules_and_is_limited() {
    let rules =
        vec![rule("bundle", vec![path("/a")], Action::Absorb), rule("deny", vec![path("/a")], deny())];
    let mut gate = Gate::new(rules, vec![limit("two", rate(1, 60, 2), vec![])]);
    assert_eq!(gate.says(&get("/a")), "absorb bundle");
    assert_eq!(gate.says(&Request { method: "HEAD", ..get("/a") }), "absorb bundle");
    assert_eq!(gate.says(&get("/a")), "429 two");
    assert_eq!(gate.tally.rule(0), Counts { matched: 3, enforced: 3, ..Counts::default() });
}

#[test]
fn a_method_that_no_cache_answers_is_not_absorbed() {
    let mut gate = Gate::new(vec![rule("bundle", vec![path("/a")], Action::Absorb)], vec![]);
    // Methods are case-sensitive (RFC 9110 §9.1).
    for method in ["POST", "OPTIONS", "get", "QUERY"] {
        let decision = gate.decide(&Request { method, ..get("/a") });
        let Verdict::Refuse(refusal) = decision.verdict else { panic!("{method}: {decision:?}") };
        assert_eq!(refusal.cause, Cause::Rule { name: "bundle", revision: 100 });
        assert_eq!(refusal.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refusal.allow, &["GET".to_owned(), "HEAD".to_owned()]);
    }
}

#[test]
fn what_would_be_absorbed_is_counted_when_observing() {
    let mut gate = Gate::new(vec![observing(rule("bundle", vec![path("/a")], Action::Absorb))], vec![]);
    assert_eq!(gate.says(&get("/a")), "pass");
    assert_eq!(gate.says(&Request { method: "POST", ..get("/a") }), "pass");
    assert_eq!(gate.tally.rule(0), Counts { matched: 2, observed: 2, ..Counts::default() });
}

#[test]
fn an_expired_rule_never_matches() {
    let mut gate = Gate::new(vec![rule("r", vec![], deny())], vec![]);
    let at = gate.now.wall;
    let expiring = |expires| Rule { expires: Some(expires), ..rule("r", vec![], deny()) };
    gate.swap(vec![expiring(UnixTime(at.0 + 1))], vec![]);
    assert!(!gate.passes(&get("/")));
    gate.now.wall.0 += 1;
    assert!(gate.passes(&get("/")));
    assert_eq!(gate.tally.rule(0).matched, 1);
}

#[test]
fn a_rule_that_limits_lets_its_rate_through() {
    let by_agent = Action::Limit {
        rate: rate(1, 10, 2),
        by: PartitionKey(vec![KeyPart::UserAgent]),
        text: Some("Slowly.".into()),
    };
    let rules = vec![rule("slow", vec![path("/a")], by_agent), rule("b", vec![path("/b")], deny())];
    let mut gate = Gate::new(rules, vec![]);
    let one = get("/a").with("User-Agent", "one");
    assert_eq!(gate.pass_of(5, &one), 2);
    assert_eq!(gate.pass_of(5, &get("/a").with("User-Agent", "two")), 2);
    let decision = gate.decide(&one);
    let Verdict::Refuse(refusal) = decision.verdict else { panic!() };
    assert_eq!(refusal.cause, Cause::Rule { name: "slow", revision: 100 });
    assert_eq!((refusal.status, refusal.count, refusal.bound), (StatusCode::TOO_MANY_REQUESTS, 3, 2));
    assert_eq!((refusal.text, refusal.retry_after), (Some("Slowly."), Some(Duration::from_secs(10))));
    assert_eq!(
        decision.quota.map(|quota| (quota.name, quota.quota, quota.window_secs, quota.remaining)),
        Some(("slow", 2, 20, 0))
    );
    gate.wait(10);
    assert_eq!(gate.pass_of(5, &one), 1);
}

#[test]
fn counts_tell_what_was_done() {
    let slow = || Action::Limit { rate: rate(1, 60, 2), by: PartitionKey::default(), text: None };
    let rules = vec![
        observing(rule("watch", vec![path("/a")], deny())),
        observing(rule("watch-rate", vec![path("/a")], slow())),
        rule("rate", vec![path("/a")], slow()),
        rule("deny", vec![path("/a")], deny()),
    ];
    let mut gate = Gate::new(rules, vec![]);
    for _ in 0..5 {
        gate.decide(&get("/a"));
    }
    let counts = |matched, enforced, observed, exceeded| Counts { matched, enforced, observed, exceeded };
    assert_eq!(gate.tally.rule(0), counts(5, 0, 5, 0));
    assert_eq!(gate.tally.rule(1), counts(5, 0, 3, 3));
    assert_eq!(gate.tally.rule(2), counts(5, 3, 0, 3));
    assert_eq!(gate.tally.rule(3), counts(2, 2, 0, 0));
}

#[test]
fn totals_by_revision_outlive_a_swap() {
    let mut gate =
        Gate::new(vec![rule("a", vec![path("/a")], deny())], vec![limit("l", rate(9, 1, 9), vec![])]);
    let mut totals = Totals::new();
    gate.pass_of(3, &get("/a"));
    gate.passes(&get("/b"));
    gate.tally.fold_into(&mut totals);
    gate.swap(vec![rule("a", vec![path("/a")], deny())], vec![]);
    gate.pass_of(2, &get("/a"));
    gate.tally.fold_into(&mut totals);
    let seen: Vec<_> = totals.iter().map(|(subject, counts)| (*subject, counts.matched)).collect();
    assert_eq!(seen, [(Subject::Rule { revision: 100 }, 5), (Subject::Limit { revision: 100 }, 1)]);
}

#[test]
fn a_scratch_fits_itself_to_a_new_set() {
    let regex = |text: &str| is(field("x-app"), Test::Regex(text.into()));
    let mut gate = Gate::new(vec![rule("a", vec![regex("^a")], deny())], vec![]);
    assert!(!gate.passes(&get("/").with("x-app", "a")));
    let many = (0..200).map(|n| rule(&format!("r{n}"), vec![regex(&format!("^{n}$"))], deny())).collect();
    gate.swap(many, vec![]);
    for n in [0, 63, 64, 199] {
        assert_eq!(gate.says(&get("/").with("x-app", n.to_string())), format!("403 r{n}"));
    }
    assert_eq!(gate.says(&get("/").with("x-app", "200")), "pass");
    gate.swap(vec![rule("part", vec![is(Fact::Path, Test::Contains("b".into()))], deny())], vec![]);
    assert!(gate.passes(&get("/a")) && !gate.passes(&get("/abba")));
}

#[test]
fn every_expression_that_matches_is_found_not_only_the_first() {
    let regex = |text: &str| is(Fact::Path, Test::Regex(text.into()));
    let patterns = ["a|ba", "^/?a", "a$", "^/a$", "b"];
    let rules = patterns
        .iter()
        .zip('a'..)
        .map(|(text, name)| observing(rule(&name.to_string(), vec![regex(text)], deny())));
    let mut gate = Gate::new(rules.collect(), vec![]);
    gate.passes(&get("/a"));
    assert_eq!([0, 1, 2, 3, 4].map(|rule| gate.tally.rule(rule).matched), [1, 1, 1, 1, 0]);
}

#[test]
fn more_expressions_than_a_worker_remembers_still_match() {
    // Anchored at the path, so that each is searched alone.
    let rules = (0..600).map(|n| {
        let same = is(Fact::UserAgent, Test::Regex(format!("^{n}$")));
        rule(&format!("r{n}"), vec![path("/a"), same], deny())
    });
    let mut gate = Gate::new(rules.collect(), vec![]);
    for _ in 0..2 {
        assert_eq!(gate.says(&get("/a").with("User-Agent", "599")), "403 r599");
        assert_eq!(gate.says(&get("/a").with("User-Agent", "600")), "pass");
    }
}

/// A rule on part of the clients.
fn on(percent: u8, rule: Rule) -> Rule {
    Rule { portion: Portion::percent(percent), ..rule }
}

fn clients() -> impl Iterator<Item = String> {
    (0..1000u32).map(|n| format!("10.0.{}.{}", n / 250, n % 250))
}

#[test]
fn a_rule_with_a_portion_acts_on_so_many_clients_and_counts_the_others() {
    let mut gate = Gate::new(vec![on(10, rule("a", vec![path("/a")], deny()))], vec![]);
    let refused = clients().filter(|client| !gate.passes(&get("/a").from(client))).count();
    assert!((70..=130).contains(&refused), "{refused} of 1000");
    let counts = Counts {
        matched: 1000,
        enforced: refused as u64,
        observed: 1000 - refused as u64,
        ..Counts::default()
    };
    assert_eq!(gate.tally.rule(0), counts);
}

#[test]
fn a_client_stays_in_or_out_of_a_portion_and_a_larger_one_holds_it() {
    let deny_on = |percent| vec![on(percent, rule("a", vec![], deny()))];
    let mut gate = Gate::new(deny_on(20), vec![]);
    let refused = |gate: &mut Gate| -> Vec<String> {
        clients().filter(|client| !gate.passes(&get("/a").from(client))).collect()
    };
    let first = refused(&mut gate);
    gate.wait(3600);
    assert_eq!(refused(&mut gate), first);
    gate.swap(deny_on(60), vec![]);
    let larger = refused(&mut gate);
    assert!(larger.len() > first.len() && first.iter().all(|client| larger.contains(client)));
    // Another rule draws anew: about a fifth of these are its own.
    gate.swap(vec![on(20, rule("b", vec![], deny()))], vec![]);
    let other = refused(&mut gate);
    let both = other.iter().filter(|client| first.contains(client)).count();
    assert!((15..=70).contains(&both), "{both} of {} and {}", first.len(), other.len());
}

#[test]
fn the_addresses_of_one_household_are_in_a_portion_or_out_of_it_together() {
    let mut gate = Gate::new(vec![on(50, rule("a", vec![], deny()))], vec![]);
    let mut passed = [0; 2];
    for net in 0..40 {
        let of = |host: u32| get("/").from(&format!("2001:db8:0:{net:x}::{host:x}"));
        let passes = gate.passes(&of(1));
        assert!((2..20).all(|host| gate.passes(&of(host)) == passes));
        passed[usize::from(passes)] += 1;
    }
    assert!(passed.iter().all(|count| *count > 5), "{passed:?}");
}

#[test]
fn visitors_behind_an_undeclared_intermediary_are_drawn_one_by_one() {
    let mut gate = Gate::new(vec![on(50, rule("a", vec![], deny()))], vec![]);
    let from = |visitor: &str| get("/").with("X-Forwarded-For", visitor).suspected();
    let refused = clients().filter(|visitor| !gate.passes(&from(visitor))).count();
    assert!((400..=600).contains(&refused), "{refused} of 1000");
}

#[test]
fn what_goes_beyond_a_rate_is_refused_to_the_portion_alone() {
    let at_most =
        Action::Limit { rate: rate(1, 3600, 1), by: PartitionKey(vec![KeyPart::Client]), text: None };
    let mut gate = Gate::new(vec![on(30, rule("a", vec![], at_most))], vec![]);
    let refused = clients().filter(|client| gate.pass_of(2, &get("/").from(client)) == 1).count();
    assert!((250..=350).contains(&refused), "{refused} of 1000");
    let counts = gate.tally.rule(0);
    assert_eq!((counts.exceeded, counts.enforced + counts.observed), (1000, 1000));
}

#[test]
fn everything_wrong_with_a_set_is_said_at_once() {
    let rules = vec![
        rule("twice", vec![path("/a")], deny()),
        rule("twice", vec![is(Fact::UserAgent, Test::Regex("(".into()))], deny()),
        rule("Bad", vec![path("a")], Action::RefuseMethod { allow: vec![] }),
    ];
    let limits = vec![limit("twice", rate(0, 1, 1), vec![])];
    let errors = RuleSet::compile(numbered(rules), numbered(limits)).unwrap_err();
    let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    rule `twice`: condition 1: not a regular expression: unclosed group (at byte 0)
    rule `twice`: name: another rule or limit has this name
    rule `Bad`: name: 'B' is not allowed: use lower-case letters, digits, `-`, `_` and `.`
    rule `Bad`: condition 1: would never match: a path begins with `/`
    rule `Bad`: allowed methods: name at least one method, such as GET
    limit `twice`: rate: must be at least 1
    limit `twice`: name: another rule or limit has this name
    ");
    assert_eq!((errors[0].kind, errors[0].index), (Kind::Rule, 1));
    assert_eq!(errors[0].problem.place, Place::Condition(0));
}

#[test]
fn sets_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<RuleSet>();
    shared::<LimitTable>();
    shared::<Tally>();
}
