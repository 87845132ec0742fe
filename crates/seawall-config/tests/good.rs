//! What accepted configurations come to.

use std::path::Path;
use std::time::Duration;

use seawall_config::config::{AccessLog, Bounds, ClientField, Config, OriginHost, SiteTls, Source};
use seawall_config::manual::{Default as Fallback, SECTIONS};
use seawall_config::{Disk, Files, Overrides, for_files, for_origin, load};
use seawall_rules::limit::{KeyPart, Rate};
use seawall_rules::rule::{Action, Author, Mode};

use crate::{corpus, load_text, load_with};

fn good(name: &str) -> Config {
    let (_, text) = corpus("good").into_iter().find(|(found, _)| found == name).unwrap();
    let extra = [("rules/more.toml", "[[rule]]\nname = \"from-file\"\nmatch = {}\naction = \"allow\"\n")];
    let outcome = load_with(&text, &extra, &Overrides::default());
    assert!(outcome.warnings.is_empty(), "{:#?}", outcome.warnings);
    outcome.result.unwrap()
}

#[test]
fn good_configurations_are_accepted_without_a_word() {
    for (name, _) in corpus("good") {
        good(&name);
    }
}

#[test]
fn the_story_reads_as_it_is_meant() {
    let config = good("story");
    assert_eq!(config.listen.len(), 2);
    assert!(!config.listen[0].tls && config.listen[1].tls);
    assert_eq!(config.client.field, ClientField::XForwardedFor);
    assert_eq!(config.sites[0].hosts, ["site.example", "www.site.example"]);
    let Some(SiteTls::Files { certificate, .. }) = &config.sites[0].tls else { panic!("no certificate") };
    assert_eq!(certificate, Path::new("/etc/seawall/fullchain.pem"));
    assert_eq!(config.limits[0].rate, Rate { requests: 50, per: Duration::from_secs(1), burst: 100 });
    assert_eq!(config.rules[0].conditions.len(), 3);
    assert_eq!(config.rules[0].author, Author::Configuration);
}

#[test]
fn everything_that_is_written_is_read() {
    let config = good("everything");
    insta::with_settings!({
        snapshot_path => "data/good",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_debug_snapshot!("everything", config) });
}

#[test]
fn rules_of_rule_files_come_last_and_disabled_ones_not_at_all() {
    let config = good("everything");
    let names: Vec<&str> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        ["every-fact", "limit", "limit-together", "post", "bundle", "slow", "pass", "from-file"]
    );
}

#[test]
fn a_site_takes_the_common_pool_key_by_key() {
    let config = good("everything");
    let Source::Origins(group) = &config.sites[0].source else { panic!("no origins") };
    assert_eq!(group.host, OriginHost::Fixed(String::from("www.example.org")));
    assert_eq!((group.attempts, group.connections), (1, 64));
}

#[test]
fn the_burst_is_one_seconds_worth_and_at_least_one() {
    for (rate, burst) in [("50/s", 50), ("1000/min", 17), ("5/h", 1), ("20/10s", 2), ("5/100ms", 50)] {
        let text = format!("[[site]]\nfiles = \"x\"\n[[limit]]\nname = \"a\"\nby = []\nrate = \"{rate}\"\n");
        assert_eq!(load_text(&text).result.unwrap().limits[0].rate.burst, burst, "{rate}");
    }
}

#[test]
fn the_documented_defaults_are_the_ones_that_hold() {
    let smallest = good("smallest");
    let mut text = String::new();
    let mut tables = String::from("[[site]]\norigin = \"http://127.0.0.1:8081\"\n");
    for section in SECTIONS {
        let table = match section.path {
            "" => &mut text,
            "[client]" | "[bounds]" | "[log]" | "[origin-pool]" => {
                tables.push_str(&format!("{}\n", section.path));
                &mut tables
            }
            _ => continue,
        };
        for key in section.keys {
            if let Fallback::Value(value) = key.default {
                table.push_str(&format!("{} = {value}\n", key.name));
            }
        }
    }
    let written = load_text(&(text + &tables)).result.unwrap();
    assert_eq!(written, smallest);
    assert_eq!(smallest.bounds, Bounds::default());
    assert_eq!(smallest.log.access, AccessLog::Off);
}

#[test]
fn documented_defaults_of_rules_hold_too() {
    let rule = |action: &str| {
        let text = format!("[[site]]\nfiles = \"x\"\n[[rule]]\nname = \"a\"\nmatch = {{}}\n{action}\n");
        load_text(&text).result.unwrap().rules.remove(0)
    };
    for (short, long) in [
        ("action = \"deny\"", "action = \"deny\"\nstatus = 403\nmode = \"enforce\"\nenabled = true"),
        ("action = \"tarpit\"", "action = \"tarpit\"\ndelay = \"10s\""),
        ("action = \"refuse-method\"", "action = \"refuse-method\"\nallow = [\"GET\", \"HEAD\"]"),
        ("action = \"limit\"\nrate = \"3/s\"", "action = \"limit\"\nrate = \"3/s\"\nburst = 3\nby = []"),
    ] {
        assert_eq!(rule(short), rule(long));
        assert_eq!(rule(short).mode, Mode::Enforce);
    }
    let Action::Limit { by, .. } = rule("action = \"limit\"\nrate = \"3/s\"\nby = \"network\"").action else {
        panic!("no limit")
    };
    assert_eq!(by.0, [KeyPart::Network { v4: 24, v6: 48 }]);
}

#[test]
fn without_a_file_one_origin_is_enough() {
    let config = for_origin(&["http://127.0.0.1:9000"], &Overrides::default()).result.unwrap();
    assert_eq!(config.listen[0].address, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.admin, "127.0.0.1:9180".parse().unwrap());
    assert_eq!(config.sites[0].hosts, ["*"]);
}

#[test]
fn the_default_port_moves_out_of_the_way_of_the_origin() {
    for (url, port) in [
        ("http://127.0.0.1:8080", 8081),
        ("http://localhost:8080", 8081),
        ("http://10.0.0.1:8080", 8080),
        ("http://127.0.0.1:8081", 8080),
    ] {
        let config = for_origin(&[url], &Overrides::default()).result.unwrap();
        assert_eq!(config.listen[0].address.port(), port, "{url}");
    }
}

#[test]
fn a_wrong_origin_on_the_command_line_is_explained() {
    let errors = for_origin(&["127.0.0.1:9000"], &Overrides::default()).result.unwrap_err();
    assert_eq!(errors[0].record().file, "--origin");
    assert_eq!(errors[0].help.as_deref(), Some("write \"http://127.0.0.1:9000\""));
    assert_eq!(errors.len(), 1);
    assert!(for_origin(&[], &Overrides::default()).result.is_err());
}

#[test]
fn overrides_stand_instead_of_the_file() {
    let overrides = Overrides {
        listen: vec!["127.0.0.1:81".parse().unwrap()],
        admin: Some("[::1]:1".parse().unwrap()),
        state: Some("here".into()),
        tls_self_signed: true,
    };
    let config = load_with("[[site]]\nfiles = \"x\"\n", &[], &overrides).result.unwrap();
    assert_eq!(config.listen.len(), 1);
    assert!(config.listen[0].tls && config.listen[0].address.port() == 81);
    assert_eq!(config.admin, "[::1]:1".parse().unwrap());
    assert_eq!(config.state, Path::new("here"));
    assert_eq!(config.sites[0].tls, Some(SiteTls::SelfSigned));
    let files = for_files(Path::new("www"), &overrides).result.unwrap();
    assert_eq!(files.sites[0].source, Source::Files("www".into()));
}

#[test]
fn rule_files_are_found_on_disk_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a", "c"] {
        let text = format!("[[rule]]\nname = \"{name}\"\nmatch = {{}}\naction = \"allow\"\n");
        std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    std::fs::write(folder.path().join("a.toml~"), "not TOML").unwrap();
    let name = folder.path().join("seawall.conf");
    let text = "rule-files = \"*.toml\"\n[[site]]\nfiles = \"x\"\n";
    let outcome = load(name.to_str().unwrap(), text, &mut Disk, &Overrides::default());
    let names: Vec<String> = outcome.result.unwrap().rules.into_iter().map(|rule| rule.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(Disk.read(folder.path()).is_err(), "a folder is no rule file");
}

#[test]
fn two_times_any_free_port_is_no_conflict() {
    let overrides = Overrides {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        admin: Some("127.0.0.1:0".parse().unwrap()),
        ..Overrides::default()
    };
    let config = for_files(Path::new("www"), &overrides).result.unwrap();
    assert_eq!(config.admin.port(), 0);
}
