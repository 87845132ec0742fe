//! The embedded origin: a folder of files served as an origin server would (RFC 9110).
//!
//! What the kernel has in memory, a hot file on a local file system, is answered at once: the name is
//! looked up with `RESOLVE_CACHED` and read with `RWF_NOWAIT`, which fail rather than wait. For all
//! else a request takes one step on tokio's blocking pool, in which its file is opened, its
//! preconditions and ranges are decided and its first chunk is read, so that most files need no
//! second step. What is larger streams (`files/body.rs`). The thread of the runtime never waits.
//!
//! Bounds: 256 KiB in memory for each response under way, 16 ranges, 4 KiB of decoded path. How many
//! requests wait for the blocking pool is bounded by the exchanges that the listener admits.
//!
//! Left out: listings of folders, compression of what lies there uncompressed, and writing.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use seawall_http::{Coding, Preference, Selection, range};

mod body;
#[doc(hidden)]
pub mod check;
mod conditional;
mod media;
mod open;
mod path;
pub(crate) mod response;

pub use self::body::FileBody;
use self::conditional::{Conditions, Outcome, RangeApplies, Validators, Values};
use self::open::{Anchor, Found, NANOSECONDS, OpenError, Root, Stamp, Wait};
use self::path::{PathError, RequestPath};
use self::response::{Content, Representation};

/// A folder that answers requests.
///
/// Cheap to clone; clones share the folder.
#[derive(Clone, Debug)]
pub struct FileOrigin {
    root: Arc<Root>,
    cache_control: Option<HeaderValue>,
}

impl FileOrigin {
    /// Serves the folder at `root`, which is looked up anew for each request: it may be replaced while
    /// it is served.
    ///
    /// # Errors
    /// If `root` is not a folder, or may not be read.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: Arc::new(Root::open(root)?), cache_control: None })
    }

    /// Sends this `Cache-Control` with what is there: 200, 206 and 304 (RFC 9110 §15.4.5).
    #[must_use]
    pub fn with_cache_control(mut self, value: Option<HeaderValue>) -> Self {
        self.cache_control = value;
        self
    }

    /// Answers a request. Its content, if it has any, is not needed.
    ///
    /// Every failure is a response: 400 for a path that is not encoded as RFC 3986 says, 404 for
    /// everything that is not a regular file below the root, 403 for one that the process may not read,
    /// 503 when the process is out of file descriptors, 500 when the file system fails.
    ///
    /// Must be called, and its body polled, within a tokio runtime.
    pub async fn respond(&self, parts: &Parts) -> Response<FileBody> {
        let mut response = self.answer(parts).await;
        let there = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED];
        if let Some(value) = &self.cache_control
            && there.contains(&response.status())
            && parts.method != Method::OPTIONS
        {
            response.headers_mut().insert(CACHE_CONTROL, value.clone());
        }
        response
    }

    async fn answer(&self, parts: &Parts) -> Response<FileBody> {
        let content = match parts.method {
            Method::GET => Content::Sent,
            Method::HEAD => Content::Omitted,
            Method::OPTIONS => return response::options(),
            _ => return response::method_not_allowed(),
        };
        let path = match RequestPath::parse(parts.uri.path()) {
            Ok(path) => path,
            Err(PathError::Malformed) => return response::plain(StatusCode::BAD_REQUEST, content),
            Err(PathError::Unservable) => return response::plain(StatusCode::NOT_FOUND, content),
        };
        let request = FileRequest::new(parts, path, content);
        let now = SystemTime::now();
        if self.root.is_in_memory()
            && let Some(response) = request.answer(&self.root, Wait::Never, now)
        {
            return response;
        }
        let root = Arc::clone(&self.root);
        let answer = tokio::task::spawn_blocking(move || request.answer(&root, Wait::Allowed, now)).await;
        // The pool answers, or the task was lost.
        let answer = answer.map(|response| {
            response.unwrap_or_else(|| response::plain(StatusCode::SERVICE_UNAVAILABLE, content))
        });
        answer.unwrap_or_else(|error| {
            tracing::error!(%error, "answering from a file failed");
            response::plain(StatusCode::INTERNAL_SERVER_ERROR, content)
        })
    }
}

/// What the blocking step needs of a request.
struct FileRequest {
    path: RequestPath,
    query: Option<String>,
    content: Content,
    accept_encoding: Values,
    conditions: Conditions,
    range: Values,
}

/// Why there is no representation to send.
enum Failure {
    Open(OpenError),
    Read(io::Error),
    /// A folder with an index, asked for without its slash.
    Redirect,
}

// === impl FileRequest ===

impl FileRequest {
    fn new(parts: &Parts, path: RequestPath, content: Content) -> Self {
        let values = |name: HeaderName| parts.headers.get_all(name).iter().cloned().collect();
        Self {
            path,
            query: parts.uri.query().map(str::to_owned),
            content,
            accept_encoding: values(ACCEPT_ENCODING),
            conditions: Conditions {
                if_match: values(IF_MATCH),
                if_unmodified_since: values(IF_UNMODIFIED_SINCE),
                if_none_match: values(IF_NONE_MATCH),
                if_modified_since: values(IF_MODIFIED_SINCE),
                if_range: values(IF_RANGE),
            },
            range: values(RANGE),
        }
    }

    /// Does everything that touches the file system. Nothing comes of it if it may not wait but must.
    fn answer(&self, root: &Root, wait: Wait, now: SystemTime) -> Option<Response<FileBody>> {
        for _ in 0..CHANGED_TRIES_MAX {
            match self.try_answer(root, wait, now) {
                Ok(response) => return Some(response),
                // Rewritten between two system calls: the next look finds it as it is then.
                Err(Failure::Read(error)) if body::is_change(&error) => {}
                Err(Failure::Read(error)) if wait == Wait::Never => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        root.is_never_in_memory();
                    }
                    return None;
                }
                Err(failure) => return self.explain(failure),
            }
        }
        Some(self.plain(StatusCode::SERVICE_UNAVAILABLE))
    }

    fn explain(&self, failure: Failure) -> Option<Response<FileBody>> {
        Some(match failure {
            Failure::Redirect => {
                response::redirect(&self.path.folder_location(self.query.as_deref()), self.content)
            }
            Failure::Open(OpenError::NotFound) => self.plain(StatusCode::NOT_FOUND),
            Failure::Open(OpenError::Forbidden) => self.plain(StatusCode::FORBIDDEN),
            Failure::Open(OpenError::Busy) => self.plain(StatusCode::SERVICE_UNAVAILABLE),
            Failure::Open(OpenError::WouldWait) => return None,
            Failure::Open(OpenError::Failed(errno)) => self.failed(&errno.into()),
            Failure::Read(error) => self.failed(&error),
        })
    }

    fn try_answer(&self, root: &Root, wait: Wait, now: SystemTime) -> Result<Response<FileBody>, Failure> {
        let chosen = self.choose(&root.anchor(wait)?, now)?;
        let range = match self.conditions.evaluate(&chosen.validators) {
            Outcome::Failed => return Ok(self.plain(StatusCode::PRECONDITION_FAILED)),
            Outcome::NotModified => return Ok(chosen.not_modified()),
            Outcome::Proceed { range } => range,
        };
        let response = match self.selection(range, chosen.stamp.size) {
            Selection::Whole => chosen.whole(self.content, wait),
            Selection::Unsatisfiable => Ok(chosen.unsatisfiable()),
            Selection::Ranges(ranges) => match ranges.as_slice() {
                &[one] => chosen.range(one, wait),
                several => chosen.ranges(several, wait),
            },
        };
        response.map_err(Failure::Read)
    }

    /// The file, or the copy of it in the coding that the request prefers.
    fn choose(&self, anchor: &Anchor<'_>, now: SystemTime) -> Result<Representation, Failure> {
        let name = self.path.target();
        let (file, stamp) = match anchor.find(&name)? {
            Found::File(file, stamp) => (file, stamp),
            Found::Folder if !self.path.is_folder() => {
                anchor.file(&self.path.index())?;
                return Err(Failure::Redirect);
            }
            Found::Folder => return Err(OpenError::NotFound.into()),
        };
        let content_type = media::content_type(&name);
        let variants = match media::may_be_precompressed(&content_type) {
            true => Variants::find(anchor, &name, &stamp)?,
            false => Variants::default(),
        };
        let varies = variants.exist();
        let preference = Preference::parse(self.accept_encoding.iter().map(HeaderValue::as_bytes));
        let (coding, file, stamp) = match variants.preferred(&preference) {
            Some((coding, file, stamp)) => (Some(coding), file, stamp),
            None => (None, file, stamp),
        };
        let validators = Validators::of(&stamp, coding.map_or("", Coding::token), now);
        Ok(Representation { file, stamp, coding, content_type, validators, varies })
    }

    /// RFC 9110 §14.2: only a GET has ranges, and only one field of them.
    fn selection(&self, applies: RangeApplies, size: u64) -> Selection {
        match (self.range.as_slice(), applies, self.content) {
            ([value], RangeApplies::Yes, Content::Sent) => range::select(value.as_bytes(), size),
            _ => Selection::Whole,
        }
    }

    fn plain(&self, status: StatusCode) -> Response<FileBody> {
        response::plain(status, self.content)
    }

    fn failed(&self, error: &io::Error) -> Response<FileBody> {
        tracing::warn!(%error, "reading a file failed");
        self.plain(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

/// The precompressed copies beside a file that are not older than it.
#[derive(Default)]
struct Variants([Option<(std::fs::File, Stamp)>; 3]);

/// What the name of a copy has after the name of its original.
const fn ending(coding: Coding) -> &'static str {
    match coding {
        Coding::Brotli => ".br",
        Coding::Zstd => ".zst",
        Coding::Gzip => ".gz",
    }
}

impl Variants {
    /// Looks for every coding, wanted or not: whether there is one decides about `Vary`.
    fn find(anchor: &Anchor<'_>, name: &str, original: &Stamp) -> Result<Self, OpenError> {
        let mut variants = Self::default();
        for (coding, variant) in Coding::ALL.into_iter().zip(&mut variants.0) {
            match anchor.file(&format!("{name}{}", ending(coding))) {
                Ok(copy) if is_current(&copy.1, original) => *variant = Some(copy),
                Err(OpenError::WouldWait) => return Err(OpenError::WouldWait),
                // A copy that cannot be used is no reason to refuse the original.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(variants)
    }

    fn exist(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// The one wanted most; among equals the smallest.
    fn preferred(self, preference: &Preference) -> Option<(Coding, std::fs::File, Stamp)> {
        let present = Coding::ALL.into_iter().zip(self.0);
        let wanted = present.filter_map(|(coding, copy)| {
            let (file, stamp) = copy?;
            Some((preference.of(coding)?, coding, file, stamp))
        });
        let best = wanted.reduce(|best, next| match (next.0, best.3.size).cmp(&(best.0, next.3.size)) {
            std::cmp::Ordering::Greater => next,
            _ => best,
        })?;
        Some((best.1, best.2, best.3))
    }
}

/// Some compressors keep the time of the original, but only in whole seconds.
fn is_current(copy: &Stamp, original: &Stamp) -> bool {
    let whole_seconds = copy.modified % NANOSECONDS == 0;
    let floor = if whole_seconds {
        original.modified - original.modified.rem_euclid(NANOSECONDS)
    } else {
        original.modified
    };
    copy.modified >= floor
}

/// A file that changes under each of these is being written all the time.
const CHANGED_TRIES_MAX: u32 = 3;
