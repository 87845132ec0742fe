//! The corpus of http_desync_guardian: requests on whose framing two servers in a chain may disagree, each with a verdict.
//!
//! What is asked of the server under test, by verdict:
//! - compliant: reaches the origin, exactly once; or, with a transfer coding besides chunked, gets 501 (RFC 9112 §6.1);
//! - acceptable (a deviation without danger): reaches it exactly once, or is refused;
//! - ambiguous or severe: is refused with a 4xx or 5xx of the server's own, the connection is closed, and the
//!   origin sees nothing. The guardian would forward an ambiguous one and close; a server with an origin to
//!   protect can refuse it.
//!
//! Where there is content, it reads as another request, so that whoever mistakes its length sends on two.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use seawall_testkit::{End, Nginx, Raw, RawReply};
use serde::Deserialize;
use yaml_rust2::{Yaml, YamlLoader};

use super::Case;
use super::edge::Edge;
use crate::shell;

pub(crate) fn version() -> Result<String> {
    Ok(package()?.version)
}

pub(crate) fn run(edge: &Edge) -> Result<Vec<Case>> {
    let origin = edge
        .origin
        .as_ref()
        .context("this suite must see what reaches the origin, and so start the server itself")?;
    let mut vectors = Vec::new();
    for file in FILES {
        vectors.extend(read(file)?);
    }
    if vectors.len() < VECTORS_MIN {
        bail!("{} requests in the corpus, which has at least {VECTORS_MIN}", vectors.len());
    }
    vectors.iter().enumerate().map(|(index, vector)| try_vector(edge, origin, index, vector)).collect()
}

// === one request ===

/// What became of it.
struct Observed {
    reply: RawReply,
    /// Requests that the origin logged.
    arrived: usize,
}

fn try_vector(edge: &Edge, origin: &Nginx, index: usize, vector: &Vector) -> Result<Case> {
    let before = origin.access_log().lines().len();
    let mut raw = Raw::connect(edge.http1).within(ANSWER_TIME_MAX);
    raw.send(&vector.bytes);
    // The head suffices: HEAD has a length and no content.
    let mut reply = raw.read_until(|bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n"));
    if matches!(vector.tier, Tier::Ambiguous | Tier::Severe) && !reply.is_closed() && !reply.bytes.is_empty()
    {
        raw = raw.within(CLOSE_TIME_MAX);
        let rest = raw.read_to_end();
        reply.bytes.extend_from_slice(&rest.bytes);
        reply.end = rest.end;
    }
    drop(raw);
    let is_wanted =
        vector.tier == Tier::Compliant && reply.status().is_some_and(|status| status != 400 && status != 501);
    let arrived = arrivals(edge, origin, index, before, is_wanted)?;
    Ok(Case::new(vector.name.clone(), fault(vector, &Observed { reply, arrived })))
}

/// How many requests reached the origin since; a request of our own marks the end.
fn arrivals(edge: &Edge, origin: &Nginx, index: usize, before: usize, is_wanted: bool) -> Result<usize> {
    let target = format!("/sentinel-{index}");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let reply = Raw::exchange(edge.http1, request, ANSWER_TIME_MAX);
    if reply.status() != Some(404) {
        bail!("after case {index} the server answers a plain request with {:?}", reply.text());
    }
    let mut count = before + 1;
    loop {
        let lines = origin.access_log().wait_for(count);
        if lines.iter().any(|line| line.target == target) {
            break;
        }
        count = lines.len() + 1;
    }
    // nginx logs a request when it is through with its content, which may be after its response.
    let deadline = Instant::now() + if is_wanted { LOG_TIME_MAX } else { Duration::ZERO };
    loop {
        let arrived = origin.access_log().lines().len() - before - 1;
        if arrived > 0 || Instant::now() >= deadline {
            return Ok(arrived);
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn fault(vector: &Vector, observed: &Observed) -> Option<String> {
    let Observed { reply, arrived } = observed;
    let status = reply.status();
    let refused = status.is_some_and(|status| (400..600).contains(&status)) && *arrived == 0;
    // HTTP/0.9 has no status line.
    let passed = !reply.bytes.is_empty() && *arrived == 1;
    let right = match vector.tier {
        Tier::Compliant => passed || (vector.has_transfer_coding && refused && status == Some(501)),
        Tier::Acceptable => passed || refused,
        Tier::Ambiguous | Tier::Severe => refused && reply.end == End::Closed,
    };
    let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
    let Vector { tier, .. } = vector;
    (!right).then(|| format!("{tier}, and got {status}, {:?}; {arrived} reached the origin", reply.end))
}

// === the corpus ===

struct Vector {
    name: String,
    tier: Tier,
    /// `Transfer-Encoding` names more than chunked.
    has_transfer_coding: bool,
    bytes: Vec<u8>,
}

/// The guardian's verdict.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tier {
    Compliant,
    Acceptable,
    Ambiguous,
    Severe,
}

impl fmt::Display for Tier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

fn read(file: &str) -> Result<Vec<Vector>> {
    let path = package()?.folder.join("tests").join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(file.trim_end_matches(".yaml"), &text).with_context(|| format!("in {}", path.display()))
}

fn parse(file: &str, text: &str) -> Result<Vec<Vector>> {
    let documents = YamlLoader::load_from_str(text)?;
    let cases = documents.first().and_then(Yaml::as_vec).context("not a list")?;
    cases.iter().enumerate().map(|(index, case)| vector(&format!("{file} {:02}", index + 1), case)).collect()
}

fn vector(id: &str, case: &Yaml) -> Result<Vector> {
    let name = case["name"].as_str().context("a case has no name")?;
    let text = |value: &Yaml| match value {
        Yaml::String(text) | Yaml::Real(text) => unescape(text),
        Yaml::Integer(number) => Ok(number.to_string().into_bytes()),
        other => bail!("`{name}` has {other:?} where text should be"),
    };
    let mut fields = Vec::new();
    for field in case["headers"].as_vec().into_iter().flatten() {
        fields.push((text(&field["name"])?, text(&field["value"])?));
    }
    let codings = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"transfer-encoding"));
    let has_transfer_coding =
        codings.into_iter().any(|(_, value)| !value.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    add_host(&mut fields);
    let mut head = [text(&case["method"])?, text(&case["uri"])?, text(&case["version"])?].join(&b' ');
    head.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        head.extend_from_slice(&[name, value].join(&b": "[..]));
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let content = content(&head);
    head.extend_from_slice(&content);
    let tier = match case["expected"]["tier"].as_str() {
        Some("Compliant") => Tier::Compliant,
        Some("Acceptable") => Tier::Acceptable,
        Some("Ambiguous") => Tier::Ambiguous,
        Some("Severe") => Tier::Severe,
        other => bail!("`{name}` has the unknown tier {other:?}"),
    };
    // Names repeat; the number in the file tells them apart.
    Ok(Vector { name: format!("{id}: {name}"), tier, has_transfer_coding, bytes: head })
}

/// The corpus leaves `Host` out, and a server must refuse that alone (RFC 9112 §3.2), whatever else is wrong or right.
///
/// It goes first, where what a case ends with cannot swallow it, unless the case starts with white space: that would fold
/// into `Host`.
fn add_host(fields: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
        return;
    }
    let starts_folded =
        fields.first().is_some_and(|(name, _)| name.starts_with(b" ") || name.starts_with(b"\t"));
    let at = if starts_folded { fields.len() } else { 0 };
    fields.insert(at, (b"Host".to_vec(), b"localhost".to_vec()));
}

/// Content that ends the request for whoever believes its framing fields, so that nobody waits for more.
fn content(head: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if head.lines().any(|line| line.starts_with("transfer-encoding") && line.contains("chunked")) {
        return [format!("{:x}\r\n", SMUGGLED.len()).as_bytes(), SMUGGLED, b"\r\n0\r\n\r\n"].concat();
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = length.filter(|length| *length <= CONTENT_BYTES_MAX).unwrap_or(0);
    let start = if length < SMUGGLED.len() { &[] } else { SMUGGLED };
    let mut content = start.to_vec();
    content.resize(length, b'x');
    content
}

/// The corpus's own escapes, for values that YAML leaves alone, and one byte for each character up to U+00FF.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = if character == '\\' { escape(&mut characters)? } else { character };
        match u8::try_from(character) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(bytes)
}

fn escape(characters: &mut std::str::Chars<'_>) -> Result<char> {
    Ok(match characters.next().context("an escape at the end")? {
        'x' => {
            let digits: String = characters.by_ref().take(2).collect();
            char::from(u8::from_str_radix(&digits, 16)?)
        }
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    })
}

// === where it is ===

struct Package {
    version: String,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    version: String,
    manifest_path: PathBuf,
}

/// Where cargo unpacked the package that ships the corpus; fetched if it was not there.
fn package() -> Result<Package> {
    let manifest = shell::root().join("conformance/corpora/Cargo.toml");
    let mut metadata = shell::cargo();
    metadata
        .args(["metadata", "--locked", "--quiet", "--format-version", "1", "--manifest-path"])
        .arg(manifest);
    let metadata: Metadata = serde_json::from_str(&shell::output(&mut metadata)?)?;
    let package = metadata.packages.into_iter().find(|package| package.name == "http_desync_guardian");
    let package =
        package.context("conformance/corpora/Cargo.toml does not depend on http_desync_guardian")?;
    let folder = package.manifest_path.parent().context("a manifest without a folder")?.to_owned();
    Ok(Package { version: package.version, folder })
}

const FILES: &[&str] = &[
    "acceptable.yaml",
    "ambiguous.yaml",
    "bad-header-characters.yaml",
    "edge-cases.yaml",
    "more-compliant-tests.yaml",
    "real-life-test-cases.yaml",
    "rfc-compliant.yaml",
    "severe.yaml",
    "single-case.yaml",
    "uri-specific-test-cases.yaml",
];

/// Version 0.1.3 has 159.
const VECTORS_MIN: usize = 150;

/// What would reach the origin if the content were taken for a request.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// More than any compliant case announces.
const CONTENT_BYTES_MAX: usize = 5_000_000;

/// A refusal comes at once; a server that waits for more than was sent is at fault, and found out after this time.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);

/// nginx waits up to 5 s for content that it does not want before it gives up the connection, and logs then.
const LOG_TIME_MAX: Duration = Duration::from_secs(10);

/// And whoever refuses closes at once.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::{Tier, parse};

    #[test]
    fn request_is_built_byte_by_byte() {
        let yaml = r#"
- name: 'a case'
  uri: /a
  method: POST
  version: HTTP/1.1
  headers:
    - name: "X-A\x01"
      value: 'b\xff'
    - name: Content-Length
      value: 3
  expected:
    tier: Severe
"#;
        let vectors = parse("file", yaml).unwrap();
        assert_eq!(
            vectors[0].bytes,
            b"POST /a HTTP/1.1\r\nHost: localhost\r\nX-A\x01: b\xff\r\nContent-Length: 3\r\n\r\nxxx"
        );
        assert_eq!((vectors[0].name.as_str(), vectors[0].tier), ("file 01: a case", Tier::Severe));
    }
}
