//! A line of each format that is a line with gaps, and of HAProxy and W3C.

use seawall_logs::{Format, Formats, Reason, detect};

use crate::told::{check, line, told};

#[test]
fn the_formats_of_apache_are_read() {
    check(
        "common",
        r#"192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
        "client=192.0.2.1 time=971211336000 method=GET path=/apache_pb.gif protocol=HTTP/1.0 status=200 content=2326",
    );
    check(
        "combined",
        r#"2001:db8::1 - - [17/May/2015:10:05:03 +0000] "POST /a/b?c=d&e HTTP/1.1" 304 - "http://site.example/" """#,
        "client=2001:db8::1 time=1431857103000 method=POST path=/a/b query=c=d&e protocol=HTTP/1.1 referer=http://site.example/ agent= status=304 content=0",
    );
    check(
        "vhost_combined",
        r#"site.example:443 192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "reader/1""#,
        "client=192.0.2.1 time=1431857103000 method=GET path=/ protocol=HTTP/1.1 host=site.example agent=reader/1 status=200 content=5",
    );
    check(
        "combinedio",
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "reader/1" 321 654"#,
        "client=192.0.2.1 time=1431857103000 method=GET path=/ protocol=HTTP/1.1 agent=reader/1 status=200 content=5 sent=654 received=321",
    );
}

#[test]
fn a_name_in_place_of_an_address_is_kept() {
    check(
        "common",
        r#"crawl-1.search.example - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#,
        "name=crawl-1.search.example time=1431857103000 method=GET path=/ protocol=HTTP/1.1 status=200 content=5",
    );
}

#[test]
fn log_format_strings_of_apache_are_compiled() {
    check(
        r"apache:%a %{c}a %{X-Forwarded-For}i [%{%Y-%m-%d %T}t.%{msec_frac}t %{%z}t] %m %U%q %H %s %>s %B %O %I %D %!200,304{Referer}i|%{SSL_PROTOCOL}x|%{SSL_CIPHER}x|%V",
        "198.51.100.7 192.0.2.1 198.51.100.7, 192.0.2.9 [2015-05-17 12:05:03.125 +0200] GET /a?b HTTP/2.0 301 200 7 300 99 1500 -|TLSv1.3|TLS_AES_256_GCM_SHA384|site.example",
        "client=198.51.100.7 peer=192.0.2.1 forwarded-for=198.51.100.7, 192.0.2.9 time=1431857103125 method=GET path=/a query=b protocol=HTTP/2.0 host=site.example status=200 content=7 sent=300 received=99 took=1.5ms tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384",
    );
    check(
        r#"apache:%h %{sec}t %{ms}T "%r" %s %{Varnish:hitmiss}x %{X-Cache}o"#,
        r#"192.0.2.1 1431857103 12 "GET / HTTP/1.1" 200 miss -"#,
        "client=192.0.2.1 time=1431857103000 method=GET path=/ protocol=HTTP/1.1 status=200 took=12ms cache=Miss",
    );
    check(
        r#"apache:%{begin:%d/%b/%Y:%H:%M:%S}t.%{begin:msec_frac}t %h %T/%D "%{JA4}e" 100%% %r"#,
        r#"17/May/2015:10:05:03.007 192.0.2.1 1/1000000 "t13d1516h2_8daaf6152771_b0da82dd1658" 100% GET /a b HTTP/1.1"#,
        "client=192.0.2.1 time=1431857103007 method=GET path=/a b protocol=HTTP/1.1 took=1s ja4=t13d1516h2_8daaf6152771_b0da82dd1658",
    );
}

#[test]
fn log_format_strings_of_nginx_are_compiled() {
    check(
        "nginx",
        r#"192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET /a HTTP/2.0" 200 5 "-" "reader/1""#,
        "client=192.0.2.1 time=1431857103000 method=GET path=/a protocol=HTTP/2.0 agent=reader/1 status=200 content=5",
    );
    check(
        "main",
        r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "reader/1" "198.51.100.7, 192.0.2.9""#,
        "client=10.0.0.1 forwarded-for=198.51.100.7, 192.0.2.9 time=1431857103000 method=GET path=/a protocol=HTTP/1.1 agent=reader/1 status=200 content=5",
    );
    check(
        "nginx:$msec $remote_addr $realip_remote_addr $scheme://$host$request_uri $request_method $status $bytes_sent $body_bytes_sent $request_length $request_time $upstream_response_time $upstream_status $upstream_cache_status $upstream_response_length $ssl_protocol $ssl_cipher $my_own $http_x_forwarded_for",
        "1431857103.125 198.51.100.7 10.0.0.1 https://site.example/a?b=c GET 200 1234 1000 321 0.250 0.100, 0.050 : 0.025 502, 200 : 200 MISS 10, 990 : 0 TLSv1.3 TLS_AES_128_GCM_SHA256 x 198.51.100.7, 10.0.0.1",
        "client=198.51.100.7 peer=10.0.0.1 forwarded-for=198.51.100.7, 10.0.0.1 time=1431857103125 method=GET path=/a query=b=c scheme=https host=site.example status=200 content=1000 sent=1234 received=321 took=250ms cache=Miss origin-took=175ms origin-bytes=1000 origin-status=200 tls=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256",
    );
    check(
        r#"nginx:log_format j escape=json '{"t":"$time_iso8601","r":"$request",' '"u":"$http_user_agent","up":"$upstream_response_time","s":$status}';"#,
        r#"{"t":"2015-05-17T12:05:03+02:00","r":"GET \/a\"b HTTP\/1.1","u":"a \"b\" \u0001","up":"","s":404}"#,
        r#"time=1431857103000 method=GET path=/a"b protocol=HTTP/1.1 agent=a "b" \x01 status=404"#,
    );
    check(
        r#"nginx:escape=none $time_iso8601 "$request" "$http_user_agent" $status"#,
        r#"2015-05-17T12:05:03+02:00 "GET /a HTTP/1.1" "say "hello" \x41" 200"#,
        r#"time=1431857103000 method=GET path=/a protocol=HTTP/1.1 agent=say "hello" \\x41 status=200"#,
    );
    check("nginx:$msec $uri$is_args$args $status", "1.0 /a?b 200", "time=1000 path=/a query=b status=200");
}

#[test]
fn traefik_s_common_format_is_read() {
    check(
        "traefik",
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/2.0" 200 1024 "-" "reader/1" 42 "web@docker" "http://10.0.0.2:80" 17ms"#,
        "client=192.0.2.1 time=1431857103000 method=GET path=/a protocol=HTTP/2.0 agent=reader/1 status=200 content=1024 took=17ms",
    );
}

#[test]
fn haproxy_is_read_with_and_without_captures() {
    let start = "Feb  6 12:14:14 localhost haproxy[14389]: 192.0.2.1:33317 [06/Feb/2009:12:14:14.655] https-in~ static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0";
    let told = "client=192.0.2.1 time=1233922454655 method=GET path=/index.html query=a protocol=HTTP/1.1 scheme=https";
    check(
        "haproxy",
        &format!(r#"{start} "GET /index.html?a HTTP/1.1""#),
        &format!("{told} status=200 sent=2750 took=109ms origin-took=99ms"),
    );
    check(
        "haproxy:Host|User-Agent|X-Forwarded-For",
        &format!(r#"{start} {{site.example|Mozilla#7c5|}} {{}} "GET /index.html?a HTTP/1.1""#),
        &format!("{told} host=site.example agent=Mozilla|5 status=200 sent=2750 took=109ms origin-took=99ms"),
    );
    check(
        "haproxy",
        r#"2001:db8::7:33317 [06/Feb/2009:12:14:14.655] in in/<NOSRV> -1/-1/-1/-1/+50000 408 +212 - - cR-- 2/2/0/0/0 0/0 "<BADREQ>""#,
        "client=2001:db8::7 time=1233922454655 request=Garbled status=408 sent=212 took=50s",
    );
    check(
        "haproxy",
        &format!(
            r#"{start} "GET /index.html?a HTTP/1.1" 0/0000000000000000/0/0/0 1wt.eu/TLSv1.3/TLS_AES_256_GCM_SHA384"#
        ),
        &format!(
            "{told} status=200 sent=2750 took=109ms origin-took=99ms tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384"
        ),
    );
    for other in [
        "Feb  6 12:12:56 localhost haproxy[14387]: 192.0.2.1:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        "Feb  6 12:12:56 localhost haproxy[14387]: Server bck/srv1 is DOWN, reason: Layer4 timeout.",
    ] {
        assert_eq!(line("haproxy", other), Err(Reason::Layout));
    }
}

#[test]
fn haproxys_times_are_local_and_those_of_w3c_are_not() {
    let log = b"192.0.2.1:1 [06/Feb/2009:12:14:14.655] a b/c 0/0/0/0/0 200 1 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"\n";
    let format = Format::named("haproxy").unwrap().with_local_offset(3600);
    let mut time = None;
    Formats::from(format).read(log, |_, record| time = record.time);
    assert_eq!(time.unwrap().0, 1_233_918_854_655);
    let format = Format::named("w3c:date time cs-uri").unwrap().with_local_offset(3600);
    Formats::from(format).read(b"2009-02-06 12:14:14 /a\n", |_, record| time = record.time);
    assert_eq!(time.unwrap().0, 1_233_922_454_000);
}

#[test]
fn w3c_columns_change_within_a_file() {
    let log = "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2015-05-17 10:05:03\r\n\
        #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken\r\n\
        2015-05-17 10:05:03 10.0.0.1 GET /a.aspx b=c 443 - 192.0.2.1 Mozilla/5.0+(X11) http://site.example/ 200 0 0 15\r\n\
        #Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes cs-bytes time-taken cs-version cs-host X-Forwarded-For\r\n\
        2015-05-17 10:05:04 192.0.2.2 POST /d 404 300 200 0.25 HTTP/1.1 site.example 198.51.100.7\r\n\
        2015-05-17 10:05:05 192.0.2.2 POST /d 404\r\n";
    let expected = [
        "client=192.0.2.1 time=1431857103000 method=GET path=/a.aspx query=b=c referer=http://site.example/ agent=Mozilla/5.0 (X11) status=200 took=15ms",
        "client=192.0.2.2 forwarded-for=198.51.100.7 time=1431857104000 method=POST path=/d protocol=HTTP/1.1 host=site.example status=404 sent=300 received=200 took=250ms",
    ];
    let mut records = Vec::new();
    let tally = Formats::from(Format::named("w3c").unwrap())
        .read(log.as_bytes(), |_, record| records.push(told(record)));
    assert_eq!(records, expected);
    assert_eq!((tally.directives, tally.rejected(Reason::Layout)), (5, 1));
    assert_eq!(detect(log.as_bytes()).unwrap().formats.iter().next().unwrap().name(), "w3c");
}

#[test]
fn w3c_lines_without_their_fields_are_read_if_they_are_usual() {
    check(
        "iis",
        "2015-05-17 10:05:03 10.0.0.1 GET /a - 443 - 192.0.2.1 reader/1 - 200 0 0 15",
        "client=192.0.2.1 time=1431857103000 method=GET path=/a agent=reader/1 status=200 took=15ms",
    );
    assert_eq!(line("iis", "2015-05-17 10:05:03 10.0.0.1 GET"), Err(Reason::NoFields));
    check(
        "w3c:date time cs-uri",
        "2015-05-17 10:05:03 https://site.example/a?b",
        "time=1431857103000 path=/a query=b scheme=https host=site.example",
    );
}

#[test]
fn cloudfront_is_read_with_its_encoding() {
    let line = "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(Windows%2520NT)\ta=b\t-\tRefreshHit\tSOX4==\twww.site.example\thttps\t23\t0.001\t198.51.100.7,%20192.0.2.9\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-";
    check(
        "cloudfront",
        line,
        "client=192.0.2.100 forwarded-for=198.51.100.7, 192.0.2.9 time=1575493351000 method=GET path=/index.html query=a=b protocol=HTTP/2.0 scheme=https host=www.site.example agent=Mozilla/5.0 (Windows NT) status=200 content=78 sent=392 received=23 took=1ms cache=Revalidated tls=TLSv1.2 cipher=ECDHE-RSA-AES128-GCM-SHA256",
    );
    let detection = detect(format!("#Version: 1.0\n{line}\n").as_bytes()).unwrap();
    assert_eq!(detection.formats.iter().next().unwrap().name(), "w3c");
}
