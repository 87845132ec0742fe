//! The access log: off by default, in the Combined format that other tools read, with or without addresses.
//!
//! Workers hand finished lines to one writer thread through a bounded channel. A full channel, as in a flood or on a
//! slow disk, drops lines and counts them; it never holds an exchange up.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use seawall_http::{ClientAddr, RequestFacts, UnixTime};

/// A worker's way to the access log.
#[derive(Clone)]
pub struct AccessLogHandle {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    with_addresses: bool,
}

/// The writer thread. Dropping the last handle ends it.
pub struct AccessLog {
    handle: AccessLogHandle,
    thread: JoinHandle<()>,
    path: PathBuf,
}

enum Message {
    Line(String),
    Reopen,
}

/// What one line says.
pub struct AccessLine<'a> {
    /// The client; written only if the operator asked for it.
    pub client: ClientAddr,
    /// When the request came.
    pub time: UnixTime,
    /// The method.
    pub method: &'a str,
    /// The target as sent.
    pub target: &'a [u8],
    /// `HTTP/1.1`.
    pub protocol: &'a str,
    /// The status; 0 if the connection was dropped without an answer.
    pub status: u16,
    /// Bytes of content sent.
    pub content_bytes: u64,
    /// The `Referer` field.
    pub referer: Option<&'a [u8]>,
    /// The `User-Agent` field.
    pub user_agent: Option<&'a [u8]>,
}

impl<'a> AccessLine<'a> {
    /// Of a request answered where it was read, with the status and the bytes of content sent.
    pub(crate) fn of(
        facts: &RequestFacts<'a>,
        target: &'a str,
        (status, content_bytes): (u16, u64),
        time: UnixTime,
    ) -> Self {
        Self {
            client: facts.client.addr,
            time,
            method: facts.method,
            target: target.as_bytes(),
            protocol: facts.protocol.as_str(),
            status,
            content_bytes,
            referer: facts.field("referer"),
            user_agent: facts.user_agent(),
        }
    }
}

impl AccessLog {
    /// Opens the file for appending (mode 0640) and starts the writer.
    pub fn open(path: &Path, with_addresses: bool) -> io::Result<Self> {
        let file = open(path)?;
        let (lines, receiver) = sync_channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let thread = {
            let (path, dropped) = (path.to_owned(), Arc::clone(&dropped));
            std::thread::Builder::new()
                .name("access-log".to_owned())
                .spawn(move || write_lines(&receiver, file, &path, &dropped))?
        };
        Ok(Self { handle: AccessLogHandle { lines, dropped, with_addresses }, thread, path: path.to_owned() })
    }

    /// For the workers.
    pub fn handle(&self) -> AccessLogHandle {
        self.handle.clone()
    }

    /// Where it writes, and whether addresses are written.
    pub fn is(&self, path: &Path, with_addresses: bool) -> bool {
        self.path == path && self.handle.with_addresses == with_addresses
    }

    /// Opens the file anew, after a rotation. A full channel is reported, not waited for.
    pub fn reopen(&self) -> io::Result<()> {
        self.handle.lines.try_send(Message::Reopen).map_err(|_| io::ErrorKind::WouldBlock.into())
    }

    /// Lines that were dropped because the channel was full or the disk failed.
    pub fn dropped(&self) -> u64 {
        self.handle.dropped.load(Ordering::Relaxed)
    }

    /// Writes what is queued, and ends. Other handles must be gone.
    pub fn close(self) {
        drop(self.handle);
        let _ = self.thread.join();
    }
}

impl AccessLogHandle {
    /// Queues a line, or counts it as dropped.
    pub fn log(&self, line: &AccessLine<'_>) {
        let text = format(line, self.with_addresses);
        if self.lines.try_send(Message::Line(text)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_lines(lines: &Receiver<Message>, file: File, path: &Path, dropped: &AtomicU64) {
    let mut file = BufWriter::new(file);
    while let Ok(message) = lines.recv() {
        let mut next = Some(message);
        // Whatever is queued goes out in one write; then the file is as recent as the channel.
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    if file.write_all(line.as_bytes()).is_err() {
                        dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Message::Reopen => {
                    let _ = file.flush();
                    match open(path) {
                        Ok(opened) => file = BufWriter::new(opened),
                        Err(error) => {
                            tracing::error!(path = %path.display(), %error, "access log not reopened")
                        }
                    }
                }
            }
            next = lines.try_recv().ok();
        }
        if file.flush().is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// The Combined format: `client - - [time] "request" status bytes "referer" "agent"`.
fn format(line: &AccessLine<'_>, with_addresses: bool) -> String {
    let mut text = String::with_capacity(256);
    if with_addresses {
        let _ = write!(text, "{}", line.client.expose());
    } else {
        text.push('-');
    }
    text.push_str(" - - [");
    push_time(&mut text, line.time);
    text.push_str("] \"");
    push_escaped(&mut text, line.method.as_bytes());
    text.push(' ');
    push_escaped(&mut text, line.target);
    text.push(' ');
    // As Apache and nginx write it: readers of the format look for two numbers.
    text.push_str(if line.protocol == "HTTP/2" { "HTTP/2.0" } else { line.protocol });
    let _ = write!(text, "\" {:03} ", line.status);
    match line.content_bytes {
        0 => text.push('-'),
        bytes => drop(write!(text, "{bytes}")),
    }
    for field in [line.referer, line.user_agent] {
        text.push_str(" \"");
        push_escaped(&mut text, field.unwrap_or(b"-"));
        text.push('"');
    }
    text.push('\n');
    text
}

/// `10/Oct/2000:13:55:36 +0000`.
fn push_time(text: &mut String, time: UnixTime) {
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs());
    // `Tue, 10 Oct 2000 13:55:36 GMT`
    let date = httpdate::fmt_http_date(moment);
    let _ = write!(text, "{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25]);
}

/// As Apache escapes: `\"`, `\\`, and `\xhh` for whatever is not printable ASCII, so that no line can be forged.
fn push_escaped(text: &mut String, bytes: &[u8]) {
    for &octet in bytes {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(octet));
            }
            b' '..=b'~' => text.push(char::from(octet)),
            _ => drop(write!(text, "\\x{octet:02x}")),
        }
    }
}

/// Some 2 MB of lines, a second or two of a busy edge.
const LINES_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(agent: &'static [u8]) -> AccessLine<'static> {
        AccessLine {
            client: ClientAddr::new([192, 0, 2, 7].into()),
            time: UnixTime::from_secs(971_186_136),
            method: "GET",
            target: b"/a?b",
            protocol: "HTTP/1.1",
            status: 200,
            content_bytes: 2326,
            referer: None,
            user_agent: Some(agent),
        }
    }

    #[test]
    fn line_is_combined_format() {
        let tail = " - - [10/Oct/2000:13:55:36 +0000] \"GET /a?b HTTP/1.1\" 200 2326 \"-\" \"curl\"\n";
        assert_eq!(format(&line(b"curl"), true), format!("192.0.2.7{tail}"));
        assert_eq!(format(&line(b"curl"), false), format!("-{tail}"));
    }

    #[test]
    fn http2_has_a_minor_version_as_readers_expect() {
        let text = format(&AccessLine { protocol: "HTTP/2", ..line(b"curl") }, false);
        assert!(text.contains(" HTTP/2.0\" "), "{text}");
    }

    #[test]
    fn agent_cannot_forge_a_line() {
        let text = format(&line(b"a\" 200\n\\\xff"), false);
        assert!(text.ends_with("\"a\\\" 200\\x0a\\\\\\xff\"\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn queued_lines_are_written_before_it_ends_and_after_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let log = AccessLog::open(&path, false).unwrap();
        log.handle().log(&line(b"one"));
        std::fs::rename(&path, dir.path().join("access.log.1")).unwrap();
        log.reopen().unwrap();
        log.handle().log(&line(b"two"));
        log.close();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("access.log.1").contains("one"));
        assert!(read("access.log").contains("two"));
    }
}
