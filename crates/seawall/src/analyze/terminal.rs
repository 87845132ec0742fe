//! The terminal that a person reads on: how wide it is, and whether it shows colours.

use std::io::{IsTerminal as _, stdout};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Where text is printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// Columns that are to be filled; `None` where lines may have any length: a file or pipe.
    pub(super) columns: Option<usize>,
    /// Whether colours are shown.
    pub(super) is_coloured: bool,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// Begins a part.
    Heading,
    /// Is bad news.
    Alarm,
    /// Is unsure.
    Doubt,
    /// Is part of a chart.
    Bar,
    /// Explains.
    Quiet,
}

impl Terminal {
    /// Standard output. `NO_COLOR` (no-color.org) takes colours away, and `COLUMNS` says how wide it is.
    pub(super) fn of_stdout() -> Self {
        let is_terminal = stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let named = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let actual = || {
            let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
            Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
        };
        let columns = named.or_else(|| is_terminal.then(|| actual().unwrap_or(80)));
        Self {
            columns: columns.map(|columns: usize| columns.max(COLUMNS_MIN)),
            is_coloured: is_terminal && !is_dumb && !set("NO_COLOR"),
        }
    }

    /// The text as it looks.
    pub(super) fn paint(self, look: Look, text: &str) -> String {
        if !self.is_coloured || text.is_empty() {
            return text.to_owned();
        }
        let code = match look {
            Look::Heading => "1",
            Look::Alarm => "1;31",
            Look::Doubt => "33",
            Look::Bar => "36",
            Look::Quiet => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// As much of a text as there is room for behind `before` columns.
    pub(super) fn fitted(self, text: &str, before: usize) -> String {
        let Some(columns) = self.columns else { return text.to_owned() };
        cut(text, columns.saturating_sub(before).max(VALUE_MIN))
    }

    /// A sentence in lines that fit, each set in.
    pub(super) fn wrapped(self, indent: usize, text: &str) -> String {
        let columns = self.columns.unwrap_or(usize::MAX);
        let (margin, mut out, mut column) = (" ".repeat(indent), " ".repeat(indent), indent);
        // A number stays with its sign.
        for (place, word) in text.replace(" %", "\u{a0}%").split(' ').enumerate() {
            let width = word.width();
            if place > 0 && column + 1 + width > columns {
                out.push('\n');
                out.push_str(&margin);
                out.push_str("  ");
                column = indent + 2;
            } else if place > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
        }
        out.replace('\u{a0}', " ")
    }
}

/// As much of a text as so many columns hold.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut out, mut width) = (String::new(), 1);
    for letter in text.chars() {
        width += letter.width().unwrap_or(0);
        if width > columns {
            break;
        }
        out.push(letter);
    }
    out.push('…');
    out
}

/// A text that fills so many columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// A bar of eighths of a column.
pub(super) fn bar(share: f64, columns: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    match eighths % 8 {
        0 if eighths == 0 && share > 0.0 => bar.push(EIGHTHS[1]),
        0 => {}
        part => bar.push(EIGHTHS[part]),
    }
    bar
}

/// Nothing can be read in less.
const COLUMNS_MIN: usize = 40;
const VALUE_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_the_columns_they_are_given() {
        assert_eq!(cut("/a/b", 4), "/a/b");
        assert_eq!(cut("/a/b/c", 4), "/a/…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(padded("漢", 4), "漢  ");
        let terminal = Terminal { columns: Some(40), is_coloured: false };
        let text = terminal.wrapped(4, &"some words of a sentence with 12 % in it ".repeat(4));
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
    }

    #[test]
    fn a_bar_shows_eighths_and_never_nothing_for_something() {
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.40, 4), "█▋");
        assert_eq!(bar(0.000_1, 4), "▏");
        assert_eq!(bar(0.0, 4), "");
    }
}
