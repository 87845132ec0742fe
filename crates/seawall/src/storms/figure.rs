//! Figures as people read them.

use seawall_console::control::CostView;

/// Bytes: `4.1 MB`, in powers of 1000 as lines are sold.
pub(crate) fn bytes(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", short(bytes / unit)),
        None => format!("{bytes:.0} B"),
    }
}

/// A number: `18.4`, `1,204`.
pub(crate) fn number(number: f64) -> String {
    if number < 100.0 && (number - number.round()).abs() > 0.05 {
        return short(number);
    }
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share from 0 to 1: `61 %`, `0.4 %`. What is above nothing does not read as nothing.
pub(crate) fn share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.001 => "under 0.001 %".to_owned(),
        ..0.1 => format!("{percent:.3} %"),
        ..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// Seconds: `42 s`, `3 min`, `5 h`, `2 d`; rounded down.
pub(crate) fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Time that was measured: `0.31 s`, `12 s`, `3 min`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 9.95 { format!("{} s", small(seconds)) } else { time(seconds as u64) }
}

/// A small number: `0`, `<0.01`, `0.031`, `0.31`, `1.2`.
pub(super) fn small(number: f64) -> String {
    match number {
        ..=0.0 => "0".to_owned(),
        ..0.01 => "<0.01".to_owned(),
        ..0.095 => format!("{number:.3}"),
        ..0.95 => format!("{number:.2}"),
        _ => short(number),
    }
}

/// Which of the four measures.
pub(super) fn of(cost: &CostView, measure: &str) -> f64 {
    match measure {
        "requests" => cost.requests,
        "bytes" => cost.bytes,
        "origin-bytes" => cost.origin_bytes,
        _ => cost.origin_seconds,
    }
}

/// The course in one line, from nothing to the greatest.
pub(crate) fn sparkline(points: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = points.iter().copied().fold(0.0, f64::max);
    let bar = |point: &f64| match most > 0.0 {
        true => BARS[((point / most * 7.0).round() as usize).min(7)],
        false => BARS[0],
    };
    points.iter().map(bar).collect()
}

fn short(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}
