use seawall_console::control::{
    CollateralView, CostView, CurveView, EstimateView, ProposalView, StormTable, StormView,
};

use super::{figure, list, show};

const NOW: u64 = 1_790_000_200;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn story() -> StormView {
    let rate = CostView { requests: 18.4, bytes: 4.14e6, origin_bytes: 4.14e6, origin_seconds: 0.31 };
    StormView {
        id: "s0ABC12".to_owned(),
        nature: "storm".to_owned(),
        phase: "growing".to_owned(),
        signature: words(&["method = POST", "path = /ca/cacert.pem", "user-agent = QQGameHall"]),
        described: words(&[
            "method = POST",
            "path = /ca/cacert.pem",
            "protocol = HTTP/1.1",
            "user-agent = QQGameHall",
            "header.accept-language absent",
        ]),
        measure: "origin-bytes".to_owned(),
        onset: 1_790_000_000,
        named: 1_790_000_005,
        last: 1_790_000_199,
        rate,
        peak: CostView { requests: 21.0, ..rate },
        total: CostView { requests: 3412.0, bytes: 7.6e8, origin_bytes: 7.6e8, origin_seconds: 61.0 },
        share: CostView { requests: 0.005, bytes: 0.4, origin_bytes: 0.614, origin_seconds: 0.2 },
        clients: EstimateView { value: 1204.0, upper: 1422.0 },
        collateral: Some(CollateralView {
            requests: EstimateView { value: 0.0, upper: 0.000_34 },
            clients: EstimateView { value: 0.0, upper: 0.0009 },
            sample: 8810,
        }),
        confidence: 0.97,
        grounds: words(&["it comes from about 1,200 clients", "hardly any of its agents was seen before"]),
        proposal: Some("p0XYZ34".to_owned()),
        withheld: None,
        rule: None,
        curve: CurveView {
            seconds: 4,
            points: (0..50).map(|n| CostView { origin_bytes: f64::from(n) * 1e5, ..rate }).collect(),
        },
    }
}

fn crowd() -> StormView {
    StormView {
        id: "sZZZZZZ".to_owned(),
        nature: "flash-crowd".to_owned(),
        phase: "paused".to_owned(),
        signature: words(&["path = /news/today"]),
        measure: "requests".to_owned(),
        onset: NOW - 90_000,
        share: CostView { requests: 0.000_001, ..CostView::default() },
        clients: EstimateView { value: 1_234_567.0, upper: 1_300_000.0 },
        proposal: None,
        collateral: None,
        curve: CurveView::default(),
        ..story()
    }
}

fn proposal() -> ProposalView {
    ProposalView {
        id: "p0XYZ34".to_owned(),
        storm: "s0ABC12".to_owned(),
        name: "storm-qqgamehall-cacert".to_owned(),
        description: "refuse the method, allowing GET and HEAD, when method is POST and path is /ca/cacert.pem and user agent is QQGameHall".to_owned(),
        collateral: story().collateral.unwrap(),
        made: NOW - 190,
        expires: Some(NOW - 190 + 86_400),
        reasons: words(&["nobody else sends POST there"]),
        ..ProposalView::default()
    }
}

fn table(storms: Vec<StormView>) -> StormTable {
    StormTable { enabled: true, learning_seconds: 0, storms }
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn the_list_reads_well_in_80_columns() {
    let held = StormView {
        proposal: None,
        withheld: Some("every rule that would stop it might match up to 0.52 % of everybody else".to_owned()),
        ..story()
    };
    let ruled = StormView { rule: Some("storm-qqgamehall-cacert".to_owned()), ..story() };
    let text = list::text(&table(vec![story(), crowd(), held, ruled]), &[proposal()], NOW);
    fits(&text);
    insta::assert_snapshot!("list", text);
}

#[test]
fn a_list_without_storms_says_why() {
    let learning = StormTable { learning_seconds: 130, ..table(Vec::new()) };
    let texts = [
        list::text(&table(Vec::new()), &[], NOW),
        list::text(&learning, &[], NOW),
        list::text(&StormTable::default(), &[], NOW),
    ];
    insta::assert_snapshot!(texts.map(|text| text.trim_end().to_owned()).join("\n--\n"), @"
    no storms
    --
    no storms
    nothing is called a storm yet: what is usual is known in 2 min
    --
    storms are not looked for: remove `enabled = false` from [detect], and start again
    ");
}

#[test]
fn all_of_one_storm_reads_well_in_80_columns() {
    let ruled = StormView { rule: Some("storm-qqgamehall-cacert".to_owned()), ..story() };
    let texts = [
        show::text(&story(), Some(&proposal()), NOW),
        show::text(&ruled, Some(&proposal()), NOW),
        show::text(&crowd(), None, NOW),
    ];
    texts.iter().for_each(|text| fits(text));
    insta::assert_snapshot!("show", texts.join("\n----\n\n"));
}

#[test]
fn figures_are_short_and_hide_nothing() {
    let shares = [0.0, 1e-7, 0.000_34, 0.005, 0.0999, 0.614, 1.0].map(figure::share);
    assert_eq!(shares, ["0 %", "under 0.001 %", "0.034 %", "0.5 %", "10 %", "61 %", "100 %"]);
    let numbers = [0.0, 0.4, 18.44, 99.99, 1204.0, 1_234_567.0].map(figure::number);
    assert_eq!(numbers, ["0", "0.4", "18", "100", "1,204", "1,234,567"]);
    assert_eq!([999.0, 4.14e6, 225e3].map(figure::bytes), ["999 B", "4.1 MB", "225 kB"]);
    assert_eq!(figure::sparkline(&[0.0, 1.0, 7.0]), "▁▂█");
    assert_eq!(figure::sparkline(&[0.0]), "▁");
    let small = [0.0, 0.0042, 0.031, 0.31, 1.23, 61.0].map(figure::small);
    assert_eq!(small, ["0", "<0.01", "0.031", "0.31", "1.2", "61"]);
}
