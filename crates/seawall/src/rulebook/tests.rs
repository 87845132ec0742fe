use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use seawall_rules::limit::{PartitionKey, Rate};
use seawall_rules::rule::{Action, Condition, Fact, Mode, Test};

use super::*;
use crate::state::{Standing, StateFolder};

/// What is in force, by name and revision.
type Set = Vec<(String, u32)>;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn rule(name: &str, path: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        conditions: vec![Condition { fact: Fact::Path, test: Test::Exact(path.to_owned()), negated: false }],
        action: Action::Deny { status: StatusCode::FORBIDDEN, text: None },
        mode: Mode::Enforce,
        portion: None,
        expires: None,
        note: None,
        author: Author::Configuration,
    }
}

fn limit(name: &str) -> Limit {
    Limit {
        name: name.to_owned(),
        conditions: Vec::new(),
        by: PartitionKey::default(),
        rate: Rate { requests: 1, per: Duration::from_secs(1), burst: 1 },
        mode: Mode::Enforce,
    }
}

fn configured(rules: &[Rule], limits: &[Limit]) -> Configured {
    Configured {
        rules: rules.iter().cloned().map(Arc::new).collect(),
        limits: limits.iter().cloned().map(Arc::new).collect(),
    }
}

fn compile(entries: &[&Entry]) -> Result<Set, String> {
    if let Some(entry) = entries.iter().find(|entry| entry.name() == "bad") {
        return Err(format!("`{}` does not compile", entry.name()));
    }
    Ok(entries.iter().map(|entry| (entry.name().to_owned(), entry.revision)).collect())
}

fn open(folder: &Path, configured: Configured, now: UnixTime) -> (Rulebook<Set>, Changed) {
    let writer = StateFolder::open(folder).unwrap().writer(Duration::from_secs(10)).unwrap();
    Rulebook::open(writer, configured, Box::new(compile), now).unwrap()
}

fn names<S: AsRef<[(String, u32)]>>(book: &Rulebook<S>) -> Vec<String> {
    book.published.load().as_ref().as_ref().iter().map(|(name, _)| name.clone()).collect()
}

#[test]
fn what_was_said_last_is_tried_first() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(&[rule("c1", "/1"), rule("c2", "/2")], &[limit("l")]);
    let (mut book, _) = open(folder.path(), config, at(1));
    book.add(vec![rule("a", "/a"), rule("b", "/b")], Some("ada"), at(2)).unwrap();
    book.add(vec![rule("d", "/d")], None, at(3)).unwrap();
    assert_eq!(names(&book), ["d", "a", "b", "c1", "c2", "l"]);
    let entry = book.list().iter().find(|entry| entry.name() == "a").unwrap();
    assert_eq!(entry.author, Author::Operator);
    assert_eq!(entry.added, Some((at(2), Some("ada".to_owned()))));
}

#[test]
fn everything_said_at_run_time_outlives_a_restart_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(&[rule("c1", "/1"), rule("c2", "/2")], &[limit("l")]);
    let (mut book, _) = open(folder.path(), config.clone(), at(1));
    book.add(vec![rule("a", "/a")], Some("ada"), at(2)).unwrap();
    book.add(vec![rule("b", "/b")], None, at(3)).unwrap();
    book.disable("a", at(4)).unwrap();
    book.disable("c1", at(5)).unwrap();
    book.disable("l", at(6)).unwrap();
    assert_eq!(names(&book), ["b", "c2"]);
    let before = book.list().to_vec();
    drop(book);
    let (mut book, changed) = open(folder.path(), config, at(10));
    assert_eq!(book.list(), before);
    assert_eq!(changed, Changed::default());
    for name in ["a", "c1", "l"] {
        book.enable(name, at(11)).unwrap();
    }
    assert_eq!(names(&book), ["b", "a", "c1", "c2", "l"]);
}

#[test]
fn a_name_belongs_to_one_rule_or_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), configured(&[rule("c", "/c")], &[limit("l")]), at(1));
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    let before = (book.list().to_vec(), names(&book));
    let mut errors = Vec::new();
    for taken in ["a", "c", "l"] {
        errors.push(book.add(vec![rule("new", "/n"), rule(taken, "/x")], None, at(3)).unwrap_err());
    }
    errors.push(book.add(vec![rule("x", "/x"), rule("x", "/y")], None, at(3)).unwrap_err());
    errors.push(book.retire("c", at(3)).unwrap_err());
    errors.push(book.disable("none", at(3)).unwrap_err());
    let expired = Rule { expires: Some(at(3)), ..rule("late", "/") };
    errors.push(book.add(vec![expired], None, at(3)).unwrap_err());
    errors.push(book.add(vec![rule("n", "/")], Some("a\nb"), at(3)).unwrap_err());
    errors.push(book.add(vec![rule("Not A Name", "/")], None, at(3)).unwrap_err());
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
    a rule already has the name `a`: take another name, or first `seawall rules retire a`
    a rule of the configuration already has the name `c`: take another name
    a limit of the configuration already has the name `l`: take another name
    two of these rules have the name `x`: rename one
    `c` is in the configuration: remove it there, or `seawall rules disable c`
    no rule or limit has the name `none`: `seawall rules list` shows them
    rule `late` has expired already: give it a later time, or none
    who makes a rule is named in at most 64 bytes, without control characters
    rule `Not A Name`: name: 'N' is not allowed: use lower-case letters, digits, `-`, `_` and `.`
    "##);
    assert_eq!((book.list().to_vec(), names(&book)), before);
}

#[test]
fn a_set_that_does_not_compile_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    let before = book.list().to_vec();
    let error = book.add(vec![rule("b", "/b"), rule("bad", "/")], None, at(3)).unwrap_err();
    assert_eq!(error.to_string(), "`bad` does not compile");
    assert!(book.reload(configured(&[rule("bad", "/")], &[]), at(3)).is_err());
    assert_eq!((book.list(), names(&book)), (&before[..], vec!["a".to_owned()]));
    drop(book);
    let (book, _) = open(folder.path(), Configured::default(), at(4));
    assert_eq!(book.list(), before);
}

#[test]
fn a_disk_that_refuses_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    let before = (book.list().to_vec(), names(&book));
    // A folder in the file's place cannot be replaced by a file.
    let rules = book.writer().rules_path();
    let saved = std::fs::read(&rules).unwrap();
    std::fs::remove_file(&rules).unwrap();
    std::fs::create_dir(&rules).unwrap();
    assert!(matches!(book.add(vec![rule("b", "/b")], None, at(3)), Err(RulebookError::State(_))));
    assert_eq!((book.list().to_vec(), names(&book)), before);
    let archive = book.writer().folder().read_archive().unwrap();
    assert!(archive.active_named("a").is_some() && archive.active_named("b").is_none());
    std::fs::remove_dir(&rules).unwrap();
    std::fs::write(&rules, saved).unwrap();
    std::fs::set_permissions(&rules, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    book.add(vec![rule("b", "/b")], None, at(4)).unwrap();
    assert_eq!(names(&book), ["b", "a"]);
}

#[test]
fn expired_rules_are_retired_by_the_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let until = |name: &str, secs| Rule { expires: Some(at(secs)), ..rule(name, &format!("/{name}")) };
    let (mut book, _) = open(folder.path(), configured(&[until("c", 20)], &[]), at(1));
    book.add(vec![until("a", 10), until("b", 30)], None, at(2)).unwrap();
    assert_eq!(book.sweep(at(9)).unwrap(), Changed::default());
    assert_eq!(names(&book), ["a", "b", "c"]);
    assert_eq!(book.sweep(at(10)).unwrap().retired, ["a"]);
    assert_eq!(names(&book), ["b", "c"]);
    assert_eq!(book.sweep(at(20)).unwrap(), Changed::default());
    assert_eq!(names(&book), ["b"]);
    drop(book);
    let (book, changed) = open(folder.path(), configured(&[until("c", 20)], &[]), at(40));
    assert_eq!((names(&book).len(), changed.retired), (0, vec!["b".to_owned()]));
}

#[test]
fn the_configuration_takes_over_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    let changed = book.reload(configured(&[rule("a", "/other")], &[]), at(3)).unwrap();
    assert_eq!(changed.retired, ["a"]);
    assert_eq!(names(&book), ["a"]);
    assert_eq!(book.list()[0].author, Author::Configuration);
}

#[test]
fn the_archive_says_why_something_is_no_longer_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let config = |rules: &[Rule]| configured(rules, &[]);
    let (mut book, _) = open(folder.path(), config(&[rule("removed", "/"), rule("replaced", "/")]), at(1));
    let expiring = Rule { expires: Some(at(4)), ..rule("expired", "/") };
    book.add(vec![rule("retired", "/"), rule("disabled", "/"), expiring, rule("kept", "/")], None, at(2))
        .unwrap();
    let revisions: Set = book.list().iter().map(|entry| (entry.name().to_owned(), entry.revision)).collect();
    book.retire("retired", at(3)).unwrap();
    book.disable("disabled", at(3)).unwrap();
    book.sweep(at(4)).unwrap();
    book.reload(config(&[rule("replaced", "/new")]), at(5)).unwrap();
    let archive = StateFolder::open_to_read(folder.path()).unwrap().read_archive().unwrap();
    for (name, revision) in revisions {
        match archive.find(revision).unwrap().standing {
            Standing::Ended { reason, .. } => assert_eq!(reason.as_str(), name),
            Standing::Active { .. } => assert_eq!(name, "kept"),
            Standing::Numbered => panic!("{name} was never active"),
        }
    }
}

#[test]
fn a_damaged_file_of_rules_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    let path = book.writer().rules_path();
    drop(book);
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in
        [&good[..good.len() / 2], &good.replace("\"v\": 1", "\"v\": 9"), &good.replace("enabled", "enabld")]
    {
        std::fs::write(&path, bad).unwrap();
        let writer = StateFolder::open(folder.path()).unwrap().writer(Duration::ZERO).unwrap();
        let error = Rulebook::open(writer, Configured::default(), Box::new(compile), at(3)).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

/// As the proposer makes it.
fn proposed(name: &str, path: &str, expires: u64) -> Rule {
    Rule {
        expires: Some(at(expires)),
        author: Author::Machine { storm: "s0abc12".to_owned() },
        ..rule(name, path)
    }
}

fn accepted(proposal: &str) -> Proposed {
    Proposed { proposal: proposal.to_owned(), word: Word::Accepted }
}

#[test]
fn what_the_machine_stages_comes_after_what_people_wrote_and_what_they_accept_before() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(&[rule("c", "/c")], &[limit("l")]);
    let (mut book, _) = open(folder.path(), config.clone(), at(1));
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    book.stage(proposed("s1", "/s1", 100), "p1", 8, at(3)).unwrap();
    book.stage(proposed("s2", "/s2", 100), "p2", 8, at(4)).unwrap();
    book.accept(proposed("s3", "/s3", 100), accepted("p3"), Some("ada"), at(5)).unwrap();
    assert_eq!(names(&book), ["s3", "a", "c", "s1", "s2", "l"]);
    // Accepting what is staged makes it a person's.
    book.accept(proposed("s1", "/s1", 200), accepted("p1"), None, at(6)).unwrap();
    assert_eq!(names(&book), ["s1", "s3", "a", "c", "s2", "l"]);
    book.withdraw("p1", at(7)).unwrap();
    assert_eq!(names(&book), ["s1", "s3", "a", "c", "s2", "l"], "the machine takes back its own alone");
    let before = book.list().to_vec();
    drop(book);
    let (book, _) = open(folder.path(), config, at(10));
    assert_eq!(book.list(), before);
    let entry = |name: &str| book.list().iter().find(|entry| entry.name() == name).unwrap();
    assert_eq!(entry("s2").author, Author::Machine { storm: "s0abc12".to_owned() });
    assert_eq!(entry("s2").proposed, Some(Proposed { proposal: "p2".to_owned(), word: Word::Staged }));
    assert_eq!(entry("s3").proposed, Some(accepted("p3")));
    assert_eq!(entry("s3").added, Some((at(5), Some("ada".to_owned()))));
}

#[test]
fn the_machine_changes_prolongs_and_withdraws_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    let observing = Rule { mode: Mode::Observe, ..proposed("s", "/s", 100) };
    book.stage(observing.clone(), "p1", 1, at(2)).unwrap();
    let first = book.list()[0].revision;
    let part = Rule { mode: Mode::Enforce, portion: seawall_rules::rule::Portion::percent(25), ..observing };
    book.stage(part, "p1", 1, at(3)).unwrap();
    assert_ne!(book.list()[0].revision, first, "another definition has another number");
    book.renew("p1", at(500), at(50)).unwrap();
    assert_eq!(book.list()[0].expires(), Some(at(500)));
    assert_eq!(book.sweep(at(400)).unwrap(), Changed::default());
    let last = book.list()[0].revision;
    book.withdraw("p1", at(450)).unwrap();
    assert_eq!(names(&book), Vec::<String>::new());
    let archive = StateFolder::open_to_read(folder.path()).unwrap().read_archive().unwrap();
    let standing = archive.find(last).unwrap().standing;
    assert!(matches!(standing, Standing::Ended { reason, .. } if reason.as_str() == "withdrawn"));
    assert_eq!(book.withdraw("p1", at(451)).unwrap(), Changed::default(), "once is enough");
    book.stage(proposed("s", "/s", 600), "p1", 1, at(500)).unwrap();
    assert_eq!(book.sweep(at(600)).unwrap().retired, ["s"]);
}

#[test]
fn rules_of_the_machine_are_bounded_and_made_as_they_must_be() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), configured(&[rule("c", "/c")], &[]), at(1));
    book.stage(proposed("s1", "/s1", 100), "p1", 1, at(2)).unwrap();
    let before = (book.list().to_vec(), names(&book));
    let endless = Rule { expires: None, ..proposed("s2", "/s2", 100) };
    let written = Rule { author: Author::Operator, ..proposed("s2", "/s2", 100) };
    let errors = [
        book.stage(proposed("s2", "/s2", 100), "p2", 1, at(3)).unwrap_err(),
        book.stage(proposed("s2", "/s2", 3), "p2", 2, at(3)).unwrap_err(),
        book.stage(endless, "p2", 2, at(3)).unwrap_err(),
        book.accept(written, accepted("p2"), None, at(3)).unwrap_err(),
        book.accept(proposed("c", "/c", 100), accepted("p2"), None, at(3)).unwrap_err(),
        book.accept(proposed("s2", "/s2", 100), accepted("p2"), Some("a\nb"), at(3)).unwrap_err(),
    ];
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    `most-rules` is 1, and so many rules of the machine are in force
    rule `s2` has expired already: give it a later time, or none
    rule `s2`: a rule of the machine must expire
    rule `s2`: a proposed rule must name its storm as author
    a rule of the configuration already has the name `c`: take another name
    who makes a rule is named in at most 64 bytes, without control characters
    ");
    assert_eq!((book.list().to_vec(), names(&book)), before);
    // A rule that somebody accepted is not the machine's, and takes no place of its.
    book.accept(proposed("s1", "/s1", 100), accepted("p1"), None, at(4)).unwrap();
    book.stage(proposed("s2", "/s2", 100), "p2", 1, at(5)).unwrap();
}

#[test]
fn a_rule_that_is_staged_again_after_a_restart_takes_the_place_of_the_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    book.stage(proposed("s", "/s", 100), "p1", 1, at(2)).unwrap();
    drop(book);
    let (mut book, _) = open(folder.path(), Configured::default(), at(10));
    book.stage(proposed("s", "/s", 200), "p7", 1, at(11)).unwrap();
    assert_eq!(names(&book), ["s"]);
    assert_eq!(book.list()[0].expires(), Some(at(200)));
    // What somebody accepted stays as it is.
    book.accept(proposed("s", "/s", 300), accepted("p7"), None, at(12)).unwrap();
    assert!(book.stage(proposed("s", "/s", 400), "p9", 1, at(13)).is_err());
}

#[test]
fn what_is_accepted_until_a_time_is_not_prolonged() {
    let folder = tempfile::tempdir().unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(1));
    let until = Proposed { word: Word::AcceptedUntil, ..accepted("p1") };
    book.accept(proposed("a", "/a", 100), until, None, at(2)).unwrap();
    book.accept(proposed("b", "/b", 100), accepted("p2"), None, at(2)).unwrap();
    for proposal in ["p1", "p2"] {
        book.renew(proposal, at(500), at(50)).unwrap();
    }
    let expires = |name: &str| book.list().iter().find(|entry| entry.name() == name).unwrap().expires();
    assert_eq!((expires("a"), expires("b")), (Some(at(100)), Some(at(500))));
}

/// As an earlier program wrote it.
#[test]
fn rules_of_an_earlier_program_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let golden = r##"{
  "v": 1,
  "rules": [
    {
      "rule": {"v":1,"name":"qqgamehall","match":[{"fact":"method","test":{"exact":"POST"}}],"action":{"deny":{"status":403}},"mode":"enforce","author":"operator"},
      "enabled": true,
      "made": 2000,
      "by": "ada"
    }
  ],
  "disabled": []
}
"##;
    let path = StateFolder::open(folder.path()).unwrap().writer(Duration::ZERO).unwrap().rules_path();
    std::fs::write(&path, golden).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (mut book, _) = open(folder.path(), Configured::default(), at(10));
    assert_eq!(names(&book), ["qqgamehall"]);
    assert_eq!(book.list()[0].added, Some((at(2), Some("ada".to_owned()))));
    // What an earlier program can read stays in its form.
    book.disable("qqgamehall", at(11)).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"v\": 1,"));
    book.stage(proposed("s", "/s", 100), "p1", 1, at(12)).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"v\": 2,"));
}

/// The environment variable that makes the test below its own victim.
const VICTIM: &str = "SEAWALL_TEST_RULEBOOK_VICTIM";

#[test]
fn every_acknowledged_rule_outlives_kill_9() {
    if let Some(folder) = std::env::var_os(VICTIM) {
        return add_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(String, u32)> = Vec::new();
    for round in 0..20_usize {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rulebook::tests::every_acknowledged_rule_outlives_kill_9", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // A different number each time, so that it dies in another state; it is in the middle of the next one.
        let mut awaited = 1 + round * 7 % 11;
        for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(words) = line.strip_prefix("added ") else { continue };
            let (name, revision) = words.split_once(' ').unwrap();
            acknowledged.push((name.to_owned(), revision.parse().unwrap()));
            // What it still acknowledged before it died counts too.
            awaited = awaited.saturating_sub(1);
            if awaited == 0 {
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        let (book, _) = open(folder.path(), Configured::default(), at(1));
        let now = book.published.load();
        for wanted in &acknowledged {
            assert!(now.contains(wanted), "round {round}: {wanted:?} was acknowledged and is gone");
        }
        // Beyond them only the one that was being added, once per round.
        assert!(now.len() <= acknowledged.len() + round + 1, "{} of {}", now.len(), acknowledged.len());
    }
    assert!(acknowledged.len() > 100);
}

fn add_until_killed(folder: &Path) {
    let (mut book, _) = open(folder, Configured::default(), at(1));
    loop {
        let name = format!("r{}", book.list().len());
        book.add(vec![rule(&name, &format!("/{name}"))], None, at(1)).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nadded {name} {}", book.list()[0].revision).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn the_set_in_force_decides_with_the_numbers_of_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StateFolder::open(folder.path()).unwrap().writer(Duration::ZERO).unwrap();
    let config = configured(&[rule("c", "/c")], &[limit("l")]);
    let (mut book, _) = Rulebook::open(writer, config, Box::new(compile_set), at(1)).unwrap();
    book.add(vec![rule("a", "/a")], None, at(2)).unwrap();
    let published = book.published();
    let set = published.load();
    let rules: Vec<_> = set.rules().map(|(revision, rule)| (revision, rule.name.clone())).collect();
    assert_eq!(rules, [(3, "a".to_owned()), (1, "c".to_owned())]);
    assert_eq!(set.limits().map(|(revision, _)| revision).collect::<Vec<_>>(), [2]);
    let broken = Rule {
        conditions: vec![Condition { fact: Fact::Path, test: Test::Regex("(".to_owned()), negated: false }],
        ..rule("b", "")
    };
    let error = book.reload(configured(&[broken], &[]), at(3)).unwrap_err().to_string();
    assert!(error.starts_with("rule `b`: "), "{error}");
    assert_eq!(published.load().rules().count(), 2);
}

#[test]
fn many_configured_rules_leave_room_for_one_more() {
    let folder = tempfile::tempdir().unwrap();
    let rules: Vec<_> = (0..10_000).map(|n| rule(&format!("r{n}"), &format!("/a/path/{n}"))).collect();
    let config = configured(&rules, &[]);
    drop(open(folder.path(), config.clone(), at(1)));
    let (mut book, _) = open(folder.path(), config.clone(), at(1));
    book.add(vec![rule("one", "/more")], None, at(2)).unwrap();
    assert_eq!(names(&book).len(), 10_001);
    book.reload(Configured::default(), at(3)).unwrap();
    assert_eq!(names(&book), ["one"]);
}
