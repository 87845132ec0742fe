//! An [`Analysis`] as a page: what is told of it, in which order, and in which words.

use super::{Analysis, Bound, Cell, Log, Step, Storm, Table, Top, TopValue};
use crate::document::{Band, Block, Chart, Column, Curve, Document, Span, Text};
use crate::number;

/// The page.
pub fn page(analysis: &Analysis) -> Document {
    let mut blocks = vec![figures(analysis)];
    blocks.extend(
        analysis.warnings.iter().map(|warning| Block::Paragraph(format!("Warning: {warning}.").into())),
    );
    blocks.extend(course(analysis));
    blocks.extend(storms(analysis));
    blocks.extend(crowds(analysis));
    blocks.extend(counted(analysis));
    blocks.extend(analysis.tables.iter().flat_map(table));
    blocks.extend(tops(analysis));
    blocks.extend(coverage(analysis));
    blocks.extend(unknown(analysis));
    blocks.push(Block::Paragraph(format!("Made by {}. Times are UTC.", analysis.program).into()));
    Document { title: title(&analysis.logs), blocks }
}

fn title(logs: &[Log]) -> String {
    match logs {
        [] => String::from("Analysis"),
        [one] => format!("Analysis of {}", one.name),
        [first, rest @ ..] => format!("Analysis of {} and {} more", first.name, rest.len()),
    }
}

fn figures(analysis: &Analysis) -> Block {
    let totals = &analysis.totals;
    let mut figures = vec![
        ("requests", number::count(totals.requests as f64)),
        ("sent", number::bytes(totals.bytes as f64)),
        ("storms", number::count(analysis.storms.len() as f64)),
        ("crowds", number::count(analysis.crowds.len() as f64)),
    ];
    if analysis.counted.conditions.is_empty() {
        figures.push(("clients", estimate(analysis.counted.clients)));
    }
    if let (Some(from), Some(to)) = (totals.from, totals.to) {
        figures.push(("from", number::time(from.0)));
        figures.push(("to", number::time(to.0)));
    }
    Block::Figures(figures)
}

fn course(analysis: &Analysis) -> Vec<Block> {
    let course = &analysis.course;
    if course.steps.len() < 2 {
        return Vec::new();
    }
    let per_second = |value: fn(&Step) -> f64| {
        let mut points: Vec<(u64, Option<f64>)> = Vec::new();
        let mut end = None;
        for step in &course.steps {
            // A quiet step is nothing; a quiet time breaks the line.
            if let Some(end) = end.filter(|end| step.at.0 > *end) {
                let quiet = step.at.0 - end <= 4 * course.step_seconds;
                points.push((end, quiet.then_some(0.0)));
            }
            points.push((step.at.0, Some(value(step) / course.step_seconds.max(1) as f64)));
            end = Some(step.at.0 + course.step_seconds);
        }
        points
    };
    let bands = || {
        let band = |storm: &Storm| Band { from: storm.onset.0, until: storm.last.0, name: storm.id.clone() };
        analysis.storms.iter().map(band).collect()
    };
    let chart = |title, name, value| {
        Block::Chart(Chart { title, curves: vec![Curve { name, points: per_second(value) }], bands: bands() })
    };
    vec![
        Block::Heading("Course".into()),
        chart("Requests per second, storms marked", "requests", |step| step.requests as f64),
        chart("Mbit/s sent, storms marked", "sent", |step| step.bytes as f64 * 8e-6),
    ]
}

// === Storms ===

fn storms(analysis: &Analysis) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Storms".into())];
    if analysis.storms.is_empty() {
        blocks.push(Block::Paragraph("None was found.".into()));
    }
    blocks.extend(analysis.storms.iter().flat_map(|storm| storm_blocks(storm, analysis)));
    blocks
}

fn storm_blocks(storm: &Storm, analysis: &Analysis) -> Vec<Block> {
    let what = if storm.is_sure() { "Storm" } else { "Perhaps a storm" };
    let mut heading = vec![Span::Plain(format!("{what} {}: ", storm.id))];
    for (place, term) in storm.signature.iter().enumerate() {
        if place > 0 {
            heading.push(Span::Plain(String::from(" and ")));
        }
        heading.push(Span::Value(term.clone()));
    }
    let mut blocks = vec![Block::Subheading(Text(heading)), Block::Paragraph(cost(storm, analysis).into())];
    if let Some(curve) = storm.curve.as_ref().filter(|curve| curve.requests_per_second.len() > 1) {
        let points = (0..).zip(&curve.requests_per_second);
        let points = points.map(|(step, rate)| (curve.from.0 + step * curve.step_seconds, Some(*rate)));
        let curves = vec![Curve { name: "requests", points: points.collect() }];
        blocks.push(Block::Chart(Chart {
            title: "Requests per second, the greatest of each step",
            curves,
            bands: Vec::new(),
        }));
    }
    let mut points: Vec<Text> = vec![sure(storm).into()];
    points.extend(storm.grounds.iter().map(|ground| Text::plain(ground.clone())));
    points.push(others(storm).into());
    points.extend(storm.time_zone.map(|zone| {
        Text::from(format!(
            "its people's day is that of UTC{:+}, by {} hours more or less",
            zone.offset_hours, zone.uncertainty_hours
        ))
    }));
    let more: Vec<&String> = storm.described.iter().filter(|term| !storm.signature.contains(term)).collect();
    if !more.is_empty() {
        let mut also = vec![Span::Plain(String::from("also true of at least 99 % of it: "))];
        for (place, term) in more.into_iter().enumerate() {
            if place > 0 {
                also.push(Span::Plain(String::from(", ")));
            }
            also.push(Span::Value(term.clone()));
        }
        points.push(Text(also));
    }
    blocks.push(Block::List(points));
    match (&storm.rule, &storm.no_rule) {
        (Some(rule), _) => {
            blocks.push(Block::Paragraph(format!("A rule against it: {}.", rule.description).into()));
            blocks.push(Block::Lines(rule.toml.trim_end().to_owned()));
        }
        (None, Some(why)) => blocks.push(Block::Paragraph(format!("No rule: {why}.").into())),
        (None, None) => {}
    }
    blocks
}

fn cost(storm: &Storm, analysis: &Analysis) -> String {
    let totals = &analysis.totals;
    let of = |part: f64, all: u64| number::percent((part / all.max(1) as f64).min(1.0));
    format!(
        "From {} to {}, {}: about {} requests ({} of the log's), {} ({}), {} clients, at most {} requests/s.",
        number::time(storm.onset.0),
        number::time(storm.last.0),
        number::seconds(storm.last.0.saturating_sub(storm.onset.0) as f64),
        number::count(storm.requests.round()),
        of(storm.requests, totals.requests),
        number::bytes(storm.bytes),
        of(storm.bytes, totals.bytes),
        number::count(storm.clients.value.round()),
        number::count(storm.peak_requests_per_second),
    )
}

fn sure(storm: &Storm) -> String {
    let sure = number::percent(storm.confidence);
    match storm.is_sure() {
        true => format!("{sure} sure that it is a storm of just this"),
        false => format!(
            "only {sure} sure that it is a storm of just this: look at what it matches before you act"
        ),
    }
}

fn others(storm: &Storm) -> String {
    match &storm.collateral {
        Some(collateral) => format!(
            "a rule of this signature matches {} of other requests, with 95 % confidence at most {}, by {} exchanges",
            number::percent(collateral.requests.value),
            number::percent(collateral.requests.upper),
            number::count(collateral.sample as f64),
        ),
        None => String::from("how much of other requests a rule of this signature matches is not known"),
    }
}

fn crowds(analysis: &Analysis) -> Vec<Block> {
    if analysis.crowds.is_empty() {
        return Vec::new();
    }
    let head = vec![
        Column::words("kind"),
        Column::words("what they have in common"),
        Column::words("from"),
        Column::number("lasted"),
        Column::number("requests"),
        Column::number("sent"),
        Column::number("clients"),
    ];
    let row = |crowd: &Storm| {
        vec![
            Text::plain(crowd.nature.clone()),
            Text::value(crowd.signature.join(" ∧ ")),
            number::time(crowd.onset.0).into(),
            number::seconds(crowd.last.0.saturating_sub(crowd.onset.0) as f64).into(),
            number::count(crowd.requests).into(),
            number::bytes(crowd.bytes).into(),
            number::count(crowd.clients.value.round()).into(),
        ]
    };
    vec![
        Block::Heading("Crowds".into()),
        Block::Paragraph("Rises that must get no rule.".into()),
        Block::Table { head, rows: analysis.crowds.iter().map(row).collect() },
    ]
}

// === What is counted ===

fn counted(analysis: &Analysis) -> Vec<Block> {
    let counted = &analysis.counted;
    if counted.conditions.is_empty() {
        return Vec::new();
    }
    let mut heading = vec![Span::Plain(String::from("What follows counts the requests where "))];
    for (place, condition) in counted.conditions.iter().enumerate() {
        if place > 0 {
            heading.push(Span::Plain(String::from(" and ")));
        }
        heading.push(Span::Value(condition.clone()));
    }
    let of = |part: u64, all: u64| number::percent(part as f64 / all.max(1) as f64);
    let mut words = format!(
        ": {} ({}), {} ({}), {} clients.",
        number::count(counted.requests as f64),
        of(counted.requests, analysis.totals.requests),
        number::bytes(counted.bytes as f64),
        of(counted.bytes, analysis.totals.bytes),
        estimate(counted.clients)
    );
    if counted.unjudged > 0 {
        words += &format!(
            " {} more might be: the log does not show what is asked for.",
            number::count(counted.unjudged as f64)
        );
    }
    heading.push(Span::Plain(words));
    vec![Block::Heading("Counted".into()), Block::Paragraph(Text(heading))]
}

fn tops(analysis: &Analysis) -> Vec<Block> {
    let mut parts: Vec<Vec<Block>> = Vec::new();
    let mut facts: Vec<&str> = Vec::new();
    for top in &analysis.tops {
        if !facts.contains(&top.fact.as_str()) {
            facts.push(&top.fact);
        }
    }
    for fact in facts {
        let tops: Vec<&Top> = analysis.tops.iter().filter(|top| top.fact == fact).collect();
        let is_told = |value: &TopValue| tops[0].values.iter().any(|told| told.value == value.value);
        for (place, top) in tops.iter().enumerate() {
            // The same values in another order say little.
            if place == 0 || !top.values.iter().all(is_told) {
                parts.push(top_blocks(top));
            }
        }
    }
    if parts.is_empty() {
        Vec::new()
    } else {
        vec![Block::Heading("The top of each fact".into()), Block::Grid(parts)]
    }
}

fn top_blocks(top: &Top) -> Vec<Block> {
    let by = format!("{} by {}", top.fact, top.measure.replace('-', " "));
    let head = vec![
        Column::words("value"),
        Column::words(""),
        Column::number("share"),
        Column::number("requests"),
        Column::number("sent"),
    ];
    let most = top.values.first().map_or(1.0, |value| value.share.max(f64::MIN_POSITIVE));
    let row = |value: &TopValue| {
        vec![
            value.value.as_ref().map_or_else(|| Text::plain("none"), Text::value),
            Text(vec![Span::Bar(value.share / most)]),
            number::percent(value.share).into(),
            number::count(value.requests as f64).into(),
            number::bytes(value.bytes as f64).into(),
        ]
    };
    let mut blocks =
        vec![Block::Subheading(by.into()), Block::Table { head, rows: top.values.iter().map(row).collect() }];
    let error = top.values.iter().map(|value| value.error).max().unwrap_or(0);
    let note = match (top.distinct, error) {
        (Some(distinct), _) if distinct > top.values.len() as u64 => {
            format!("{} values in all.", number::count(distinct as f64))
        }
        (Some(_), _) => return blocks,
        (None, error) => format!(
            "More values than were kept: amounts may be too low, by {} at most.",
            match top.measure.as_str() {
                "requests" => format!("{} requests", number::count(error as f64)),
                "origin-time" => number::seconds(error as f64 / 1e6),
                _ => number::bytes(error as f64),
            }
        ),
    };
    blocks.push(Block::Paragraph(note.into()));
    blocks
}

fn table(table: &Table) -> Vec<Block> {
    let heads = table.facts.iter().map(|fact| Column::words(fact.clone()));
    let figures = ["", "share", "requests", "sent", "clients"].into_iter().map(Column::number);
    let most = table.rows.iter().map(|row| row.share).fold(f64::MIN_POSITIVE, f64::max);
    let rows = table.rows.iter().map(|row| {
        let mut cells: Vec<Text> = row.values.iter().map(cell).collect();
        cells.extend([
            Text(vec![Span::Bar(row.share / most)]),
            number::percent(row.share).into(),
            number::count(row.requests as f64).into(),
            number::bytes(row.bytes as f64).into(),
            estimate(row.clients).into(),
        ]);
        cells
    });
    let rows = rows.collect();
    let mut notes = Vec::new();
    if table.other_requests > 0 {
        notes.push(format!("{} requests are in other rows.", number::count(table.other_requests as f64)));
    }
    if table.not_shown > 0 {
        notes.push(format!(
            "Of {} requests, the log shows none of these facts.",
            number::count(table.not_shown as f64)
        ));
    }
    if !table.exact {
        let error = table.rows.iter().map(|row| row.error).max().unwrap_or(0);
        notes.push(format!(
            "There were more rows than were kept: counts may be too low, by {} requests at most.",
            number::count(error as f64)
        ));
    }
    let mut blocks = vec![
        Block::Heading(table.facts.join(" × ").into()),
        Block::Table { head: heads.chain(figures).collect(), rows },
    ];
    if !notes.is_empty() {
        blocks.push(Block::Paragraph(notes.join(" ").into()));
    }
    blocks
}

fn cell(cell: &Cell) -> Text {
    match cell {
        Cell::NotShown => Text::plain("not shown"),
        Cell::Absent => Text::plain("none"),
        Cell::Value(value) => Text::value(value.clone()),
    }
}

// === What the log covers ===

fn coverage(analysis: &Analysis) -> Vec<Block> {
    let head = vec![
        Column::words("log"),
        Column::words("format"),
        Column::number("lines"),
        Column::number("cannot be read"),
    ];
    let row = |log: &Log| {
        vec![
            Text::value(log.name.clone()),
            Text::plain(log.formats.join(", ")),
            number::count(log.lines as f64).into(),
            number::count(log.rejected_total() as f64).into(),
        ]
    };
    let mut blocks = vec![
        Block::Heading("The logs".into()),
        Block::Table { head, rows: analysis.logs.iter().map(row).collect() },
    ];
    let totals = &analysis.totals;
    let of = |count: u64, what: &str| {
        (count > 0).then(|| Text::from(format!("{} {what}", number::count(count as f64))))
    };
    let notes: Vec<Text> = [
        of(totals.no_requests, "lines tell of something that is no request of HTTP"),
        of(totals.left_out, "requests have no time or no client's address, and are not looked at for storms"),
        of(totals.late, "requests are too much out of order, and are not looked at for storms"),
        of(totals.gaps, "spans of 10 minutes or more have no request, and are skipped"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !notes.is_empty() {
        blocks.push(Block::List(notes));
    }
    let examples = analysis.logs.iter().flat_map(|log| {
        let line = |example: &super::Example| {
            format!("{}:{}: {}: {}", log.name, example.line, example.reason, example.text)
        };
        log.examples.iter().map(line)
    });
    let examples: Vec<String> = examples.collect();
    if !examples.is_empty() {
        blocks.push(Block::Paragraph("Lines that cannot be read, such as:".into()));
        blocks.push(Block::Lines(examples.join("\n")));
    }
    blocks
}

fn unknown(analysis: &Analysis) -> Vec<Block> {
    let mut points: Vec<Text> = analysis.unknown.iter().map(|unknown| Text::plain(unknown.clone())).collect();
    if !analysis.storms.is_empty() {
        points.push("a storm's requests, bytes and clients are estimates from a sample".into());
    }
    if points.is_empty() {
        return Vec::new();
    }
    vec![Block::Heading("What is not known".into()), Block::List(points)]
}

/// `12`, `about 12,204`.
fn estimate(bound: Bound) -> String {
    let about = if bound.upper > bound.value { "about " } else { "" };
    format!("{about}{}", number::count(bound.value.round()))
}

#[cfg(test)]
mod tests {
    use super::super::Time;
    use super::super::tests::sample;
    use super::*;
    use crate::{html, markdown};

    #[test]
    fn the_page_tells_everything_and_runs_nothing() {
        let mut analysis = sample();
        analysis.tops[0].values[0].value = Some("<script>alert(1)</script>".to_owned());
        let page = html(&page(&analysis));
        for said in [
            "Perhaps a storm s0ABC12",
            "path × network",
            "What is not known",
            "class=\"band\"",
            "path by requests",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(!page.contains("<script") && page.contains("default-src 'none'"), "{page}");
        assert!(
            !page.contains("http://")
                || page.matches("http://").count() == page.matches("http://www.w3.org").count()
        );
    }

    #[test]
    fn the_same_reads_as_markdown() {
        let text = markdown(&page(&sample()));
        assert!(text.contains("### Perhaps a storm s0ABC12: `method = POST`"), "{text}");
        assert!(text.contains("| `/a` | `192.0.2.0/24` |"), "{text}");
    }

    #[test]
    fn a_quiet_time_breaks_the_curve() {
        let mut analysis = sample();
        let step = |at| Step { at: Time(at), requests: 60, bytes: 1 };
        analysis.course.steps = vec![step(600), step(660), step(780), step(6000)];
        let blocks = course(&analysis);
        let Block::Chart(chart) = &blocks[1] else { panic!("no chart") };
        let values: Vec<_> = chart.curves[0].points.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, [Some(1.0), Some(1.0), Some(0.0), Some(1.0), None, Some(1.0)]);
    }
}
