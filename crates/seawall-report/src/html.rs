//! A document as one HTML file: no script, no font, no image from elsewhere.

use std::fmt::Write as _;

use crate::chart;
use crate::document::{Block, Column, Document, Span, Text, is_unfit};

/// The page.
pub fn html(document: &Document) -> String {
    let mut page = String::with_capacity(16 << 10);
    let title = escape(&document.title);
    // A string takes any text.
    let _ = write!(
        page,
        "{HEAD}<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for block in &document.blocks {
        write_block(block, &mut page);
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// The policy lets the page do nothing but show itself, should somebody publish it with a value that got through.
const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
    <meta name=\"robots\" content=\"noindex\">\n";

const STYLE: &str = include_str!("html/page.css");

fn write_block(block: &Block, page: &mut String) {
    let _ = match block {
        Block::Heading(heading) => writeln!(page, "<h2>{}</h2>", escape(heading)),
        Block::Subheading(heading) => writeln!(page, "<h3>{}</h3>", inline(heading)),
        Block::Figures(figures) => {
            let figure = |(name, figure): &(&str, String)| {
                format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(figure))
            };
            writeln!(page, "<dl class=\"figures\">{}</dl>", figures.iter().map(figure).collect::<String>())
        }
        Block::Grid(parts) => {
            page.push_str("<div class=\"grid\">\n");
            for part in parts {
                page.push_str("<section>\n");
                part.iter().for_each(|block| write_block(block, page));
                page.push_str("</section>\n");
            }
            writeln!(page, "</div>")
        }
        Block::Paragraph(text) => writeln!(page, "<p>{}</p>", inline(text)),
        Block::List(points) => {
            let points: String = points.iter().map(|point| format!("<li>{}</li>\n", inline(point))).collect();
            writeln!(page, "<ul>\n{points}</ul>")
        }
        Block::Table { head, rows } => write_table(head, rows, page),
        Block::Lines(lines) => writeln!(page, "<pre>{}</pre>", escape_lines(lines)),
        Block::Chart(chart) => {
            writeln!(
                page,
                "<figure>\n{}<figcaption>{}</figcaption>\n</figure>",
                chart::svg(chart),
                escape(chart.title)
            )
        }
    };
}

fn write_table(head: &[Column], rows: &[Vec<Text>], page: &mut String) -> std::fmt::Result {
    let class = |column: &Column| if matches!(column, Column::Number(_)) { " class=\"n\"" } else { "" };
    page.push_str("<table>\n<tr>");
    for column in head {
        let (Column::Words(name) | Column::Number(name)) = column;
        write!(page, "<th{}>{}</th>", class(column), escape(name))?;
    }
    page.push_str("</tr>\n");
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in head.iter().zip(row) {
            write!(page, "<td{}>{}</td>", class(column), inline(cell))?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
    Ok(())
}

fn inline(text: &Text) -> String {
    text.0
        .iter()
        .map(|span| match span {
            Span::Plain(plain) => escape(plain),
            Span::Value(value) if value.is_empty() => String::from("<em>empty</em>"),
            Span::Value(value) => format!("<code>{}</code>", escape(value)),
            Span::Bar(share) => bar(*share),
        })
        .collect()
}

/// A drawing, since a style in an attribute is not for every policy.
fn bar(share: f64) -> String {
    let width = (share.clamp(0.0, 1.0) * 100.0).max(0.5);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"{width:.1}\" height=\"8\"/></svg>"
    )
}

fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Nothing of the text is markup, in content and in attribute values.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character if is_unfit(character) => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_becomes_markup(text: String) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            prop_assert!(!escaped.chars().any(is_unfit));
        }
    }
}
