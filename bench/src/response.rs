//! Where a response ends: enough of HTTP/1.1 for the answers of the benchmarks, which all have a length.

use anyhow::{Context as _, Result, bail};

/// One whole response at the beginning of what was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Response {
    /// Its status code.
    pub status: u16,
    /// Its bytes, header section and content.
    pub bytes: usize,
    /// Whether the connection ends after it.
    pub closes: bool,
}

impl Response {
    /// `None` until all of it is there.
    ///
    /// # Errors
    ///
    /// If it is no response, or has no `Content-Length`.
    pub fn read(input: &[u8]) -> Result<Option<Self>> {
        let Some(head_bytes) = input.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&input[..head_bytes]).context("a header section that is no text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.with_context(|| format!("not a response: {head}"))?;
        let (mut content_bytes, mut closes) = (None, false);
        for line in lines {
            let (name, value) = line.split_once(':').with_context(|| format!("not a field: {line}"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                content_bytes = Some(value.parse::<usize>()?);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        let Some(content_bytes) = content_bytes else { bail!("a response without Content-Length: {head}") };
        let bytes = head_bytes + 4 + content_bytes;
        Ok((input.len() >= bytes).then_some(Self { status, bytes, closes }))
    }
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn response_is_read_when_it_is_whole() {
        let input = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nConnection: close\r\n\r\nnoHTTP/1.1";
        assert_eq!(Response::read(&input[..30]).unwrap(), None);
        assert_eq!(Response::read(&input[..input.len() - 9]).unwrap(), None);
        let whole = Response { status: 403, bytes: input.len() - 8, closes: true };
        assert_eq!(Response::read(input).unwrap(), Some(whole));
        assert!(Response::read(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Response::read(b"nonsense\r\n\r\n").is_err());
    }
}
