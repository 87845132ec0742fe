//! [`Format`]: how the lines of one log are written.

use std::sync::Arc;

use crate::error::{FormatError, FormatErrorKind};
use crate::field::{LineState, Meaning, abandon};
use crate::haproxy::{self, Captures};
use crate::json::{self, Profile};
use crate::reason::Reason;
use crate::record::Record;
use crate::template::{Template, apache, nginx};
use crate::w3c::{self, Columns};
use crate::wrapping::{Wrapping, without_debris};

/// How the lines of one log are written. Cheap to clone; read-only, so that threads may share it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Format(Arc<Inner>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Inner {
    name: String,
    wrapping: Wrapping,
    kind: Kind,
    meaning: Meaning,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Template(Template),
    Json(Profile),
    Haproxy(Captures),
    W3c(Option<Arc<Columns>>),
}

impl Format {
    /// Compiles what a person names: one of [`NAMES`], `apache:` with a `LogFormat` string, `nginx:` with a `log_format`
    /// string, `json:` with a map such as `client=remote_ip,time=ts,path=request.uri`, `haproxy:` with the names of the
    /// captured request fields, or `w3c:` with the names of the columns.
    ///
    /// # Errors
    ///
    /// The place in `name` that is not understood, what is wrong with it, and a hint.
    pub fn named(name: &str) -> Result<Self, FormatError> {
        let kind = match name.split_once(':') {
            Some((family, text)) => Self::of_family(family, text)
                .ok_or_else(|| unknown(name))?
                .map_err(|error| error.moved(family.len() + 1))?,
            None => Self::of_name(name).ok_or_else(|| unknown(name))?,
        };
        // What HAProxy writes goes to syslog, nearly always.
        let wrapping = if matches!(kind, Kind::Haproxy(_)) { Wrapping::Syslog } else { Wrapping::None };
        Ok(Self::new(name.to_owned(), wrapping, kind))
    }

    fn new(name: String, wrapping: Wrapping, kind: Kind) -> Self {
        let meaning = match &kind {
            Kind::Template(template) => template.meaning.clone(),
            Kind::Json(_) | Kind::Haproxy(_) | Kind::W3c(_) => Meaning::default(),
        };
        Self(Arc::new(Inner { name, wrapping, kind, meaning }))
    }

    fn of_family(family: &str, text: &str) -> Option<Result<Kind, FormatError>> {
        Some(match family {
            "apache" => apache::template(text).map(Kind::Template),
            "nginx" => nginx::template(text).map(Kind::Template),
            "json" => Profile::map(text).map(Kind::Json),
            "haproxy" => Ok(Kind::Haproxy(Captures::parse(text))),
            "w3c" => Ok(Kind::W3c(Some(Arc::new(Columns::parse(text.as_bytes()))))),
            _ => return None,
        })
    }

    fn of_name(name: &str) -> Option<Kind> {
        if let Some((_, is_open, format)) = APACHE.iter().find(|(known, ..)| *known == name) {
            let mut template = apache::template(format).ok()?;
            template.is_open = *is_open;
            if *is_open {
                template.fast = None;
            }
            return Some(Kind::Template(template));
        }
        Some(match name {
            "nginx" => Kind::Template(nginx::template(NGINX_COMBINED).ok()?),
            "caddy" => Kind::Json(Profile::caddy()),
            "traefik-json" => Kind::Json(Profile::traefik()),
            "cloudflare" => Kind::Json(Profile::cloudflare()),
            "fastly" => Kind::Json(Profile::fastly()),
            "cloudfront-json" => Kind::Json(Profile::cloudfront()),
            "json" => Kind::Json(Profile::generic()),
            "haproxy" => Kind::Haproxy(Captures::default()),
            "w3c" | "iis" | "cloudfront" => Kind::W3c(None),
            _ => return None,
        })
    }

    /// As it was named, or as [`Format::named`] takes it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What stands around each line.
    pub fn wrapping(&self) -> Wrapping {
        self.0.wrapping
    }

    /// The same format, its lines in something else.
    #[must_use]
    pub fn wrapped(&self, wrapping: Wrapping) -> Self {
        Self(Arc::new(Inner { wrapping, ..Inner::clone(&self.0) }))
    }

    /// The same format, with the offset of times that have none (HAProxy, and patterns without `%z`): seconds east of
    /// Greenwich, 0 unless said. W3C logs are always in UTC.
    #[must_use]
    pub fn with_local_offset(&self, seconds_east: i32) -> Self {
        let mut inner = Inner::clone(&self.0);
        let offset = i64::from(seconds_east);
        match &mut inner.kind {
            Kind::Template(template) => template.meaning.local_offset = offset,
            Kind::Json(_) | Kind::Haproxy(_) => inner.meaning.local_offset = offset,
            Kind::W3c(_) => {}
        }
        Self(Arc::new(inner))
    }

    /// Whether `#Fields:` lines change what columns mean.
    pub(crate) fn has_directives(&self) -> bool {
        matches!(self.0.kind, Kind::W3c(_))
    }

    /// The columns that were named with the format.
    pub(crate) fn columns(&self) -> Option<Arc<Columns>> {
        match &self.0.kind {
            Kind::W3c(columns) => columns.clone(),
            _ => None,
        }
    }

    /// Reads a line without its end; when it is wrapped otherwise than expected, without that too.
    #[inline]
    pub(crate) fn read<'a>(
        &self,
        line: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
        columns: &mut Option<Arc<Columns>>,
    ) -> Result<(), Reason> {
        let inner = self.0.wrapping.strip(line).unwrap_or(line);
        match self.read_inner(inner, record, state, columns) {
            Ok(()) => Ok(()),
            Err(reason) => self.read_mended(line, inner, record, state, columns).map_err(|_| reason),
        }
    }

    #[cold]
    fn read_mended<'a>(
        &self,
        line: &'a [u8],
        inner: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
        columns: &mut Option<Arc<Columns>>,
    ) -> Result<(), ()> {
        abandon(state);
        let bare = without_debris(line);
        let wrapping = Wrapping::of(bare);
        let mended = wrapping.strip(bare).unwrap_or(bare);
        if mended.len() == inner.len() || mended.is_empty() {
            return Err(());
        }
        self.read_inner(mended, record, state, columns).map_err(|_| abandon(state))
    }

    #[inline]
    fn read_inner<'a>(
        &self,
        line: &'a [u8],
        record: &mut Record<'a>,
        state: &mut LineState,
        columns: &mut Option<Arc<Columns>>,
    ) -> Result<(), Reason> {
        let meaning = &self.0.meaning;
        match &self.0.kind {
            Kind::Template(template) => template.read(line, record, state),
            Kind::Json(profile) => json::read(profile, line, record, meaning, state),
            Kind::Haproxy(captures) => haproxy::read(captures, line, record, meaning, state),
            Kind::W3c(_) => w3c::read(columns, line, record, meaning, state),
        }
    }
}

fn unknown(name: &str) -> FormatError {
    FormatError::at(0, FormatErrorKind::UnknownName { name: name.to_owned() })
}

/// Formats with a name, most telling first: where two read a sample alike, the earlier one is taken.
pub const NAMES: [&str; 20] = [
    "combined",
    "vhost_combined",
    "main",
    "traefik",
    "combinedio",
    "common",
    "vhost_common",
    "caddy",
    "traefik-json",
    "cloudflare",
    "cloudfront-json",
    "fastly",
    "json",
    "haproxy",
    "w3c",
    "nginx",
    "vhost-combined",
    "combined+more",
    "vhost_combined+more",
    "common+more",
];

/// Name, whether more columns may follow, and the format.
const APACHE: &[(&str, bool, &str)] = &[
    ("common", false, r#"%h %l %u %t "%r" %>s %b"#),
    ("combined", false, r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i""#),
    ("combinedio", false, r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i" %I %O"#),
    // What nginx.org's packages come with.
    ("main", false, r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i" "%{X-Forwarded-For}i""#),
    // Debian's, with the port.
    ("vhost_combined", false, r#"%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i""#),
    // Without it.
    ("vhost-combined", false, r#"%v %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i""#),
    ("vhost_common", false, r#"%v %h %l %u %t "%r" %>s %b"#),
    // Router, service and duration in milliseconds.
    ("traefik", false, r#"%h - %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i" %k "%l" "%l" %{ms}Tms"#),
    ("combined+more", true, r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i" "#),
    ("vhost_combined+more", true, r#"%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i" "#),
    ("common+more", true, r#"%h %l %u %t "%r" %>s %b "#),
];

const NGINX_COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
