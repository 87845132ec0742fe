//! `feed.xml`: an Atom feed of revisions (RFC 4287).

use seawall_certdata::date;

use super::markup::escape;
use super::revision::{Changes, History, Revision};
use crate::cli::CaSite;

/// The feed of the last revisions.
pub(super) fn write(site: &CaSite, history: &History) -> String {
    let (url, title) = (escape(&site.url), escape(&site.title));
    let updated = history.revisions.first().map_or(0, |revision| revision.published);
    let entries: String =
        history.revisions.iter().take(ENTRIES_MAX).map(|revision| entry(site, revision)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<feed xmlns=\"http://www.w3.org/2005/Atom\">
<id>{url}feed.xml</id>
<title>{title}</title>
<updated>{}</updated>
<author><name>{title}</name><uri>{url}</uri></author>
<link rel=\"self\" type=\"application/atom+xml\" href=\"{url}feed.xml\"/>
<link rel=\"alternate\" type=\"text/html\" href=\"{url}\"/>
<generator version=\"{}\">seawall ca publish</generator>
{entries}</feed>
",
        date::timestamp(updated),
        env!("CARGO_PKG_VERSION")
    )
}

fn entry(site: &CaSite, revision: &Revision) -> String {
    let (url, name) = (escape(&site.url), escape(&revision.name));
    let summary = match &revision.changes {
        None => format!("{} certificates.", revision.certificates),
        Some(changes) => format!("{} certificates: {}.", revision.certificates, counts(changes)),
    };
    let listed = revision.changes.as_ref().map_or(String::new(), listed);
    let content =
        escape(&format!("<p>{}</p>\n<p>SHA-256 <code>{}</code></p>\n{listed}", summary, revision.sha256));
    let published = date::timestamp(revision.published);
    format!(
        "<entry>
<id>{url}{name}</id>
<title>{} of {}: {}</title>
<published>{published}</published>
<updated>{published}</updated>
<link rel=\"alternate\" type=\"application/x-pem-file\" href=\"{url}{name}\"/>
<summary>{}</summary>
<content type=\"html\">{content}</content>
</entry>
",
        escape(&site.title),
        date::day(revision.published),
        revision.changes.as_ref().map_or("the first revision".to_owned(), counts),
        escape(&summary),
    )
}

/// `2 roots added, 1 removed`.
pub(super) fn counts(changes: &Changes) -> String {
    if changes.is_empty() {
        return "no root changed".to_owned();
    }
    let counted = [
        (changes.added.len(), "added"),
        (changes.removed.len(), "removed"),
        (changes.changed.len(), "changed"),
    ];
    let parts: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    parts.join(", ")
}

/// The changes as HTML.
pub(super) fn listed(changes: &Changes) -> String {
    let mut out = String::new();
    for (what, roots) in [("Added", &changes.added), ("Removed", &changes.removed)] {
        if !roots.is_empty() {
            let items: String = roots
                .iter()
                .map(|root| {
                    let label = escape(&root.label);
                    format!(
                        "<li>{label}, until {} <code>{}</code></li>\n",
                        escape(&root.not_after),
                        escape(&root.sha256)
                    )
                })
                .collect();
            out += &format!("<p>{what}:</p>\n<ul>\n{items}</ul>\n");
        }
    }
    if !changes.changed.is_empty() {
        let items: String = changes
            .changed
            .iter()
            .map(|root| {
                let (label, was, is) = (escape(&root.label), escape(&root.was), escape(&root.is));
                format!("<li>{label} <code>{}</code><br>was {was}<br>is {is}</li>\n", escape(&root.sha256))
            })
            .collect();
        out += &format!("<p>Changed:</p>\n<ul>\n{items}</ul>\n");
    }
    out
}

/// Whoever comes after a year away still sees what changed.
const ENTRIES_MAX: usize = 50;
