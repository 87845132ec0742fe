//! One raw request.

use std::net::Ipv4Addr;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: &'static str,
    /// In order; `Host` among them.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: usize,
    pub(crate) from: Ipv4Addr,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            fields: vec![("Host".to_owned(), b"site.example".to_vec())],
            content: 0,
            from: Ipv4Addr::LOCALHOST,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Another line of that name.
    pub(crate) fn also(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// In place of any line of that name.
    pub(crate) fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.also(name, value)
    }

    pub(crate) fn agent(self, value: impl AsRef<[u8]>) -> Self {
        self.field("User-Agent", value)
    }

    pub(crate) fn host(self, value: &str) -> Self {
        self.field("Host", value)
    }

    pub(crate) fn from(mut self, last: u8) -> Self {
        self.from = Ipv4Addr::new(127, 0, 0, last);
        self
    }

    pub(crate) fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn content(mut self, octets: usize) -> Self {
        self.content = octets;
        self.field("Content-Length", octets.to_string())
    }

    pub(crate) fn lines_of(&self, name: &str) -> usize {
        self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.fields {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Connection: close\r\n\r\n");
        out.resize(out.len() + self.content, b'x');
        if self.lines_of("Transfer-Encoding") > 0 {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        out
    }

    /// For a message.
    pub(crate) fn shown(&self) -> String {
        let bytes = self.bytes();
        let text: String = bytes.escape_ascii().to_string().chars().take(600).collect();
        format!("{} from {}", text, self.from)
    }
}
