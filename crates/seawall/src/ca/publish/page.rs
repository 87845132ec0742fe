//! `index.html`: what this is, how to fetch it politely, and what has changed.

use seawall_certdata::date;

use super::feed::{counts, listed};
use super::markup::escape;
use super::revision::{History, Revision};
use crate::cli::CaSite;

/// The page.
pub(super) fn write(site: &CaSite, history: &History, newest: &Revision) -> String {
    let (title, url) = (escape(&site.title), escape(&site.url));
    let published = date::day(newest.published);
    let name = escape(&newest.name);
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title}</title>
<link rel=\"canonical\" href=\"{url}\">
<link rel=\"alternate\" type=\"application/atom+xml\" title=\"Changes\" href=\"feed.xml\">
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>The root certificates that Mozilla {}, taken from the <code>certdata.txt</code> of its NSS library and written as
one file in PEM format.
Programs that use curl, OpenSSL, rustls and most other TLS libraries read it as their list of trusted authorities.</p>

<section>
<h2>The current bundle</h2>
<p class=\"download\"><a href=\"cacert.pem\">cacert.pem</a></p>
<dl>
<dt>Published</dt><dd>{published}</dd>
<dt>Certificates</dt><dd>{}</dd>
<dt>Size</dt><dd>{} bytes</dd>
<dt>SHA-256</dt><dd><code>{}</code> (<a href=\"cacert.pem.sha256\">cacert.pem.sha256</a>)</dd>
<dt>Made from</dt><dd><a href=\"certdata.txt\">certdata.txt</a> of {}, SHA-256 <code>{}</code></dd>
<dt>This revision</dt><dd><a href=\"{name}\">{name}</a>, which will not change</dd>
</dl>
{}</section>

{}
<section>
<h2>Revisions</h2>
<p>The <a href=\"feed.xml\">feed</a> tells of each new one; <a href=\"revisions.json\">revisions.json</a> is for programs.</p>
<div class=\"wide\">
<table>
<thead><tr><th>Revision</th><th>Certificates</th><th>Bytes</th><th>Changes</th><th>Checksum</th></tr></thead>
<tbody>
{}</tbody>
</table>
</div>
</section>

<section>
<h2>Changes</h2>
{}</section>

<section>
<h2>Make it yourself</h2>
<pre>{}</pre>
<p>writes the same certificates from the same <code>certdata.txt</code>.
The certificates are data of Mozilla, under the <a href=\"https://www.mozilla.org/MPL/2.0/\">Mozilla Public License 2.0</a>.</p>
</section>
</main>
</body>
</html>
",
        escape(&newest.taken_for),
        newest.certificates,
        newest.bytes,
        escape(&newest.sha256),
        date::day(newest.certdata_changed),
        escape(&newest.certdata_sha256),
        distrusted(newest),
        politely(&site.url),
        history.revisions.iter().map(row).collect::<String>(),
        history.revisions.iter().map(changes).collect::<String>(),
        escape(&format!(
            "curl --remote-name {}certdata.txt\nseawall ca build certdata.txt -o cacert.pem",
            site.url
        )),
    )
}

/// What the bundle cannot say.
fn distrusted(newest: &Revision) -> String {
    if newest.distrusted.is_empty() {
        return String::new();
    }
    let items: String = newest
        .distrusted
        .iter()
        .map(|root| {
            let (label, purpose, after) = (escape(&root.label), escape(&root.purpose), escape(&root.after));
            format!("<li>{label}: what it issues for {purpose} after {after}</li>\n")
        })
        .collect();
    format!(
        "<details>
<summary>{} roots are trusted in part only, which a PEM file cannot say</summary>
<p>Mozilla trusts these roots, but not:</p>
<ul>
{items}</ul>
</details>
",
        newest.distrusted.len()
    )
}

/// How to fetch without fetching in vain.
fn politely(url: &str) -> String {
    let bundle = format!("{url}cacert.pem");
    format!(
        "<section>
<h2>Fetch it politely</h2>
<p>The bundle changes a few times a year.
Look for a new one once a day at most, with <code>GET</code>, and say which one you have: then the answer is a short
<code>304 Not Modified</code> instead of the whole file.
Better still, ship a copy with your program and update it with the program.</p>
<pre>{}</pre>
<p>keeps the entity tag in <code>cacert.etag</code>, sends it as <code>If-None-Match</code> the next time, and writes
<code>cacert.pem</code> only when there is a new one. <code>--compressed</code> halves what is sent. In any other program:</p>
<pre>{}</pre>
<p>Check what you have received:</p>
<pre>{}</pre>
<ul>
<li>Wait a random time before you fetch, so that not everybody comes at midnight.</li>
<li>Name your program and a way to reach you in <code>User-Agent</code>.</li>
<li>Never <code>POST</code>: no cache can answer it, and it is never needed.</li>
<li>After 429 or 503, wait as long as <code>Retry-After</code> says.</li>
</ul>
</section>
",
        escape(&format!(
            "curl --silent --fail --compressed --remote-time --output cacert.pem \\\n     --etag-save cacert.etag \
             --etag-compare cacert.etag \\\n     {bundle}"
        )),
        escape(
            "GET /…/cacert.pem HTTP/1.1\nIf-None-Match: \"the ETag of the answer that you have\"\nAccept-Encoding: zstd, \
             br, gzip"
        ),
        escape(&format!("curl --silent --fail {bundle}.sha256 | sha256sum --check")),
    )
}

fn row(revision: &Revision) -> String {
    let name = escape(&revision.name);
    let changes = revision.changes.as_ref().map_or("first".to_owned(), counts);
    format!(
        "<tr><td><a href=\"{name}\">{name}</a></td><td>{}</td><td>{}</td><td>{changes}</td>\
         <td><a href=\"{name}.sha256\">SHA-256</a></td></tr>\n",
        revision.certificates, revision.bytes
    )
}

fn changes(revision: &Revision) -> String {
    let day = date::day(revision.published);
    match &revision.changes {
        None => format!("<h3>{day}</h3>\n<p>The first revision here.</p>\n"),
        Some(changes) if changes.is_empty() => {
            format!("<h3>{day}</h3>\n<p>The same roots, written anew.</p>\n")
        }
        Some(changes) => format!("<h3>{day}</h3>\n{}", listed(changes)),
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 52rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .75rem 1rem; overflow-x: auto; border-radius: .375rem; }
.download { font-size: 1.5rem; font-weight: 600; margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .375rem .75rem .375rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
";
