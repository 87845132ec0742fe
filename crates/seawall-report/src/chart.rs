//! Curves over time, as SVG and as a line of block characters.

use std::fmt::Write as _;

use crate::document::{Chart, Curve};
use crate::html::escape;
use crate::number;

/// The drawing, with axes, and a legend where there are several curves. Its numbers are ours, so nothing needs escaping but
/// the names.
pub(crate) fn svg(chart: &Chart) -> String {
    let mut out = String::new();
    let title = escape(chart.title);
    // A string takes any text.
    let _ = writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" xmlns=\"http://www.w3.org/2000/svg\">"
    );
    if let Some(frame) = Frame::around(chart) {
        write_bands(&frame, chart, &mut out);
        write_grid(&frame, &mut out);
        for (index, curve) in chart.curves.iter().enumerate() {
            let _ = writeln!(out, "<path class=\"curve c{index}\" d=\"{}\"/>", path(&frame, curve));
        }
        write_legend(chart, &mut out);
    } else {
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\">nothing was recorded</text>", HEIGHT / 2.0);
    }
    out.push_str("</svg>\n");
    out
}

/// One line of characters of eight heights, its name and its greatest value.
pub(crate) fn blocks(curve: &Curve) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let buckets = bucketed(curve, CHARACTERS);
    let most = buckets.iter().flatten().copied().fold(0.0, f64::max);
    let line: String = buckets
        .iter()
        .map(|bucket| match bucket {
            None => ' ',
            Some(value) if most > 0.0 => HEIGHTS[((value / most * 7.0).round() as usize).min(7)],
            Some(_) => HEIGHTS[0],
        })
        .collect();
    format!("{line} {}, most {}", curve.name, number::count(most))
}

/// Where values fall on the drawing.
struct Frame {
    from: u64,
    until: u64,
    most: f64,
}

impl Frame {
    fn around(chart: &Chart) -> Option<Self> {
        let points = || chart.curves.iter().flat_map(|curve| &curve.points);
        let from = points().map(|(at, _)| *at).min()?;
        let until = points().map(|(at, _)| *at).max()?.max(from + 1);
        let most = points().filter_map(|(_, value)| *value).fold(0.0, f64::max);
        Some(Self { from, until, most: round_up(most) })
    }

    fn x(&self, at: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at - self.from) as f64 / (self.until - self.from) as f64
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most
    }

    /// Times for the axis: whole steps, four to nine of them.
    fn ticks(&self) -> impl Iterator<Item = u64> {
        const STEPS: [u64; 16] = [
            1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800,
            2_592_000,
        ];
        let span = self.until - self.from;
        let step = STEPS.into_iter().find(|step| span / step <= 8).unwrap_or(span / 8);
        (self.from.div_ceil(step)..=self.until / step).map(move |tick| tick * step)
    }

    /// As long as the span asks for.
    fn label(&self, at: u64) -> String {
        if self.until - self.from > 3 * 86_400
            || (at.is_multiple_of(86_400) && self.until - self.from > 43_200)
        {
            return String::from(&number::day(at)[5..]);
        }
        if self.until - self.from < 600 {
            return format!("{}:{:02}", number::clock(at), at % 60);
        }
        number::clock(at)
    }
}

fn write_grid(frame: &Frame, out: &mut String) {
    for part in 0..=4 {
        let value = frame.most * f64::from(part) / 4.0;
        let y = frame.y(value);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.0}\"/>", WIDTH - RIGHT);
        let (x, label) = (LEFT - 8.0, number::count(value));
        let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", y + 4.0);
    }
    for at in frame.ticks() {
        let (x, y, label) = (frame.x(at), HEIGHT - BOTTOM + 18.0, frame.label(at));
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.0}\" text-anchor=\"middle\">{label}</text>");
    }
}

/// What is marked is at least as wide as can be seen. A name stands where there is room for it, and in the drawing's text
/// in any case.
fn write_bands(frame: &Frame, chart: &Chart, out: &mut String) {
    let mut free = LEFT;
    for band in &chart.bands {
        let inside = |at: u64| frame.x(at.clamp(frame.from, frame.until));
        let (from, until) = (inside(band.from), inside(band.until));
        let (width, name) = ((until - from).max(2.0), escape(&band.name));
        let height = HEIGHT - TOP - BOTTOM;
        let _ = writeln!(
            out,
            "<rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{name}</title></rect>"
        );
        let name_width = CHARACTER * band.name.len() as f64;
        // A name that begins at the right edge would be cut off.
        let x = from.min(WIDTH - name_width);
        if x >= free {
            let _ = writeln!(out, "<text class=\"band\" x=\"{x:.1}\" y=\"{}\">{name}</text>", TOP - 4.0);
            free = x + 9.0 + name_width;
        }
    }
}

fn path(frame: &Frame, curve: &Curve) -> String {
    let mut path = String::new();
    let mut command = 'M';
    for (at, value) in thinned(curve) {
        let Some(value) = value else {
            command = 'M';
            continue;
        };
        let _ = write!(path, "{command}{:.1} {:.1}", frame.x(at), frame.y(value));
        command = 'L';
    }
    path
}

fn write_legend(chart: &Chart, out: &mut String) {
    let mut x = LEFT;
    for (index, curve) in chart.curves.iter().enumerate() {
        let name = escape(curve.name);
        let _ = writeln!(out, "<text class=\"l{index}\" x=\"{x:.0}\" y=\"14\">{name}</text>");
        x += 24.0 + CHARACTER * curve.name.len() as f64;
    }
}

/// At most a point per pixel or so: the greatest of each bucket, since a peak is what one looks for.
fn thinned(curve: &Curve) -> Vec<(u64, Option<f64>)> {
    let most = WIDTH as usize;
    if curve.points.len() <= most {
        return curve.points.clone();
    }
    let size = curve.points.len().div_ceil(most);
    curve.points.chunks(size).map(|points| (points[0].0, greatest(points))).collect()
}

/// The curve in equal spans of time; a span without a point is what was there before it, if a point covers it.
fn bucketed(curve: &Curve, most: usize) -> Vec<Option<f64>> {
    let size = curve.points.len().div_ceil(most).max(1);
    curve.points.chunks(size).map(greatest).collect()
}

fn greatest(points: &[(u64, Option<f64>)]) -> Option<f64> {
    points.iter().filter_map(|(_, value)| *value).reduce(f64::max)
}

/// The next of 1, 2, 4, 5, 8, 10 times a power of ten: its quarters are short to write.
fn round_up(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= most)
        .unwrap_or(most)
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 32.0;
/// About as wide as a character of a name.
const CHARACTER: f64 = 8.0;

/// A line of a mail has 72.
const CHARACTERS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Band;

    fn curve(values: &[Option<f64>]) -> Curve {
        let points = values.iter().enumerate().map(|(n, value)| (n as u64 * 60, *value)).collect();
        Curve { name: "requests", points }
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let chart = Chart {
            title: "a <b>",
            curves: vec![curve(&[Some(1.0), Some(2.0), None, Some(4.0)])],
            bands: vec![],
        };
        let drawn = svg(&chart);
        assert_eq!(drawn.matches("M784").count(), 1, "{drawn}");
        assert!(drawn.contains("a &lt;b&gt;"), "{drawn}");
    }

    #[test]
    fn a_name_at_the_right_edge_is_within_the_drawing() {
        let band = |from, until| Band { name: "sVP2SBK".into(), from, until };
        let curves = vec![curve(&[Some(1.0); 60])];
        let drawn = svg(&Chart { title: "t", curves, bands: vec![band(0, 60), band(3540, 3540)] });
        let names = drawn.split("<text class=\"band\" x=\"").skip(1);
        let places: Vec<f64> = names.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
        assert_eq!(places, [LEFT, WIDTH - 7.0 * CHARACTER]);
    }

    #[test]
    fn a_curve_is_a_line_of_blocks() {
        let values: Vec<_> = (0..8).map(|n| Some(f64::from(n))).collect();
        assert_eq!(blocks(&curve(&values)), "▁▂▃▄▅▆▇█ requests, most 7");
        assert_eq!(blocks(&curve(&[Some(0.0), None])), "▁  requests, most 0");
    }

    #[test]
    fn nothing_recorded_is_said() {
        assert!(
            svg(&Chart { title: "t", curves: vec![curve(&[])], bands: vec![] })
                .contains("nothing was recorded")
        );
    }

    #[test]
    fn long_curves_keep_their_peak() {
        let mut values = vec![Some(1.0); 10_000];
        values[7_777] = Some(90.0);
        let thin = thinned(&curve(&values));
        assert!(thin.len() <= 800 && thin.iter().any(|(_, value)| *value == Some(90.0)));
    }
}
