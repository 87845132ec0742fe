//! A document as Markdown (CommonMark with tables, as GitHub, GitLab and Forgejo read it).

use std::fmt::Write as _;

use crate::chart;
use crate::document::{Block, Column, Document, Span, Text, is_unfit};

/// The page. Curves become lines of block characters, which every mail shows.
pub fn markdown(document: &Document) -> String {
    let mut page = format!("# {}\n", escape(&document.title));
    for block in &document.blocks {
        page.push('\n');
        write_block(block, &mut page);
    }
    page
}

fn write_block(block: &Block, page: &mut String) {
    // A string takes any text.
    let _ = match block {
        Block::Heading(heading) => writeln!(page, "## {}", escape(heading)),
        Block::Subheading(heading) => writeln!(page, "### {}", inline(heading, Place::Line)),
        Block::Figures(figures) => figures
            .iter()
            .try_for_each(|(name, figure)| writeln!(page, "- {}: {}", escape(name), escape(figure))),
        Block::Grid(parts) => {
            for (place, block) in parts.iter().flatten().enumerate() {
                if place > 0 {
                    page.push('\n');
                }
                write_block(block, page);
            }
            Ok(())
        }
        Block::Paragraph(text) => writeln!(page, "{}", inline(text, Place::Line)),
        Block::List(points) => {
            points.iter().try_for_each(|point| writeln!(page, "- {}", inline(point, Place::Line)))
        }
        Block::Table { head, rows } => write_table(head, rows, page),
        Block::Lines(lines) => write_lines(lines, page),
        Block::Chart(chart) => {
            let curves: String = chart.curves.iter().map(|curve| chart::blocks(curve) + "\n").collect();
            writeln!(page, "{}:\n", escape(chart.title)).and_then(|()| write_lines(&curves, page))
        }
    };
}

fn write_table(head: &[Column], rows: &[Vec<Text>], page: &mut String) -> std::fmt::Result {
    let heads = head.iter().map(|column| match column {
        Column::Words(head) | Column::Number(head) => escape(head),
    });
    writeln!(page, "| {} |", heads.collect::<Vec<_>>().join(" | "))?;
    let rulers = head.iter().map(|column| match column {
        Column::Words(_) => "---",
        Column::Number(_) => "---:",
    });
    writeln!(page, "|{}|", rulers.collect::<Vec<_>>().join("|"))?;
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| inline(cell, Place::Cell)).collect();
        writeln!(page, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// A fence is longer than any run of back-ticks inside (CommonMark §4.5).
fn write_lines(lines: &str, page: &mut String) -> std::fmt::Result {
    let fence = "`".repeat(longest_run(lines).max(2) + 1);
    let fit: String = lines.chars().map(|c| if c != '\n' && is_unfit(c) { '\u{fffd}' } else { c }).collect();
    writeln!(page, "{fence}\n{}\n{fence}", fit.trim_end_matches('\n'))
}

/// Where a text stands.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Line,
    /// A pipe ends a cell, even inside code (GitHub Flavored Markdown §4.10).
    Cell,
}

fn inline(text: &Text, place: Place) -> String {
    text.0
        .iter()
        .map(|span| match span {
            Span::Plain(plain) => escape(plain),
            Span::Value(value) => code(value, place),
            Span::Bar(_) => String::new(),
        })
        .collect()
}

/// A code span: its fence is longer than any run of back-ticks inside (CommonMark §6.1).
fn code(value: &str, place: Place) -> String {
    let mut fit = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '|' if place == Place::Cell => fit.push_str("\\|"),
            character if is_unfit(character) => fit.push('\u{fffd}'),
            character => fit.push(character),
        }
    }
    if fit.is_empty() {
        return String::from("(empty)");
    }
    let fence = "`".repeat(longest_run(&fit) + 1);
    // A space to either side comes off again, and keeps back-ticks and spaces at the ends.
    let needs_space = fit.starts_with(['`', ' ']) || fit.ends_with(['`', ' ']);
    if needs_space { format!("{fence} {fit} {fence}") } else { format!("{fence}{fit}{fence}") }
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '#' | '~' | '!' => {
                out.extend(['\\', character]);
            }
            character if is_unfit(character) => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_code() {
        let cases = [
            ("a`b", "``a`b``"),
            ("`x`", "`` `x` ``"),
            ("a|b", "`a|b`"),
            ("a\nb\u{202e}", "`a\u{fffd}b\u{fffd}`"),
            ("", "(empty)"),
        ];
        for (value, text) in cases {
            assert_eq!(code(value, Place::Line), text);
        }
        assert_eq!(code("a|b", Place::Cell), "`a\\|b`");
    }

    #[test]
    fn words_are_no_markup() {
        assert_eq!(escape("<b> *x* [y](z) #1"), r"\<b\> \*x\* \[y\](z) \#1");
    }
}
