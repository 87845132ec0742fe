//! Which members of a JSON object mean what.
//!
//! Sources: Caddy "How logging works" and the encoder of its access logs; Traefik "Access logs", the list of fields;
//! Cloudflare Logpush, dataset `http_requests`; Fastly "Useful log formats" and its default formats for JSON endpoints;
//! CloudFront standard logging v2; nginx variable names, Elastic Common Schema and what people call them otherwise.

use crate::error::{FormatError, FormatErrorKind};
use crate::field::Field;
use crate::json::REQUEST;
use crate::number::Unit;
use crate::record::{Fact, FactSet};
use crate::template::nginx;

/// A tree of names, flat in memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Profile {
    nodes: Vec<Node>,
    needs: FactSet,
}

/// The members of one object, in buckets by [`bucket`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Node {
    members: Vec<(Box<[u8]>, Member)>,
    /// Where each bucket's members begin, and the end of the last.
    starts: Vec<u16>,
}

/// What one member is: a value, an object with more, or either.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Member {
    pub(crate) field: Option<Field>,
    pub(crate) node: Option<usize>,
}

impl Profile {
    /// Names with dots are paths; `\.` is a dot in a name. A path is also looked for as one name with its dots, as flat
    /// writers have it.
    fn new<'n>(names: impl IntoIterator<Item = (&'n str, Field)>, needs: FactSet) -> Self {
        let mut profile = Self { nodes: vec![Node::default()], needs };
        for (path, field) in names {
            let mut node = 0;
            let parts: Vec<String> =
                path.replace("\\.", "\0").split('.').map(|part| part.replace('\0', ".")).collect();
            for (at, part) in parts.iter().enumerate() {
                if at + 1 == parts.len() {
                    profile.entry(node, part).field = Some(field);
                } else {
                    node = profile.child(node, part);
                }
            }
            if parts.len() > 1 {
                profile.entry(0, &parts.join(".")).field.get_or_insert(field);
            }
        }
        profile.nodes.iter_mut().for_each(Node::sort);
        profile
    }

    fn entry(&mut self, node: usize, name: &str) -> &mut Member {
        let members = &mut self.nodes[node].members;
        let at = members.iter().position(|(known, _)| **known == *name.as_bytes()).unwrap_or_else(|| {
            members.push((name.as_bytes().into(), Member::default()));
            members.len() - 1
        });
        &mut members[at].1
    }

    fn child(&mut self, node: usize, name: &str) -> usize {
        let next = self.nodes.len();
        let child = *self.entry(node, name).node.get_or_insert(next);
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// What a member of a node's object is.
    #[inline]
    pub(crate) fn member(&self, node: usize, name: &[u8]) -> Option<Member> {
        let node = self.nodes.get(node)?;
        let bucket = bucket(name);
        let range = usize::from(*node.starts.get(bucket)?)..usize::from(*node.starts.get(bucket + 1)?);
        node.members.get(range)?.iter().find(|(known, _)| **known == *name).map(|(_, member)| *member)
    }

    /// What a line must show to be about a request.
    pub(crate) const fn needs(&self) -> FactSet {
        self.needs
    }

    /// Caddy's access logs, from 2.0 on.
    pub(crate) fn caddy() -> Self {
        Self::new(CADDY.iter().copied(), REQUEST)
    }

    /// Traefik's, from 1.4 on.
    pub(crate) fn traefik() -> Self {
        Self::new(TRAEFIK.iter().copied(), REQUEST)
    }

    /// Cloudflare's Logpush, and its older Logpull.
    pub(crate) fn cloudflare() -> Self {
        Self::new(CLOUDFLARE.iter().copied(), FactSet::default())
    }

    /// Fastly's examples.
    pub(crate) fn fastly() -> Self {
        Self::new(FASTLY.iter().copied(), FactSet::default())
    }

    /// CloudFront's standard logging v2 in JSON.
    pub(crate) fn cloudfront() -> Self {
        let columns = CLOUDFRONT.iter().map(|&name| (name, crate::w3c::field(name, b'\t')));
        Self::new(columns, REQUEST)
    }

    /// Names that say what they are: nginx's variables, ECS, and common words.
    pub(crate) fn generic() -> Self {
        let variables = NGINX.iter().map(|&name| (name, nginx::field(name)));
        Self::new(variables.chain(GENERIC.iter().copied()), FactSet::default())
    }

    /// `client=remote_ip,time=ts,path=request.uri`.
    pub(crate) fn map(map: &str) -> Result<Self, FormatError> {
        let mut names = Vec::new();
        let mut at = 0;
        for part in map.split(',') {
            let place = at + part.len() - part.trim_start().len();
            let syntax = FormatError::at(place, FormatErrorKind::MapSyntax);
            let (fact, key) = part.trim().split_once('=').ok_or(syntax.clone())?;
            if key.is_empty() {
                return Err(syntax);
            }
            let field = MAP_FACTS.iter().find(|(name, _)| *name == fact).map(|(_, field)| *field);
            let unknown = FormatErrorKind::UnknownFact { fact: fact.to_owned() };
            names.push((key, field.ok_or(FormatError::at(place, unknown))?));
            at += part.len() + 1;
        }
        let profile = Self::new(names.iter().copied(), FactSet::default());
        let useful = FactSet::of(&[Fact::Method, Fact::Path]);
        if !names.iter().any(|(_, field)| field.facts().intersects(useful)) {
            return Err(FormatError::at(0, FormatErrorKind::NothingUseful));
        }
        Ok(profile)
    }
}

impl Node {
    fn sort(&mut self) {
        self.members.sort_by_key(|(name, _)| bucket(name));
        self.starts = (0..=BUCKETS)
            .map(|wanted| {
                let start = self.members.partition_point(|(name, _)| bucket(name) < wanted);
                u16::try_from(start).unwrap_or(u16::MAX)
            })
            .collect();
    }
}

/// Most names differ in length, beginning or end.
#[inline]
fn bucket(name: &[u8]) -> usize {
    let [first, .., last] = name else { return name.len() % BUCKETS };
    (name.len() * 7 + usize::from(*first) * 5 + usize::from(*last)) % BUCKETS
}

const BUCKETS: usize = 64;

const CADDY: &[(&str, Field)] = &[
    ("ts", Field::TimeAny),
    ("request", Field::Ignore),
    ("request.remote_ip", Field::Peer),
    // Until 2.4, with its port.
    ("request.remote_addr", Field::Peer),
    // From 2.7 on, behind trusted proxies.
    ("request.client_ip", Field::Client),
    ("request.proto", Field::Protocol),
    ("request.method", Field::Method),
    ("request.host", Field::Host),
    ("request.uri", Field::Target),
    ("request.headers", Field::RequestFields),
    ("request.headers.User-Agent", Field::UserAgent),
    ("request.headers.Referer", Field::Referer),
    ("request.headers.X-Forwarded-For", Field::ForwardedFor),
    ("request.headers.Forwarded", Field::Forwarded),
    ("request.headers.X-Real-Ip", Field::ForwardedSingle),
    ("request.headers.Cf-Connecting-Ip", Field::ForwardedSingle),
    ("request.headers.True-Client-Ip", Field::ForwardedSingle),
    ("request.headers.Fastly-Client-Ip", Field::ForwardedSingle),
    ("request.headers.X-Ja3", Field::Ja3),
    ("request.headers.X-Ja4", Field::Ja4),
    ("request.tls.version", Field::TlsProtocol),
    ("request.tls.cipher_suite", Field::TlsCipher),
    ("bytes_read", Field::ReceivedBytes),
    ("duration", Field::RequestTime(Unit::Seconds)),
    ("size", Field::ContentBytes),
    ("status", Field::Status),
    ("resp_headers.X-Cache", Field::Cache),
    ("resp_headers.X-Cache-Status", Field::Cache),
];

const TRAEFIK: &[(&str, Field)] = &[
    ("StartUTC", Field::TimeAny),
    ("ClientHost", Field::Client),
    ("RequestMethod", Field::Method),
    ("RequestPath", Field::Target),
    ("RequestProtocol", Field::Protocol),
    ("RequestScheme", Field::Scheme),
    ("RequestHost", Field::Host),
    ("DownstreamStatus", Field::Status),
    ("DownstreamContentSize", Field::ContentBytes),
    ("RequestContentSize", Field::ReceivedBytes),
    ("Duration", Field::RequestTime(Unit::Nanoseconds)),
    ("OriginDuration", Field::OriginTime(Unit::Nanoseconds)),
    ("OriginContentSize", Field::OriginBytes),
    ("OriginStatus", Field::OriginStatus),
    ("TLSVersion", Field::TlsProtocol),
    ("TLSCipher", Field::TlsCipher),
    ("request_User-Agent", Field::UserAgent),
    ("request_Referer", Field::Referer),
    ("request_X-Forwarded-For", Field::ForwardedFor),
    ("request_Forwarded", Field::Forwarded),
    ("request_X-Real-Ip", Field::ForwardedSingle),
    ("request_Cf-Connecting-Ip", Field::ForwardedSingle),
    ("downstream_X-Cache", Field::Cache),
];

const CLOUDFLARE: &[(&str, Field)] = &[
    ("EdgeStartTimestamp", Field::TimeAny),
    ("ClientIP", Field::Client),
    ("ClientRequestMethod", Field::Method),
    ("ClientRequestURI", Field::Target),
    ("ClientRequestHost", Field::Host),
    ("ClientRequestProtocol", Field::Protocol),
    ("ClientRequestScheme", Field::Scheme),
    ("ClientRequestReferer", Field::Referer),
    ("ClientRequestUserAgent", Field::UserAgent),
    ("ClientRequestBytes", Field::ReceivedBytes),
    ("ClientSSLProtocol", Field::TlsProtocol),
    ("ClientSSLCipher", Field::TlsCipher),
    ("ClientXForwardedFor", Field::ForwardedFor),
    ("RequestHeaders.x-forwarded-for", Field::ForwardedFor),
    ("EdgeResponseStatus", Field::Status),
    ("EdgeResponseBytes", Field::SentBytes),
    ("EdgeResponseBodyBytes", Field::ContentBytes),
    ("EdgeTimeToFirstByteMs", Field::RequestTime(Unit::Milliseconds)),
    ("CacheCacheStatus", Field::Cache),
    ("CacheResponseBytes", Field::Ignore),
    ("OriginResponseDurationMs", Field::OriginTime(Unit::Milliseconds)),
    ("OriginResponseTime", Field::OriginTime(Unit::Nanoseconds)),
    ("OriginResponseBytes", Field::OriginBytes),
    ("OriginResponseStatus", Field::OriginStatus),
    ("JA3Hash", Field::Ja3),
    ("JA4", Field::Ja4),
];

const FASTLY: &[(&str, Field)] = &[
    ("timestamp", Field::TimeAny),
    ("time_start", Field::TimeAny),
    ("req_time_start", Field::TimeAny),
    ("client_ip", Field::Client),
    ("request_method", Field::Method),
    ("request", Field::Method),
    ("req_method", Field::Method),
    ("url", Field::Target),
    ("req_url", Field::Target),
    ("request_uri", Field::Target),
    ("host", Field::Host),
    ("req_h_host", Field::Host),
    ("request_protocol", Field::Protocol),
    ("protocol", Field::Protocol),
    ("request_referer", Field::Referer),
    ("req_h_referer", Field::Referer),
    ("referer", Field::Referer),
    ("request_user_agent", Field::UserAgent),
    ("req_h_user_agent", Field::UserAgent),
    ("user_agent", Field::UserAgent),
    ("req_h_x_forwarded_for", Field::ForwardedFor),
    ("x_forwarded_for", Field::ForwardedFor),
    ("response_status", Field::Status),
    ("resp_status", Field::Status),
    ("status", Field::Status),
    ("response_body_size", Field::ContentBytes),
    ("resp_body_size", Field::ContentBytes),
    ("resp_body_bytes_written", Field::ContentBytes),
    ("resp_bytes_written", Field::SentBytes),
    ("size_resp_body", Field::ContentBytes),
    ("req_bytes_read", Field::ReceivedBytes),
    ("time_elapsed", Field::RequestTime(Unit::Microseconds)),
    ("time_elapsed_usec", Field::RequestTime(Unit::Microseconds)),
    ("cache_status", Field::Cache),
    ("fastly_info_state", Field::Cache),
    ("tls_client_protocol", Field::TlsProtocol),
    ("tls_client_cipher", Field::TlsCipher),
    ("tls_client_ja3_md5", Field::Ja3),
    ("ja3", Field::Ja3),
    ("ja4", Field::Ja4),
    ("tls_client_ja4", Field::Ja4),
    ("origin_status", Field::OriginStatus),
    ("origin_ttlb", Field::OriginTime(Unit::Milliseconds)),
];

const CLOUDFRONT: &[&str] = &[
    "date",
    "time",
    "timestamp(ms)",
    "c-ip",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "sc-status",
    "sc-bytes",
    "cs-bytes",
    "cs(Referer)",
    "cs(User-Agent)",
    "x-host-header",
    "cs-protocol",
    "cs-protocol-version",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-result-type",
    "sc-content-len",
    "origin-lbl",
];

const NGINX: &[&str] = &[
    "remote_addr",
    "realip_remote_addr",
    "time_local",
    "time_iso8601",
    "msec",
    "request",
    "request_method",
    "request_uri",
    "args",
    "query_string",
    "server_protocol",
    "scheme",
    "host",
    "http_host",
    "server_name",
    "status",
    "body_bytes_sent",
    "bytes_sent",
    "request_length",
    "request_time",
    "upstream_response_time",
    "upstream_response_length",
    "upstream_status",
    "upstream_cache_status",
    "ssl_protocol",
    "ssl_cipher",
    "http_referer",
    "http_user_agent",
    "http_x_forwarded_for",
    "http_cf_connecting_ip",
    "http_x_real_ip",
];

const GENERIC: &[(&str, Field)] = &[
    ("@timestamp", Field::TimeAny),
    ("timestamp", Field::TimeAny),
    ("time", Field::TimeAny),
    ("ts", Field::TimeAny),
    ("datetime", Field::TimeAny),
    ("client", Field::Client),
    ("client_ip", Field::Client),
    ("clientip", Field::Client),
    ("remote_ip", Field::Client),
    ("remoteip", Field::Client),
    ("remoteaddr", Field::Client),
    ("ip", Field::Client),
    ("client.ip", Field::Client),
    ("source.ip", Field::Client),
    ("source.address", Field::Client),
    ("remote_host", Field::Client),
    ("x_forwarded_for", Field::ForwardedFor),
    ("forwarded_for", Field::ForwardedFor),
    ("xff", Field::ForwardedFor),
    ("method", Field::Method),
    ("verb", Field::Method),
    ("http_method", Field::Method),
    ("http.request.method", Field::Method),
    ("uri", Field::Target),
    ("url", Field::Target),
    ("path", Field::Target),
    ("target", Field::Target),
    ("url.original", Field::Target),
    ("url.path", Field::Path),
    ("url.query", Field::Query),
    ("query", Field::Query),
    ("protocol", Field::Protocol),
    ("proto", Field::Protocol),
    ("domain", Field::HostFallback),
    ("vhost", Field::Host),
    ("url.domain", Field::Host),
    ("referer", Field::Referer),
    ("referrer", Field::Referer),
    ("http.request.referrer", Field::Referer),
    ("user_agent", Field::UserAgent),
    ("user-agent", Field::UserAgent),
    ("useragent", Field::UserAgent),
    ("agent", Field::UserAgent),
    ("ua", Field::UserAgent),
    ("user_agent.original", Field::UserAgent),
    ("status_code", Field::Status),
    ("response_status", Field::Status),
    ("http.response.status_code", Field::Status),
    ("bytes", Field::ContentBytes),
    ("size", Field::ContentBytes),
    ("body_bytes", Field::ContentBytes),
    ("content_bytes", Field::ContentBytes),
    ("http.response.body.bytes", Field::ContentBytes),
    ("http.response.bytes", Field::SentBytes),
    ("http.request.bytes", Field::ReceivedBytes),
    ("event.duration", Field::RequestTime(Unit::Nanoseconds)),
    ("request_time_ms", Field::RequestTime(Unit::Milliseconds)),
    ("duration_ms", Field::RequestTime(Unit::Milliseconds)),
    ("cache", Field::Cache),
    ("cache_status", Field::Cache),
    ("ja3", Field::Ja3),
    ("ja4", Field::Ja4),
    ("tls.client.ja3", Field::Ja3),
];

/// What a map may name: facts as [`Fact::as_str`] has them, with units where there are several.
pub(crate) const MAP_FACTS: &[(&str, Field)] = &[
    ("client", Field::Client),
    ("peer", Field::Peer),
    ("forwarded-for", Field::ForwardedFor),
    ("forwarded", Field::Forwarded),
    ("time", Field::TimeAny),
    ("request", Field::RequestLine),
    ("method", Field::Method),
    ("target", Field::Target),
    ("path", Field::Path),
    ("query", Field::Query),
    ("protocol", Field::Protocol),
    ("scheme", Field::Scheme),
    ("host", Field::Host),
    ("referer", Field::Referer),
    ("user-agent", Field::UserAgent),
    ("status", Field::Status),
    ("content-bytes", Field::ContentBytes),
    ("sent-bytes", Field::SentBytes),
    ("received-bytes", Field::ReceivedBytes),
    ("request-time", Field::RequestTime(Unit::Seconds)),
    ("request-time-ms", Field::RequestTime(Unit::Milliseconds)),
    ("request-time-us", Field::RequestTime(Unit::Microseconds)),
    ("request-time-ns", Field::RequestTime(Unit::Nanoseconds)),
    ("cache", Field::Cache),
    ("origin-time", Field::OriginTime(Unit::Seconds)),
    ("origin-time-ms", Field::OriginTime(Unit::Milliseconds)),
    ("origin-time-us", Field::OriginTime(Unit::Microseconds)),
    ("origin-time-ns", Field::OriginTime(Unit::Nanoseconds)),
    ("origin-bytes", Field::OriginBytes),
    ("origin-status", Field::OriginStatus),
    ("tls-protocol", Field::TlsProtocol),
    ("tls-cipher", Field::TlsCipher),
    ("ja3", Field::Ja3),
    ("ja4", Field::Ja4),
];
