//! What a reference writer of each format writes is read back: the writers escape as the servers do.

use std::fmt::Write as _;
use std::net::IpAddr;

use proptest::prelude::*;
use seawall_logs::{Format, Formats, Record, RequestForm, check, detect};

/// An exchange, before anybody logs it.
#[derive(Clone, Debug)]
struct Exchange {
    client: IpAddr,
    /// Seconds.
    time: u64,
    method: String,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    status: u16,
    bytes: u64,
    referer: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
    host: String,
    ms: u64,
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    // Bytes that a target may have had when it was logged: no space, and no `?` in the path.
    let target = prop::collection::vec(
        prop_oneof![8 => 0x21..0x7f_u8, 1 => 0x80..=0xff_u8, 1 => Just(b'"'), 1 => Just(b'\\')],
        0..20,
    )
    .prop_map(|bytes| bytes.into_iter().filter(|&byte| byte != b'?').collect::<Vec<u8>>());
    let field = prop::collection::vec(
        prop_oneof![8 => 0x20..0x7f_u8, 1 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\')],
        0..30,
    )
    // `-` means none.
    .prop_filter("a dash", |field| field != b"-");
    (
        (any::<IpAddr>(), 0_u64..4_000_000_000, "[A-Z]{1,8}", target.clone(), prop::option::of(target)),
        (100_u16..1000, 0_u64..1_000_000_000_000, prop::option::of(field.clone()), prop::option::of(field)),
        ("[a-z]{1,8}\\.example", 0_u64..10_000_000),
    )
        .prop_map(
            |((client, time, method, path, query), (status, bytes, referer, agent), (host, ms))| {
                let path = [b"/".to_vec(), path].concat();
                Exchange { client, time, method, path, query, status, bytes, referer, agent, host, ms }
            },
        )
}

impl Exchange {
    fn target(&self) -> Vec<u8> {
        match &self.query {
            Some(query) => [&self.path[..], b"?", query].concat(),
            None => self.path.clone(),
        }
    }

    fn request_line(&self) -> Vec<u8> {
        [self.method.as_bytes(), b" ", &self.target(), b" HTTP/1.1"].concat()
    }

    fn combined(&self, escape: fn(&[u8]) -> String) -> String {
        let field = |field: &Option<Vec<u8>>| field.as_ref().map_or("-".into(), |field| escape(field));
        format!(
            "{} - - [{}] \"{}\" {} {} \"{}\" \"{}\"",
            self.client,
            clf(self.time),
            escape(&self.request_line()),
            self.status,
            self.bytes,
            field(&self.referer),
            field(&self.agent)
        )
    }

    /// What every format here tells.
    fn compare(&self, record: &Record<'_>) -> Result<(), TestCaseError> {
        prop_assert_eq!(record.client.map(|client| client.expose()), Some(self.client.to_canonical()));
        prop_assert_eq!(record.time.map(|time| time.as_secs()), Some(self.time));
        prop_assert_eq!(record.request, RequestForm::Http);
        prop_assert_eq!(record.method.as_deref(), Some(self.method.as_bytes()));
        prop_assert_eq!(record.path.as_deref(), Some(&self.path[..]));
        prop_assert_eq!(record.query.as_deref(), self.query.as_deref());
        prop_assert_eq!(record.status, Some(self.status));
        prop_assert_eq!(record.content_bytes, Some(self.bytes));
        prop_assert_eq!(record.referer.as_deref(), self.referer.as_deref());
        prop_assert_eq!(record.user_agent.as_deref(), self.agent.as_deref());
        Ok(())
    }
}

/// The same in JSON, where bytes that are no UTF-8 cannot be written.
fn any_utf8_exchange() -> impl Strategy<Value = Exchange> {
    let clean = |bytes: Vec<u8>| bytes.into_iter().filter(u8::is_ascii).collect::<Vec<u8>>();
    any_exchange().prop_map(move |exchange| Exchange {
        path: clean(exchange.path),
        query: exchange.query.map(clean),
        referer: exchange.referer.map(clean).filter(|field| field != b"-"),
        agent: exchange.agent.map(clean).filter(|field| field != b"-"),
        ..exchange
    })
}

/// `ap_escape_logitem`.
fn apache(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b'"' | b'\\' => write!(text, "\\{}", byte as char),
            b'\n' => write!(text, "\\n"),
            b'\r' => write!(text, "\\r"),
            b'\t' => write!(text, "\\t"),
            8 => write!(text, "\\b"),
            11 => write!(text, "\\v"),
            12 => write!(text, "\\f"),
            0x20..0x7f => write!(text, "{}", byte as char),
            _ => write!(text, "\\x{byte:02x}"),
        }
        .unwrap();
        text
    })
}

/// `ngx_http_log_escape`.
fn nginx(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => write!(text, "\\x{byte:02X}"),
            _ => write!(text, "{}", byte as char),
        }
        .unwrap();
        text
    })
}

/// What a JSON library writes.
fn json(bytes: &[u8]) -> String {
    serde_json::to_string(std::str::from_utf8(bytes).unwrap()).unwrap()
}

fn civil(time: u64) -> (i64, usize, i64, String) {
    // Independently of the crate: day by day.
    let (mut days, mut year) = (i64::try_from(time / 86_400).unwrap(), 1970);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let second = time % 86_400;
    (year, month, days + 1, format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60))
}

fn clf(time: u64) -> String {
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, clock) = civil(time);
    format!("{day:02}/{}/{year}:{clock} +0000", names[month])
}

fn iso(time: u64) -> (String, String) {
    let (year, month, day, clock) = civil(time);
    (format!("{year:04}-{:02}-{day:02}", month + 1), clock)
}

/// Reads one line, and whether the whole of it was one record.
fn with_record(
    format: &str,
    line: &[u8],
    compare: impl Fn(&Record<'_>) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut compared = Ok(());
    let format = Format::named(format).unwrap();
    let tally = Formats::from(format).read(line, |_, record| compared = compare(record));
    prop_assert_eq!(tally.records, 1, "{}: {:?}", String::from_utf8_lossy(line), tally.examples);
    compared
}

proptest! {
    #[test]
    fn what_apache_writes_is_read_back(exchange in any_exchange()) {
        let line = exchange.combined(apache);
        with_record("combined", line.as_bytes(), |record| exchange.compare(record))?;
        let line = format!("{}:443 {line}", exchange.host);
        with_record("vhost_combined", line.as_bytes(), |record| {
            prop_assert_eq!(record.host.as_deref(), Some(exchange.host.as_bytes()));
            exchange.compare(record)
        })?;
        let reordered = format!(
            "{} {}.{} |{}| \"{}\" {} {} {} \"{}\" {}",
            exchange.status, exchange.time, exchange.ms % 1000, exchange.host,
            exchange.agent.as_ref().map_or("-".into(), |agent| apache(agent)), exchange.bytes,
            exchange.client, exchange.method, exchange.referer.as_ref().map_or("-".into(), |referer| apache(referer)),
            apache(&exchange.target()),
        );
        let format = r#"apache:%>s %{sec}t.%l |%v| "%{User-Agent}i" %B %a %m "%{Referer}i" %U%q"#;
        with_record(format, reordered.as_bytes(), |record| exchange.compare(record))?;
    }

    #[test]
    fn what_nginx_writes_is_read_back(exchange in any_exchange()) {
        let line = format!("{} \"{}\" {}.{:03}", exchange.combined(nginx), exchange.host, exchange.ms / 1000, exchange.ms % 1000);
        let format = r#"nginx:$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$host" $request_time"#;
        with_record(format, line.as_bytes(), |record| {
            prop_assert_eq!(record.request_time.map(|time| time.as_millis()), Some(u128::from(exchange.ms)));
            exchange.compare(record)
        })?;
    }

    #[test]
    fn what_json_writers_write_is_read_back(exchange in any_utf8_exchange()) {
        let array = |name: &str, field: &Option<Vec<u8>>| {
            field.as_ref().map_or(String::new(), |field| format!("\"{name}\":[{}],", json(field)))
        };
        let caddy = format!(
            "{{\"ts\":{}.{:03},\"request\":{{\"remote_ip\":\"10.0.0.1\",\"client_ip\":\"{}\",\"method\":\"{}\",\"uri\":{},\"headers\":{{{}{}\"X\":[]}}}},\"status\":{},\"size\":{}}}",
            exchange.time, exchange.ms % 1000, exchange.client, exchange.method, json(&exchange.target()),
            array("Referer", &exchange.referer), array("User-Agent", &exchange.agent), exchange.status, exchange.bytes,
        );
        prop_assert!(serde_json::from_str::<serde_json::Value>(&caddy).is_ok());
        with_record("caddy", caddy.as_bytes(), |record| exchange.compare(record))?;
        let own = format!(
            " {{ \"a\" : {{\"b\":[{{}},\"]\",1e5]}}, \"c\": \"{}\", \"t\": {} , \"r\": {}, \"u\":{}, \"f\":{}, \"s\":\"{}\",\"n\":{}}} ",
            exchange.client, exchange.time, json(&exchange.request_line()),
            exchange.agent.as_ref().map_or("null".into(), |agent| json(agent)),
            exchange.referer.as_ref().map_or("null".into(), |referer| json(referer)), exchange.status, exchange.bytes,
        );
        let format = "json:client=c,time=t,request=r,user-agent=u,referer=f,status=s,content-bytes=n";
        with_record(format, own.as_bytes(), |record| exchange.compare(record))?;
    }

    #[test]
    fn what_cloudfront_and_haproxy_write_is_read_back(exchange in any_utf8_exchange()) {
        let percent = |field: &Option<Vec<u8>>| field.as_ref().map_or("-".into(), |field| {
            field.iter().fold(String::new(), |text, &byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' => text + &char::from(byte).to_string(),
                _ => text + &format!("%{byte:02X}"),
            })
        });
        let (day, clock) = iso(exchange.time);
        let query = exchange.query.as_ref().map_or("-", |query| std::str::from_utf8(query).unwrap());
        let path = std::str::from_utf8(&exchange.path).unwrap();
        // A query that is a dash or nothing is none there, and a tab or a quotation mark is written encoded.
        prop_assume!(!path.contains(['"', '%']) && !query.contains('"') && exchange.query.as_ref().is_none_or(|query| !query.is_empty()));
        prop_assume!(exchange.query.as_deref() != Some(b"-"));
        prop_assume!(!percent(&exchange.agent).contains("%2520") && !percent(&exchange.referer).contains("%2520"));
        let log = format!(
            "#Fields: date time x-edge-location c-ip cs-method cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query sc-content-len\n{day}\t{clock}\tLAX1\t{}\t{}\t{path}\t{}\t{}\t{}\t{query}\t{}\n",
            exchange.client, exchange.method, exchange.status, percent(&exchange.referer), percent(&exchange.agent), exchange.bytes,
        );
        with_record("cloudfront", log.as_bytes(), |record| exchange.compare(record))?;
        let captures: Vec<String> = [&exchange.referer, &exchange.agent].map(|field| {
            field.as_deref().unwrap_or_default().iter().fold(String::new(), |text, &byte| match byte {
                b'#' | b'|' | b'{' | b'}' | b'"' | 0..=0x20 | 0x7f.. => text + &format!("#{byte:02X}"),
                _ => text + &char::from(byte).to_string(),
            })
        }).into();
        let line = format!(
            "Feb  6 12:14:14 lb haproxy[1]: {}:1024 [{}.000] in b/s 0/0/0/0/{} {} {} - - ---- 1/1/1/1/0 0/0 {{{}}} \"{}\"\n",
            exchange.client, clf(exchange.time).trim_end_matches(" +0000"), exchange.ms, exchange.status, exchange.bytes,
            captures.join("|"), std::str::from_utf8(&exchange.request_line()).unwrap().replace('#', "#23"),
        );
        with_record("haproxy:Referer|User-Agent", line.as_bytes(), |record| {
            prop_assert_eq!(record.sent_bytes, Some(exchange.bytes));
            let same = Record { content_bytes: record.sent_bytes, ..record.clone() };
            // Captures know no difference between an empty field and none.
            let exchange = Exchange {
                referer: exchange.referer.clone().filter(|field| !field.is_empty()),
                agent: exchange.agent.clone().filter(|field| !field.is_empty()),
                ..exchange.clone()
            };
            exchange.compare(&same)
        })?;
    }

    #[test]
    fn the_fast_way_reads_what_the_columns_read(
        exchange in any_exchange(),
        place in any::<prop::sample::Index>(),
        byte in prop_oneof![Just(b'"'), Just(b' '), Just(b'\\'), Just(b'-'), any::<u8>()],
    ) {
        let mut line = exchange.combined(apache).into_bytes();
        let at = place.index(line.len());
        line[at] = byte;
        prop_assume!(!line.contains(&b'\n') && !line.contains(&b'\r') && line[0] != b'#');
        // With something after the last column, it is no shape that has a fast way.
        let slow = r#"apache:%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"!"#;
        let read = |format: &str, line: &[u8]| {
            let mut read = None;
            Formats::from(Format::named(format).unwrap()).read(line, |_, record| read = Some(crate::told::told(record)));
            read
        };
        let fast = read("combined", &line);
        line.push(b'!');
        prop_assert_eq!(fast, read(slow, &line), "{}", String::from_utf8_lossy(&line));
    }

    #[test]
    fn any_bytes_are_counted_and_blocks_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check::check_log_line(&bytes);
        check::check_log_format(&bytes);
    }
}

proptest! {
    // Each case reads a sample with all formats, several times.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn damaged_logs_are_counted_and_blocks_do_not_matter(
        exchanges in prop::collection::vec((any_exchange(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..8),
        choice in any::<u8>(),
    ) {
        let mut log = vec![choice];
        for (exchange, place, byte, is_damaged) in exchanges {
            let mut line = exchange.combined(apache).into_bytes();
            if is_damaged {
                let at = place.index(line.len());
                line[at] = byte;
            }
            log.extend(line);
            log.push(b'\n');
        }
        check::check_log_line(&log);
    }

    #[test]
    fn detection_says_the_same_each_time(exchange in any_exchange()) {
        let log = exchange.combined(apache).repeat(3);
        let names = || detect(log.as_bytes()).map(|detection| {
            detection.guesses.iter().map(|guess| guess.format.name().to_owned()).collect::<Vec<_>>()
        });
        prop_assert_eq!(names(), names());
    }
}
