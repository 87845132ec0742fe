//! Apache's `LogFormat` strings.
//!
//! Source: Apache HTTP Server 2.4, mod_log_config "Custom Log Formats", with the directives that mod_logio and mod_ssl
//! add, varnishncsa's `%{...}x`, and those that Fastly shares with it.

use crate::error::{FormatError, FormatErrorKind};
use crate::escape::Escape;
use crate::field::{Field, Meaning};
use crate::number::Unit;
use crate::pattern::Pattern;
use crate::template::Template;
use crate::template::compile::{Piece, compile};

/// Compiles a format string. Escaped quotation marks, as they stand in a configuration file, are taken too.
pub(crate) fn template(format: &str) -> Result<Template, FormatError> {
    let (format, skipped) = unwrapped(format);
    let mut reader = Reader { format, at: 0, pieces: Vec::new(), meaning: Meaning::default() };
    reader.read().map_err(|error| error.moved(skipped))?;
    compile(reader.pieces, Escape::Backslash, reader.meaning, format).map_err(|error| error.moved(skipped))
}

/// `LogFormat "..." name` as well as what is between the quotation marks, and where that begins.
fn unwrapped(format: &str) -> (&str, usize) {
    let Some(rest) = format.trim_start().strip_prefix("LogFormat") else { return (format, 0) };
    let (Some(begin), Some(end)) = (rest.find('"'), rest.rfind('"')) else { return (format, 0) };
    if begin == end {
        return (format, 0);
    }
    (&rest[begin + 1..end], format.len() - rest.len() + begin + 1)
}

struct Reader<'f> {
    format: &'f str,
    at: usize,
    pieces: Vec<Piece>,
    meaning: Meaning,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), FormatError> {
        while let Some(&byte) = self.format.as_bytes().get(self.at) {
            match byte {
                b'%' => self.directive()?,
                b'\\' => self.escape(),
                byte => self.text(byte),
            }
        }
        Ok(())
    }

    fn text(&mut self, byte: u8) {
        self.at += 1;
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(byte),
            _ => self.pieces.push(Piece::Text(vec![byte])),
        }
    }

    fn escape(&mut self) {
        let byte = match self.format.as_bytes().get(self.at + 1) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(&byte @ (b'"' | b'\\')) => byte,
            _ => return self.text(b'\\'),
        };
        self.at += 1;
        self.text(byte);
    }

    /// `%`, modifiers (`!200,304`, `<`, `>`), an argument in braces, and one letter or `^` and two.
    fn directive(&mut self) -> Result<(), FormatError> {
        let begin = self.at;
        let bytes = self.format.as_bytes();
        let mut at = begin + 1;
        let mut is_final = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'>' => is_final = true,
                b'<' | b'!' | b',' => {}
                b'0'..=b'9' => {}
                _ => break,
            }
            at += 1;
        }
        let mut argument = None;
        if bytes.get(at) == Some(&b'{') {
            let length = self.format[at..].find('}');
            let length = length.ok_or(FormatError::at(at, FormatErrorKind::Unfinished))?;
            argument = Some((&self.format[at + 1..at + length], at + 1));
            at += length + 1;
        }
        let Some(letter) = self.format.get(at..).and_then(|rest| rest.chars().next()) else {
            return Err(FormatError::at(begin, FormatErrorKind::Unfinished));
        };
        let length = if letter == '^' { 3 } else { letter.len_utf8() };
        let name = self.format.get(at..at + length).unwrap_or("");
        self.at = at + length;
        if name == "%" {
            self.at -= 1;
            self.text(b'%');
            return Ok(());
        }
        let argument_text = argument.map_or("", |(text, _)| text);
        if name == "t" {
            return self.time(argument, begin);
        }
        let Some(field) = field(name, argument_text, is_final) else {
            let directive = self.format.get(begin..self.at).unwrap_or("%").to_owned();
            return Err(FormatError::at(begin, FormatErrorKind::UnknownDirective { directive }));
        };
        self.pieces.push(Piece::Column(field, begin..self.at));
        Ok(())
    }

    /// `%t` has brackets; `%{...}t` has none, and a pattern or a word.
    fn time(&mut self, argument: Option<(&str, usize)>, begin: usize) -> Result<(), FormatError> {
        let place = begin..self.at;
        let Some((pattern, pattern_at)) = argument.filter(|(pattern, _)| !pattern.is_empty()) else {
            self.pieces.push(Piece::Text(b"[".to_vec()));
            self.pieces.push(Piece::Column(Field::TimeClf, place));
            self.pieces.push(Piece::Text(b"]".to_vec()));
            return Ok(());
        };
        let bare =
            ["begin:", "end:"].iter().find_map(|prefix| pattern.strip_prefix(prefix)).unwrap_or(pattern);
        // Fastly quotes patterns.
        let bare = bare.trim_matches('"');
        let field = match bare {
            "" => Field::TimeClf,
            "sec" | "msec" | "usec" => Field::TimeAny,
            "msec_frac" => Field::TimeFraction(Unit::Milliseconds),
            "usec_frac" => Field::TimeFraction(Unit::Microseconds),
            bare => {
                let compiled = Pattern::compile(bare).map_err(|at| {
                    let directive = bare.get(at..).unwrap_or("").chars().take(2).collect();
                    let offset = pattern.find(bare).unwrap_or(0);
                    FormatError::at(
                        pattern_at + offset + at,
                        FormatErrorKind::UnknownTimeDirective { directive },
                    )
                })?;
                self.meaning.patterns.push(compiled);
                let last = u8::try_from(self.meaning.patterns.len() - 1);
                Field::TimePattern(last.map_err(|_| FormatError::at(begin, FormatErrorKind::TooLong))?)
            }
        };
        self.pieces.push(Piece::Column(field, place));
        Ok(())
    }
}

/// What a directive means.
fn field(name: &str, argument: &str, is_final: bool) -> Option<Field> {
    Some(match name {
        "h" | "a" if argument.eq_ignore_ascii_case("c") => Field::Peer,
        "h" | "a" => Field::Client,
        "i" => Field::of_request(argument),
        "o" => Field::of_response(argument),
        "r" => Field::RequestLine,
        "m" => Field::Method,
        "U" => Field::Path,
        "q" => Field::Query,
        "H" => Field::Protocol,
        "s" if is_final => Field::Status,
        "s" => Field::StatusFallback,
        "B" => Field::ContentBytes,
        "b" => Field::ContentBytesClf,
        "I" => Field::ReceivedBytes,
        "O" => Field::SentBytes,
        "D" => Field::RequestTime(Unit::Microseconds),
        "T" => Field::RequestTime(match argument {
            "ms" => Unit::Milliseconds,
            "us" => Unit::Microseconds,
            _ => Unit::Seconds,
        }),
        "v" | "V" if argument.is_empty() => Field::Host,
        "x" | "e" | "n" | "V" => variable(argument),
        // Local address, cookies, file, keep-alives, remote and error-log names, port, process, handler, user, bytes in
        // both directions, connection state, trailers, times to the first byte.
        "A" | "C" | "f" | "k" | "l" | "L" | "p" | "P" | "R" | "u" | "S" | "X" | "^ti" | "^to" | "^FB"
        | "^FU" => Field::Ignore,
        _ => return None,
    })
}

/// mod_ssl's, varnishncsa's and Fastly's variables, and an environment's that say by their name what they are.
fn variable(name: &str) -> Field {
    match name {
        "SSL_PROTOCOL" | "tls.client.protocol" => Field::TlsProtocol,
        "SSL_CIPHER" | "tls.client.cipher" => Field::TlsCipher,
        "Varnish:hitmiss" | "Varnish:handling" | "fastly_info.state" => Field::Cache,
        "REQUEST_SCHEME" => Field::Scheme,
        "tls.client.ja3_md5" => Field::Ja3,
        "tls.client.ja4" => Field::Ja4,
        _ => {
            let name = name.strip_prefix("req.http.").unwrap_or(name);
            Field::of_request(name.strip_prefix("HTTP_").unwrap_or(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(format: &str) -> (usize, String) {
        let error = template(format).unwrap_err();
        assert!(!error.hint().is_empty());
        (error.position, error.kind.to_string())
    }

    #[test]
    fn errors_point_at_the_directive() {
        assert_eq!(fault("%h %l %Z"), (6, "there is no directive `%Z`".into()));
        assert_eq!(fault("%h %{Referer"), (4, "a directive or text begins here and does not end".into()));
        assert_eq!(fault("%h %t %"), (6, "a directive or text begins here and does not end".into()));
        assert_eq!(fault("%>s%b %t"), (3, "nothing stands between `%>s` and `%b`".into()));
        assert_eq!(fault("%h %{%F %Q}t").0, 8);
        assert_eq!(fault("%h %l"), (0, "the format has neither time nor request".into()));
        assert_eq!(fault("hello"), (0, "the format has neither time nor request".into()));
        assert_eq!(fault(&"%l ".repeat(65)).0, 192);
    }

    #[test]
    fn a_whole_configuration_line_is_the_same_as_its_format() {
        let line = r#"LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined"#;
        let plain = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i""#;
        assert_eq!(template(line), template(plain));
        assert_eq!(fault(r#"LogFormat "%h %Z" x"#).0, 14);
    }
}
