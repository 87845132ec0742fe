//! What is told of an [`Account`], in which order, and in which words.

use crate::account::{Account, Bound, Collateral, Costs, Point, Top, Zone};
use crate::document::{Block, Chart, Column, Curve, Document, Text};
use crate::number;

/// The account, told.
pub fn document(account: &Account) -> Document {
    let mut blocks = vec![Block::Paragraph(summary(account))];
    blocks.extend(cost(account));
    blocks.extend(course(account));
    blocks.extend(signature(account));
    blocks.extend(senders(account));
    blocks.extend(rule(account));
    blocks.extend(done(account));
    blocks.extend(unknown(account));
    let made = format!("Made by {} on {}.", account.program, number::time(account.made));
    blocks.push(Block::Paragraph(made.into()));
    Document { title: title(account), blocks }
}

fn title(account: &Account) -> String {
    let what = if account.nature == "storm" { "Storm" } else { "Crowd" };
    format!("{what} {}: {}", account.id, account.signature.join(" and "))
}

fn summary(account: &Account) -> Text {
    let lasted = number::seconds(account.last.saturating_sub(account.onset) as f64);
    let named = number::seconds(account.named.saturating_sub(account.onset) as f64);
    let begin = format!("On {}, {}, ", account.site, number::time(account.onset));
    let what = match account.nature.as_str() {
        "storm" => String::from("requests of one kind rose against their own past. "),
        kind => format!("requests rose that look like a {kind}. "),
    };
    let peak = account.peak;
    let rest = format!(
        "It was named after {named}, lasted {lasted} up to now ({}), and peaked at {} requests/s and {}. In all: {} requests, {}.",
        account.phase,
        number::count(peak.requests),
        number::bits_per_second(peak.bytes),
        number::count(account.total.requests),
        number::bytes(account.total.bytes),
    );
    Text::plain(begin + &what + &rest)
}

fn cost(account: &Account) -> [Block; 2] {
    let mut head = vec![
        Column::words("measure"),
        Column::number("now"),
        Column::number("at its peak"),
        Column::number("in all"),
    ];
    if account.usual.is_some() {
        head.push(Column::number("whole site before"));
    }
    let rows = MEASURES
        .iter()
        .map(|measure| {
            let rates = [Some(account.rate), Some(account.peak)].into_iter();
            let mut row = vec![Text::plain(measure.name)];
            row.extend(rates.flatten().map(|costs| Text::from((measure.rate)(&costs))));
            row.push((measure.sum)(&account.total).into());
            row.extend(account.usual.map(|usual| Text::from((measure.rate)(&usual))));
            row
        })
        .collect();
    [Block::Heading("What it costs".into()), Block::Table { head, rows }]
}

struct Words {
    name: &'static str,
    rate: fn(&Costs) -> String,
    sum: fn(&Costs) -> String,
}

static MEASURES: [Words; 4] = [
    Words {
        name: "requests",
        rate: |cost| format!("{}/s", number::count(cost.requests)),
        sum: |cost| number::count(cost.requests),
    },
    Words {
        name: "sent to clients",
        rate: |cost| number::bits_per_second(cost.bytes),
        sum: |cost| number::bytes(cost.bytes),
    },
    Words {
        name: "from the origin",
        rate: |cost| number::bits_per_second(cost.origin_bytes),
        sum: |cost| number::bytes(cost.origin_bytes),
    },
    Words {
        name: "origin busy",
        // Seconds a second: how many requests it works on at once.
        rate: |cost| format!("{} at once", number::count(cost.origin_seconds)),
        sum: |cost| number::seconds(cost.origin_seconds),
    },
];

fn course(account: &Account) -> Vec<Block> {
    let curve = |name, value: fn(&Point) -> f64| {
        let mut points: Vec<(u64, Option<f64>)> = Vec::with_capacity(account.curve.len());
        let mut end = None;
        for point in &account.curve {
            if end.is_some_and(|end| point.at > end) {
                points.push((end.unwrap_or_default(), None));
            }
            points.push((point.at, Some(value(point) / f64::from(point.seconds.max(1)))));
            end = Some(point.at + u64::from(point.seconds));
        }
        Curve { name, points }
    };
    let requests = vec![curve("all", |point| point.cost.requests), curve("refused", |point| point.refused)];
    let bits = vec![
        curve("sent to clients", |point| point.cost.bytes * 8e-6),
        curve("from the origin", |point| point.cost.origin_bytes * 8e-6),
    ];
    let mut blocks = vec![
        Block::Heading("Its course".into()),
        Block::Chart(Chart {
            title: "Requests per second, time in UTC",
            curves: requests,
            bands: Vec::new(),
        }),
        Block::Chart(Chart { title: "Mbit/s, time in UTC", curves: bits, bands: Vec::new() }),
    ];
    let mut rhythm = Vec::new();
    rhythm.extend(account.zone.map(|zone| Text::from(zone_words(&zone))));
    rhythm.extend(account.week.as_ref().map(|week| {
        let days = week.holidays.iter().map(|day| number::day(*day)).collect::<Vec<_>>().join(", ");
        let holidays = if days.is_empty() {
            String::new()
        } else {
            format!(" Working days that went like them: {days}.")
        };
        let ratio = number::percent(week.ratio);
        Text::from(format!("{} see {ratio} of a working day's requests.{holidays}", week.rest))
    }));
    rhythm.extend(account.interval.map(|interval| {
        let (every, share) = (number::seconds(interval.seconds), number::percent(interval.share));
        Text::from(format!(
            "A client comes back each {every}, or after a small multiple of it ({share} of {} gaps): it is a program that polls.",
            number::count(f64::from(interval.gaps))
        ))
    }));
    if !rhythm.is_empty() {
        blocks.push(Block::List(rhythm));
    }
    blocks
}

fn zone_words(zone: &Zone) -> String {
    format!(
        "Its day fits people who live at UTC{:+} ± {} h, after {} of watching.",
        zone.offset_hours,
        zone.uncertainty_hours,
        number::seconds(f64::from(zone.days) * 86_400.0),
    )
}

fn signature(account: &Account) -> Vec<Block> {
    let values = |facts: &[String]| facts.iter().map(Text::value).collect();
    let mut blocks = vec![Block::Heading("What names it".into()), Block::List(values(&account.signature))];
    let more: Vec<String> =
        account.described.iter().filter(|fact| !account.signature.contains(fact)).cloned().collect();
    if !more.is_empty() {
        let words =
            "These hold for at least 99 % of it as well, and were not needed to tell it from the rest:";
        blocks.extend([Block::Paragraph(words.into()), Block::List(values(&more))]);
    }
    blocks
}

fn senders(account: &Account) -> Vec<Block> {
    let clients = format!("Distinct clients: {}.", bound(&account.clients, number::count));
    let mut blocks = vec![Block::Heading("Who sends it".into()), Block::Paragraph(clients.into())];
    if account.networks.is_empty() {
        let words = format!(
            "No network is known to have {} clients or more of it, so none is shown.",
            account.least_clients
        );
        blocks.push(Block::Paragraph(words.into()));
    } else {
        let head =
            vec![Column::words("network"), Column::number("share"), Column::number("clients, at least")];
        let rows = account.networks.iter().map(|network| {
            vec![
                Text::value(&network.network),
                number::percent(network.share).into(),
                number::count(f64::from(network.clients)).into(),
            ]
        });
        blocks.push(Block::Table { head, rows: rows.collect() });
        let words = format!("Networks with fewer than {} clients are not shown.", account.least_clients);
        blocks.push(Block::Paragraph(words.into()));
    }
    if account.tops.iter().any(|top| !top.values.is_empty()) {
        let head = vec![Column::words("fact"), Column::words("value"), Column::number("share")];
        blocks.push(Block::Table { head, rows: account.tops.iter().flat_map(rows_of).collect() });
    }
    blocks
}

fn rows_of(top: &Top) -> impl Iterator<Item = Vec<Text>> {
    top.values.iter().enumerate().map(|(index, value)| {
        let fact = if index == 0 { Text::plain(&top.fact) } else { Text::default() };
        let text = value.value.as_ref().map_or_else(|| Text::plain("none"), Text::value);
        vec![fact, text, number::percent(value.share).into()]
    })
}

fn rule(account: &Account) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("The rule, and what it costs everybody else".into())];
    match &account.collateral {
        Some(collateral) => blocks.push(Block::Paragraph(collateral_words(collateral).into())),
        // The reasons below say what stands against it.
        None if !account.reasons.is_empty() => {}
        None => blocks.push(Block::Paragraph(
            "What a rule would cost everybody else is not known yet, so none is proposed.".into(),
        )),
    }
    match &account.rule {
        Some(rule) => blocks.push(Block::Lines(rule.clone())),
        None => blocks.push(Block::Paragraph("No rule is proposed.".into())),
    }
    if !account.reasons.is_empty() {
        blocks.push(Block::List(account.reasons.iter().map(Text::plain).collect()));
    }
    blocks
}

fn collateral_words(collateral: &Collateral) -> String {
    format!(
        "Outside the storm, a rule with this signature would match {} of requests and {} of clients, by {} exchanges.",
        bound(&collateral.requests, number::percent),
        bound(&collateral.clients, number::percent),
        number::count(collateral.sample as f64),
    )
}

/// `0.01 % (at most 0.06 %)`.
fn bound(bound: &Bound, words: fn(f64) -> String) -> String {
    let (value, upper) = (words(bound.value), words(bound.upper));
    if value == upper { value } else { format!("{value} (with 95 % confidence at most {upper})") }
}

fn done(account: &Account) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("What was done".into())];
    if account.actions.is_empty() {
        blocks.push(Block::Paragraph("Nothing.".into()));
    } else {
        let said =
            |action: &crate::Action| Text::from(format!("{}: {}", number::time(action.at), action.what));
        blocks.push(Block::List(account.actions.iter().map(said).collect()));
    }
    if let Some(effect) = &account.effect {
        let head = vec![Column::words("measure"), Column::number("before"), Column::number("after")];
        let rows = MEASURES.iter().map(|measure| {
            let (before, after) = ((measure.rate)(&effect.before), (measure.rate)(&effect.after));
            vec![Text::plain(measure.name), before.into(), after.into()]
        });
        blocks.push(Block::Table { head, rows: rows.collect() });
    }
    blocks
}

fn unknown(account: &Account) -> Vec<Block> {
    if account.unknown.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Heading("What is not known".into()),
        Block::List(account.unknown.iter().map(Text::plain).collect()),
    ]
}
