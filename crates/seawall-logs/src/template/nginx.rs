//! nginx's `log_format` strings.
//!
//! Source: nginx ngx_http_log_module `log_format` and the index of variables; `escape` of 1.11.8 (default, json) and
//! 1.13.10 (none). A variable that is not known is a column of no interest: operators make their own with `map` and
//! `set`.

use crate::error::{FormatError, FormatErrorKind};
use crate::escape::Escape;
use crate::field::{Field, Meaning};
use crate::number::Unit;
use crate::template::Template;
use crate::template::compile::{Piece, compile};

/// Compiles a format: its text, or what a configuration file has (`escape=json '...' '...'`, with or without
/// `log_format NAME` and `;`).
pub(crate) fn template(format: &str) -> Result<Template, FormatError> {
    let mut reader = Reader { format, at: 0, escape: Escape::Backslash, pieces: Vec::new() };
    reader.read()?;
    compile(reader.pieces, reader.escape, Meaning::default(), format)
}

struct Reader<'f> {
    format: &'f str,
    at: usize,
    escape: Escape,
    pieces: Vec<Piece>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), FormatError> {
        self.skip_spaces();
        if self.rest().starts_with("log_format") {
            self.at += "log_format".len();
            self.skip_spaces();
            self.at += self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
            self.skip_spaces();
        }
        self.escape_parameter()?;
        // A format that begins with an apostrophe is nginx's quoting: none in use begins so itself.
        if !self.rest().starts_with('\'') {
            return self.text_until(None);
        }
        while let Some(&byte) = self.format.as_bytes().get(self.at) {
            match byte {
                b'\'' | b'"' => {
                    let begin = self.at;
                    self.at += 1;
                    self.text_until(Some(byte))?;
                    if self.format.as_bytes().get(self.at) != Some(&byte) {
                        return Err(FormatError::at(begin, FormatErrorKind::Unfinished));
                    }
                    self.at += 1;
                }
                b';' => break,
                b'#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        self.format.get(self.at..).unwrap_or("")
    }

    fn skip_spaces(&mut self) {
        self.at = self.format.len() - self.rest().trim_start().len();
    }

    fn escape_parameter(&mut self) -> Result<(), FormatError> {
        let Some(rest) = self.rest().strip_prefix("escape=") else { return Ok(()) };
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.escape = match &rest[..length] {
            "default" => Escape::Backslash,
            "json" => Escape::Json,
            "none" => Escape::None,
            other => {
                let escape = other.to_owned();
                return Err(FormatError::at(self.at, FormatErrorKind::UnknownEscape { escape }));
            }
        };
        self.at += "escape=".len() + length;
        self.skip_spaces();
        Ok(())
    }

    fn text_until(&mut self, quote: Option<u8>) -> Result<(), FormatError> {
        while let Some(&byte) = self.format.as_bytes().get(self.at) {
            match byte {
                _ if Some(byte) == quote => return Ok(()),
                b'$' => self.variable()?,
                b'\\'
                    if quote.is_some()
                        && matches!(self.format.as_bytes().get(self.at + 1), Some(b'\'' | b'"' | b'\\')) =>
                {
                    self.at += 1;
                    self.push(self.format.as_bytes()[self.at]);
                }
                byte => self.push(byte),
            }
        }
        Ok(())
    }

    fn push(&mut self, byte: u8) {
        self.at += 1;
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(byte),
            _ => self.pieces.push(Piece::Text(vec![byte])),
        }
    }

    /// `$name` or `${name}`.
    fn variable(&mut self) -> Result<(), FormatError> {
        let begin = self.at;
        let rest = &self.format[begin + 1..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(inner) => {
                let length = inner.find('}').ok_or(FormatError::at(begin, FormatErrorKind::Unfinished))?;
                (&inner[..length], length + 2)
            }
            None => {
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                let length = rest.bytes().position(|byte| !is_name(byte)).unwrap_or(rest.len());
                (&rest[..length], length)
            }
        };
        if name.is_empty() {
            return Err(FormatError::at(begin, FormatErrorKind::Unfinished));
        }
        self.at = begin + 1 + length;
        self.pieces.push(Piece::Column(field(name), begin..self.at));
        Ok(())
    }
}

/// What a variable means.
pub(crate) fn field(name: &str) -> Field {
    match name {
        "remote_addr" => Field::Client,
        "realip_remote_addr" => Field::Peer,
        "proxy_protocol_addr" => Field::ForwardedSingle,
        "proxy_add_x_forwarded_for" => Field::ForwardedFor,
        "time_local" => Field::TimeClf,
        "time_iso8601" => Field::TimeIso,
        "msec" => Field::TimeAny,
        "request" => Field::RequestLine,
        "request_method" => Field::Method,
        "request_uri" => Field::Target,
        "uri" | "document_uri" => Field::Path,
        "args" | "query_string" => Field::Query,
        "server_protocol" => Field::Protocol,
        "scheme" => Field::Scheme,
        "host" | "http_host" => Field::Host,
        "server_name" => Field::HostFallback,
        "status" => Field::Status,
        "body_bytes_sent" => Field::ContentBytes,
        "bytes_sent" => Field::SentBytes,
        "request_length" => Field::ReceivedBytes,
        "request_time" => Field::RequestTime(Unit::Seconds),
        "upstream_response_time" => Field::OriginTime(Unit::Seconds),
        "upstream_response_length" | "upstream_bytes_received" => Field::OriginBytes,
        "upstream_status" => Field::OriginStatus,
        "upstream_cache_status" => Field::Cache,
        "ssl_protocol" => Field::TlsProtocol,
        "ssl_cipher" => Field::TlsCipher,
        "http_ssl_ja3_hash" | "ssl_ja3" | "ja3" | "ja3_hash" | "http_ssl_ja3" => Field::Ja3,
        "ssl_ja4" | "ja4" | "http_ssl_ja4" | "http_ssl_ja4_hash" => Field::Ja4,
        name => match (name.strip_prefix("http_"), name.strip_prefix("sent_http_")) {
            (_, Some(field)) => Field::of_response(field),
            (Some(field), _) => Field::of_request(field),
            _ => Field::Ignore,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(format: &str) -> (usize, String) {
        let error = template(format).unwrap_err();
        (error.position, error.kind.to_string())
    }

    #[test]
    fn errors_point_at_the_variable() {
        assert_eq!(
            fault("$remote_addr $ $msec"),
            (13, "a directive or text begins here and does not end".into())
        );
        assert_eq!(fault("$msec ${request"), (6, "a directive or text begins here and does not end".into()));
        assert_eq!(fault("$msec$status"), (5, "nothing stands between `$msec` and `$status`".into()));
        assert_eq!(fault("escape=yaml $msec"), (0, "there is no escape `yaml`".into()));
        assert_eq!(fault("'$msec"), (0, "a directive or text begins here and does not end".into()));
        assert_eq!(fault("$remote_addr"), (0, "the format has neither time nor request".into()));
    }

    #[test]
    fn what_a_configuration_file_has_is_the_same_as_its_text() {
        let file = "log_format main escape=default '$remote_addr - $remote_user [$time_local] \"$request\" '\n   '$status';";
        assert_eq!(
            template(file),
            template("$remote_addr - $remote_user [$time_local] \"$request\" $status")
        );
        assert!(template("log_format j escape=json '{\"t\":\"$time_iso8601\"}';").is_ok());
    }

    #[test]
    fn neighbours_that_can_be_told_apart_are_taken() {
        assert!(template("$msec $scheme://$host$request_uri $status").is_ok());
        assert!(template("$msec $uri$is_args$args $status").is_ok());
    }
}
