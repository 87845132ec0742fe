//! A line of each JSON format.

use seawall_logs::{Fact, Format, Formats, Reason, detect};

use crate::told::{check, line};

const CADDY: &str = r#"{"level":"info","ts":1772481993.659719,"logger":"http.log.access.log1","msg":"handled request","request":{"remote_ip":"10.0.0.1","remote_port":"36996","client_ip":"198.51.100.7","proto":"HTTP/2.0","method":"GET","host":"site.example","uri":"/index.html?a=b","headers":{"Te":["trailers"],"X-Forwarded-For":["198.51.100.7","192.0.2.9"],"User-Agent":["Mozilla/5.0 \"x\""]},"tls":{"resumed":true,"version":772,"cipher_suite":4865,"proto":"h2","server_name":"site.example","ech":false}},"bytes_read":7,"user_id":"","duration":0.000157531,"size":123,"status":304,"resp_headers":{"Alt-Svc":["h3=\":443\"; ma=2592000"],"Server":["Caddy"]}}"#;
const TRAEFIK: &str = r#"{"ClientAddr":"192.0.2.1:50000","ClientHost":"192.0.2.1","ClientPort":"50000","ClientUsername":"-","DownstreamContentSize":1024,"DownstreamStatus":200,"Duration":17000000,"OriginContentSize":1024,"OriginDuration":16000000,"OriginStatus":200,"Overhead":1000000,"RequestAddr":"site.example","RequestContentSize":0,"RequestCount":42,"RequestHost":"site.example","RequestMethod":"GET","RequestPath":"/a?b=1\u0026c=2","RequestPort":"-","RequestProtocol":"HTTP/1.1","RequestScheme":"https","RetryAttempts":0,"StartLocal":"2015-05-17T10:05:03.125Z","StartUTC":"2015-05-17T10:05:03.125Z","TLSCipher":"TLS_AES_128_GCM_SHA256","TLSVersion":"1.3","entryPointName":"web","level":"info","msg":"","request_User-Agent":"reader/1","time":"2015-05-17T10:05:03Z"}"#;
const CLOUDFLARE: &str = r#"{"ClientIP":"192.0.2.1","ClientRequestHost":"site.example","ClientRequestMethod":"GET","ClientRequestURI":"/a?b","ClientRequestProtocol":"HTTP/2","ClientRequestScheme":"https","ClientRequestReferer":"","ClientRequestUserAgent":"reader/1","ClientRequestBytes":321,"ClientSSLProtocol":"TLSv1.3","EdgeResponseBytes":9000,"EdgeResponseStatus":200,"EdgeStartTimestamp":1431857103125000000,"CacheCacheStatus":"dynamic","OriginResponseDurationMs":55,"OriginResponseStatus":200,"JA3Hash":"e7d705a3286e19ea42f587b344ee6865","JA4":"t13d1516h2_8daaf6152771_b0da82dd1658","BotTags":[]}"#;
const FASTLY: &str = r#"{"timestamp":"2015-05-17T10:05:03+0000","client_ip":"192.0.2.1","geo_country":"japan","host":"site.example","url":"/a?b","request_method":"POST","request_protocol":"HTTP/1.1","request_referer":"","request_user_agent":"QQGameHall","response_state":"PASS","response_status":200,"response_reason":"OK","response_body_size":225000,"fastly_server":"cache-x","fastly_is_edge":true,"cache_status":"PASS"}"#;
const FASTLY_DEFAULT: &str = r#"{"timestamp":"2015-05-17T10:05:03","time_elapsed":"1500","is_tls":"true","client_ip":"192.0.2.1","geo_city":"x","request":"GET","host":"site.example","url":"/a","request_referer":"","request_user_agent":"reader/1","cache_status":"HIT"}"#;
const NGINX: &str = r#"{"@timestamp":"2015-05-17T12:05:03+02:00","remote_addr":"192.0.2.1","request":"GET /a?b HTTP/1.1","status": 200,"body_bytes_sent":5,"http_referer":"","http_user_agent":"reader \x22one\x22","request_time":0.250,"upstream_cache_status":"HIT"}"#;
const ECS: &str = r#"{"@timestamp":"2015-05-17T10:05:03.125Z","source.ip":"192.0.2.1","http":{"request":{"method":"GET"},"response":{"status_code":200,"body":{"bytes":5}}},"url":{"path":"/a","query":"b"},"user_agent":{"original":"reader/1"}}"#;
const CLOUDFRONT: &str = r#"{"date":"2019-12-04","time":"21:02:31","x-edge-location":"LAX1","sc-bytes":"392","c-ip":"192.0.2.100","cs-method":"GET","cs(Host)":"d111.cloudfront.net","cs-uri-stem":"/a","sc-status":"200","cs(Referer)":"-","cs(User-Agent)":"reader/1","cs-uri-query":"-","x-edge-result-type":"Hit","x-host-header":"www.site.example","cs-protocol":"https","cs-bytes":"23","time-taken":"0.001"}"#;

#[test]
fn every_writer_is_read() {
    check(
        "caddy",
        CADDY,
        r#"client=198.51.100.7 peer=10.0.0.1 forwarded-for=198.51.100.7, 192.0.2.9 time=1772481993659 method=GET path=/index.html query=a=b protocol=HTTP/2.0 host=site.example agent=Mozilla/5.0 "x" status=304 content=123 received=7 took=157.531µs tls=772 cipher=4865"#,
    );
    check(
        "traefik-json",
        TRAEFIK,
        "client=192.0.2.1 time=1431857103125 method=GET path=/a query=b=1&c=2 protocol=HTTP/1.1 scheme=https host=site.example agent=reader/1 status=200 content=1024 received=0 took=17ms origin-took=16ms origin-bytes=1024 origin-status=200 tls=1.3 cipher=TLS_AES_128_GCM_SHA256",
    );
    check(
        "cloudflare",
        CLOUDFLARE,
        "client=192.0.2.1 time=1431857103125 method=GET path=/a query=b protocol=HTTP/2 scheme=https host=site.example referer= agent=reader/1 status=200 sent=9000 received=321 cache=Pass origin-took=55ms origin-status=200 tls=TLSv1.3 ja3=e7d705a3286e19ea42f587b344ee6865 ja4=t13d1516h2_8daaf6152771_b0da82dd1658",
    );
    check(
        "fastly",
        FASTLY,
        "client=192.0.2.1 time=1431857103000 method=POST path=/a query=b protocol=HTTP/1.1 host=site.example referer= agent=QQGameHall status=200 content=225000 cache=Pass",
    );
    check(
        "fastly",
        FASTLY_DEFAULT,
        "client=192.0.2.1 time=1431857103000 method=GET path=/a host=site.example referer= agent=reader/1 took=1.5ms cache=Hit",
    );
    check(
        "json",
        NGINX,
        r#"client=192.0.2.1 time=1431857103000 method=GET path=/a query=b protocol=HTTP/1.1 referer= agent=reader "one" status=200 content=5 took=250ms cache=Hit"#,
    );
    check(
        "json",
        ECS,
        "client=192.0.2.1 time=1431857103125 method=GET path=/a query=b agent=reader/1 status=200 content=5",
    );
    check(
        "cloudfront-json",
        CLOUDFRONT,
        "client=192.0.2.100 time=1575493351000 method=GET path=/a scheme=https host=www.site.example agent=reader/1 status=200 sent=392 received=23 took=1ms cache=Hit",
    );
}

#[test]
fn every_writer_is_recognised() {
    for (name, line) in [
        ("caddy", CADDY),
        ("traefik-json", TRAEFIK),
        ("cloudflare", CLOUDFLARE),
        ("fastly", FASTLY),
        ("fastly", FASTLY_DEFAULT),
        ("json", NGINX),
        ("json", ECS),
        ("cloudfront-json", CLOUDFRONT),
    ] {
        let detection = detect(format!("{line}\n").as_bytes()).unwrap();
        assert_eq!(detection.guesses[0].format.name(), name, "{line}");
    }
}

#[test]
fn a_map_names_what_is_not_known() {
    check(
        r"json:client=who.addr,time=when,target=what\.path,user-agent=h.ua,status=s,request-time-ms=t",
        r#"{"who":{"addr":"192.0.2.1","x":[1,{"y":"}"}]},"when":1431857103125,"what.path":"/a","h":{"ua":"reader/1"},"s":"200","t":15.5,"ok":true,"no":null}"#,
        "client=192.0.2.1 time=1431857103125 path=/a agent=reader/1 status=200 took=15.5ms",
    );
    let fault = |name: &str| Format::named(name).unwrap_err();
    assert_eq!((fault("json:time=t,colour=c,path=p").position, fault("json:time").position), (12, 5));
    assert!(fault("json:time=t,colour=c").hint().contains("user-agent"));
    assert_eq!(fault("json:time=t").kind, seawall_logs::FormatErrorKind::NothingUseful);
}

#[test]
fn other_lines_of_the_same_writers_are_told_apart_from_damage() {
    let other = r#"{"level":"debug","ts":1711087128.9,"logger":"http.handlers.rewrite","msg":"rewrote request","request":{"remote_ip":"10.0.0.1","method":"GET","uri":"/"}}"#;
    assert_eq!(line("caddy", other), Err(Reason::OtherEvent));
    assert_eq!(line("json", r#"{"level":"info","msg":"started"}"#), Err(Reason::OtherEvent));
    for damage in
        ["{", "{}x", r#"{"a":}"#, r#"{"a" 1}"#, r#"{"a":"x"#, "[1]", "x", r#"{"a":1,}"#, &CADDY[..200]]
    {
        assert_eq!(line("caddy", damage), Err(Reason::Json), "{damage}");
    }
    assert_eq!(line("caddy", &CADDY.replace("\"status\":304", "\"status\":\"x\"")), Err(Reason::Status));
}

#[test]
fn a_field_that_was_not_sent_is_shown_as_absent_where_all_fields_are() {
    let mut seen = None;
    Formats::from(Format::named("caddy").unwrap()).read(CADDY.as_bytes(), |_, record| {
        seen = Some((record.referer.is_none(), record.shows(Fact::Referer), record.shows(Fact::Ja4)))
    });
    assert_eq!(seen, Some((true, true, false)));
}
