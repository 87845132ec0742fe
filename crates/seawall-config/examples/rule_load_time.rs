//! How long a rule file of many rules takes to load: `cargo run --release -p seawall-config --example
//! rule_load_time -- 100000`.
#![expect(clippy::print_stdout, reason = "it is a measurement")]

use std::fmt::Write;
use std::time::Instant;

use seawall_config::load_rules;
use seawall_rules::rule::Author;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let mut text = String::new();
    for n in 0..count {
        // The mix of a large site: most rules name a path or an agent, some a network, few a pattern.
        let condition = match n % 20 {
            0 => format!("path = {{ regex = '^/old/{n}/[a-z]+$' }}"),
            1..=4 => format!("client = \"10.{}.{}.0/24\"", n / 256 % 256, n % 256),
            5..=9 => format!("user-agent = {{ prefix = \"agent-{n}/\" }}"),
            _ => format!("method = \"POST\", path = \"/files/{n}.pem\""),
        };
        let _ =
            write!(text, "[[rule]]\nname = \"rule-{n}\"\nmatch = {{ {condition} }}\naction = \"deny\"\n\n");
    }
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let rules = load_rules("rules.toml", &text, &Author::Configuration).result;
        times.push(start.elapsed());
        assert_eq!(rules.map(|rules| rules.len()).unwrap_or_default(), count);
    }
    times.sort();
    println!("{count} rules, {} bytes: {:?} (median of 5)", text.len(), times[2]);
}
