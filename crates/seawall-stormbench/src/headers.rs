//! [`Headers`]: which fields a client sends and in which order, by the software that it is.
//!
//! Orders were taken from what current browsers and libraries send (Chrome 130s and Firefox 130s over HTTP/2, Safari 18,
//! curl 8, wget 1.21, python-requests 2.32, Go's net/http, OkHttp 4, undici). The fingerprints are the real functions'
//! over these names; JA4 texts are those that public lists give for the software, or made in their form.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use seawall_http::{Field, HeaderPrint, Ja4, Protocol};

/// One client's fields for one kind of request.
#[derive(Debug)]
pub struct Headers {
    /// Field lines.
    pub lines: Vec<(&'static str, Value)>,
    /// The header shape over them.
    pub shape: u64,
    /// Which well-known ones are among them.
    pub presence: u32,
    /// Of the connection; none in clear text.
    pub ja4: Option<Ja4>,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// Always this.
    Text(&'static str),
    /// The host.
    Host,
    /// The agent.
    Agent,
    /// The referer.
    Referer,
}

/// The software.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Software {
    /// Chrome, Edge, Opera on a computer.
    Chrome,
    /// Chrome and its kin on Android.
    ChromeMobile,
    /// Firefox.
    Firefox,
    /// Safari and everything on iOS.
    Safari,
    /// A browser of some years ago, HTTP/1.1.
    OldBrowser,
    /// curl.
    Curl,
    /// GNU Wget.
    Wget,
    /// python-requests, and what is built on urllib3.
    Python,
    /// Go's net/http.
    Go,
    /// OkHttp: Android apps.
    OkHttp,
    /// CFNetwork: apps on Apple's systems.
    CfNetwork,
    /// undici: Node.js.
    Node,
    /// WinINet: Windows programs.
    WinInet,
    /// A search engine's crawler.
    Crawler,
    /// A feed reader.
    Feed,
    /// A monitoring service.
    Monitor,
    /// A scraper that copies Chrome's fields, without knowing their order and without `Sec-Fetch-*`.
    FakeChrome,
    /// Java's HttpURLConnection.
    Java,
}

/// What a request asks, as far as the fields show it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub struct Shape {
    /// A part of a page, not a page.
    pub is_asset: bool,
    /// With `Referer`.
    pub has_referer: bool,
    /// With `Cookie`.
    pub has_cookie: bool,
    /// With `If-None-Match`.
    pub is_conditional: bool,
    /// With content.
    pub has_content: bool,
    /// Without `User-Agent`.
    pub no_agent: bool,
}

/// All that were needed so far: a few hundred at most.
#[derive(Debug, Default)]
pub struct Wardrobe(HashMap<(Software, Shape, u8), Arc<Headers>, FixedState>);

impl Wardrobe {
    /// What `software` sends. `variant` tells builds of it apart: it changes JA4 alone.
    pub fn headers(&mut self, software: Software, shape: Shape, variant: u8) -> Arc<Headers> {
        let headers = || Arc::new(Headers::new(software, shape, variant));
        Arc::clone(self.0.entry((software, shape, variant)).or_insert_with(headers))
    }
}

impl Headers {
    fn new(software: Software, shape: Shape, variant: u8) -> Self {
        let lines: Vec<_> =
            template(software, shape).filter_map(|name| Some((name, value(name, shape)?))).collect();
        let fields: Vec<_> = lines.iter().map(|(name, _)| Field { name, value: b"x" }).collect();
        let print = HeaderPrint::of(software.protocol(), &fields);
        Self {
            shape: print.shape.bits(),
            presence: print.presence.bits(),
            ja4: ja4(software, variant),
            lines,
        }
    }
}

impl Software {
    /// What it speaks.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Chrome
            | Self::ChromeMobile
            | Self::Firefox
            | Self::Safari
            | Self::Curl
            | Self::Go
            | Self::OkHttp
            | Self::CfNetwork
            | Self::FakeChrome => Protocol::Http2,
            _ => Protocol::Http11,
        }
    }
}

/// The names in order. Those of optional fields are dropped by [`value`].
fn template(software: Software, shape: Shape) -> impl Iterator<Item = &'static str> {
    let names = match (software, shape.is_asset) {
        (Software::Chrome | Software::ChromeMobile, false) => {
            "host cookie content-length cache-control sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform upgrade-insecure-requests user-agent \
             content-type accept sec-fetch-site sec-fetch-mode sec-fetch-user sec-fetch-dest referer accept-encoding accept-language \
             if-none-match priority"
        }
        (Software::Chrome | Software::ChromeMobile, true) => {
            "host content-length sec-ch-ua-platform user-agent sec-ch-ua content-type sec-ch-ua-mobile accept sec-fetch-site \
             sec-fetch-mode sec-fetch-dest referer accept-encoding accept-language cookie if-none-match priority"
        }
        (Software::Firefox, false) => {
            "host user-agent accept accept-language accept-encoding content-type content-length referer cookie \
             upgrade-insecure-requests sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user if-none-match priority te"
        }
        (Software::Firefox, true) => {
            "host user-agent accept accept-language accept-encoding content-type content-length referer cookie sec-fetch-dest \
             sec-fetch-mode sec-fetch-site if-none-match priority te"
        }
        (Software::Safari, false) => {
            "host sec-fetch-dest user-agent accept referer sec-fetch-site sec-fetch-mode cookie accept-language priority \
             accept-encoding content-type content-length if-none-match"
        }
        (Software::Safari, true) => {
            "host accept sec-fetch-site cookie sec-fetch-dest accept-language sec-fetch-mode user-agent referer accept-encoding \
             priority content-type content-length if-none-match"
        }
        (Software::OldBrowser, _) => {
            "Host User-Agent Accept Accept-Language Accept-Encoding Referer Cookie Connection If-None-Match"
        }
        (Software::Curl, _) => "host user-agent accept referer content-length content-type if-none-match",
        (Software::Wget, _) => "Host User-Agent Accept Accept-Encoding Referer Connection If-None-Match",
        (Software::Python, _) => {
            "Host User-Agent Accept-Encoding Accept Connection Referer Cookie If-None-Match Content-Length Content-Type"
        }
        (Software::Go, _) => {
            "host user-agent content-length content-type referer cookie if-none-match accept-encoding"
        }
        (Software::OkHttp, _) => {
            "host content-type content-length accept-encoding cookie user-agent if-none-match"
        }
        (Software::CfNetwork, _) => {
            "host accept content-type user-agent accept-language accept-encoding content-length if-none-match"
        }
        (Software::Node, _) => {
            "host connection Accept Content-Type Accept-Language Sec-Fetch-Mode User-Agent Accept-Encoding Content-Length"
        }
        (Software::WinInet, _) => {
            "Accept Referer Accept-Language User-Agent Content-Type Host Content-Length Connection Cache-Control Cookie"
        }
        (Software::Crawler, _) => {
            "Host Connection Accept From User-Agent Accept-Encoding If-None-Match Referer"
        }
        (Software::Feed, _) => "Host User-Agent Accept Accept-Encoding If-None-Match Connection Referer",
        (Software::Monitor, _) => "Host User-Agent Accept Connection Cache-Control",
        (Software::FakeChrome, _) => {
            "host user-agent accept accept-language accept-encoding referer sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform \
             upgrade-insecure-requests cookie content-type content-length"
        }
        (Software::Java, _) => "User-Agent Host Accept Connection Content-Type Content-Length",
    };
    names.split_ascii_whitespace()
}

/// The value; none if the request has no such field.
fn value(name: &str, shape: Shape) -> Option<Value> {
    let text = |is_there: bool, text| is_there.then_some(Value::Text(text));
    match name.to_ascii_lowercase().as_str() {
        "host" => Some(Value::Host),
        "user-agent" => (!shape.no_agent).then_some(Value::Agent),
        "referer" => shape.has_referer.then_some(Value::Referer),
        "cookie" => text(shape.has_cookie, "session=1"),
        "if-none-match" => text(shape.is_conditional, "\"1\""),
        "content-length" => text(shape.has_content, "64"),
        "content-type" => text(shape.has_content, "application/x-www-form-urlencoded"),
        "cache-control" => text(shape.has_content, "max-age=0"),
        "accept" => text(true, if shape.is_asset { "*/*" } else { "text/html,*/*;q=0.8" }),
        "accept-language" => text(true, "en"),
        "accept-encoding" => text(true, "gzip, deflate, br"),
        _ => text(true, "1"),
    }
}

/// Builds of one program share the front of it and differ in what they are linked with.
fn ja4(software: Software, variant: u8) -> Option<Ja4> {
    let variants: &[&str] = match software {
        Software::Chrome | Software::ChromeMobile => &[
            "t13d1516h2_8daaf6152771_02713d6af862",
            "t13d1516h2_8daaf6152771_d8a2da3f94cd",
            "t13d1517h2_8daaf6152771_b1ff8ab2d16f",
        ],
        Software::Firefox => {
            &["t13d1717h2_5b57614c22b0_3cbfd9057e0d", "t13d1715h2_5b57614c22b0_7121afd63204"]
        }
        Software::Safari => &["t13d2014h2_a09f3c656075_14788d8d241b", "t13d2014h2_a09f3c656075_e42f34c56612"],
        Software::OldBrowser => {
            &["t12d1510h1_d34a8e72043a_b39be8c56a14", "t12d1209h1_d34a8e72043a_eb7c9aabf852"]
        }
        Software::Curl => &["t13d3112h2_e8f1e7e78f70_b26ce05bbdd6", "t13d3012h2_1d37bd780c83_8c7f7a8f4c6d"],
        Software::Wget => &["t13d751000_479067518aa3_cb9b06ed8b8c"],
        Software::Python => &["t13d1812h1_85036bcba153_b26ce05bbdd6", "t13d301200_1d37bd780c83_d339722ba4af"],
        Software::Go => &["t13d1312h2_f57a46bbacb6_ab7e3b40a677", "t13d1312h2_f57a46bbacb6_e7c285222651"],
        Software::OkHttp => &["t13d1613h2_46e7e9700bed_eca864cca44a", "t13d1613h2_46e7e9700bed_45f260be83e2"],
        Software::CfNetwork => &["t13d2014h2_a09f3c656075_6b6f1c9c3f3a"],
        Software::Node => &["t13d521100_b262b3658495_8e6e362c5eac"],
        Software::WinInet => {
            &["t12d190800_d83cc789557e_16bbda4055b2", "t13d190900_9dc949149365_97f8aa674fd9"]
        }
        Software::Crawler => &["t13d1516h1_8daaf6152771_e5627efa2ab1"],
        Software::Feed => &["t13d2613h1_4d3f9a1c8e27_9a0b61f2c4d8", "t13d1711h1_5b57614c22b0_6f1d20c37bb4"],
        Software::Monitor => &["t13d4312h1_c7886603b240_b26ce05bbdd6"],
        Software::FakeChrome => &["t13d1812h2_85036bcba153_375ca2c5e164"],
        Software::Java => &["t13d491100_5d8b1c07d3a2_a875e5012fde", "t13d490900_5d8b1c07d3a2_0b2a4bd9cbf8"],
    };
    Ja4::parse(variants.get(usize::from(variant) % variants.len())?.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Shape, Software, Wardrobe};

    #[test]
    fn programs_differ_in_their_fields_and_have_a_tls_fingerprint() {
        let all =
            [Software::Chrome, Software::Firefox, Software::Safari, Software::Python, Software::FakeChrome];
        let mut wardrobe = Wardrobe::default();
        let shapes: HashSet<_> =
            all.iter().map(|software| wardrobe.headers(*software, Shape::default(), 0).shape).collect();
        assert_eq!(shapes.len(), all.len());
        assert!(all.iter().all(|software| {
            (0..3).all(|build| wardrobe.headers(*software, Shape::default(), build).ja4.is_some())
        }));
    }
}
