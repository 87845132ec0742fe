use insta::assert_snapshot;
use seawall_rules::definition::describe;

use super::*;

/// The rules in one line each, then what was left out.
fn read(source: Source, text: &str) -> String {
    let import = import(text, source);
    let rules = import.rules.iter().map(|rule| format!("{}: {}\n", rule.name, describe(rule)));
    let left =
        import.left_out.iter().map(|one| format!("left out {}:{}: {}\n", one.line, one.column, one.text));
    rules.chain(left).collect()
}

#[test]
fn nginx_idioms() {
    assert_snapshot!(read(
        Source::Nginx,
        r#"
# a comment { } ;
http {
  map $http_user_agent $bad_agent { default 0; ~*(curl|wget) 1; "~^Evil Bot" 1; Exact 1; }
  map $http_user_agent $mixed { default 0; ~good 0; ~bad 1; }
  geo $bad_net { default 0; 192.0.2.128/25 1; 2001:db8::/32 1; }
  server {
    if ($bad_agent) { return 403; }
    if ($bad_net = 1) { return 444; }
    if ($mixed) { return 403; }
    location /api { limit_except GET POST { deny all; } }
    listen 80;
    deny 192.0.2.0/24;
    allow 192.0.2.7;
    deny all;
    if ($http_user_agent ~* "(QQGameHall|bad\"bot)/\d+") {
        return 403;
    }
    if ($request_method = POST) { return 405; }
    if ($host !~ ^(www\.)?site\.example$) { return 444; }
    if ($http_x_api_key = "") { return 401; }
    if ($arg_x) { return 403; }
    if ($uri ~ (?<!a)b) { return 403; }
    location = /xmlrpc.php { deny all; }
    location ^~ /old/ { return 410; }
    location ~* \.(bak|sql)$ { deny all; }
    location /admin { deny 198.51.100.1; if ($http_user_agent ~ curl) { return 429; } proxy_pass http://x; }
    if ($remote_addr = 203.0.113.5) { return 403; }
  }
}"#
    ));
}

#[test]
fn apache_idioms() {
    assert_snapshot!(read(
        Source::Apache,
        r#"
# a comment
<VirtualHost *:80>
RewriteEngine On
RewriteCond %{HTTP_USER_AGENT} "^QQGameHall" [NC]
RewriteCond %{REQUEST_METHOD} ^POST$
RewriteRule ^/ca/cacert\.pem$ - [F]
RewriteCond %{HTTP_USER_AGENT} ^EmailSiphon [NC,OR]
RewriteCond %{HTTP_USER_AGENT} ^EmailWolf [OR]
RewriteCond %{HTTP_REFERER} spam
RewriteCond %{REQUEST_METHOD} !^GET$
RewriteRule ^ - [F]
RewriteCond %{HTTP_USER_AGENT} ^$
RewriteRule .* - [F,L]
RewriteCond %{REQUEST_FILENAME} -f
RewriteRule ^ - [G]
RewriteRule ^/old/ - [R=410,L]
RewriteRule ^/to/(.*) /else/$1 [R=301]
SetEnvIfNoCase User-Agent "evil.*bot" bad_bot
BrowserMatch \
  curl curl_bot
  SetEnvIfNoCase User-Agent "^scraper" bad_bot
Order allow,deny
Allow from all
Deny from env=bad_bot
Deny from 192.0.2.0/24 198.51.100.7
<RequireAll>
Require all granted
Require not ip 203.0.113.0/24
Require not env curl_bot
Require not host example.com
</RequireAll>
<Location "/server-status">
Require all denied
</Location>
<Location /private>
Order deny,allow
Deny from all
Allow from 192.0.2.1
</Location>
<Location /staff>
Require all denied
<RequireAll>
Require ip 192.0.2.1
</RequireAll>
</Location>
<Directory /srv>
Require all denied
</Directory>
RedirectMatch 404 "\.git"
Redirect gone /gone
Require all denied
</VirtualHost>
"#
    ));
}

#[test]
fn haproxy_idioms() {
    assert_snapshot!(read(
        Source::Haproxy,
        r#"
frontend web # comment
  bind :80
  acl bad_agent hdr_sub(user-agent) -i QQGame "a b"
  acl bad_agent2 hdr_sub(User-Agent) -i 'QQGame.Hall'
  acl post method POST PUT
  acl bundle path /ca/cacert.pem
  acl bundle path /ca/other.pem
  acl net src 192.0.2.0/24 198.51.100.1
  acl net src 203.0.113.9
  acl busy fe_conn gt 10
  acl tools hdr_sub(user-agent) -i curl wget
  acl tools hdr_beg(user-agent) Evil
  acl probes path_beg /wp-admin /.env
  acl listed src -f /etc/haproxy/blocked.txt
  http-request deny if tools probes
  http-request deny if listed
  http-request deny if bad_agent2 post bundle
  http-request deny deny_status 429 if net !post || { path_beg /x } !{ req.hdr(x-token) -m reg ^\\d+$ }
  http-request silent-drop if { path_end .php }
  http-request allow if bundle
  http-request deny if busy
  http-request deny
  http-request deny unless post
  http-request set-header a b if post
"#
    ));
}

/// Rules of plain texts come back from what is written of them for HAProxy: the same conditions and actions.
#[test]
fn what_is_written_for_haproxy_is_read_back() {
    let named = |fact: Fact, test: Test, negated| Condition { fact, test, negated };
    let agents = Test::OneOf(vec!["a".to_owned(), "b c".to_owned()]);
    let networks = Test::Within(vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
    let conditions = [
        named(Fact::Method, Test::Exact("POST".to_owned()), false),
        named(Fact::UserAgent, Test::Prefix("QQGame-Hall/1.0".to_owned()), false),
        named(Fact::UserAgent, Test::Suffix("x y".to_owned()), true),
        named(Fact::UserAgent, agents, false),
        named(Fact::Field(http::HeaderName::from_static("x-token")), Test::Contains("q=1".to_owned()), true),
        named(Fact::Client, networks.clone(), false),
        named(Fact::Client, networks, true),
    ];
    let actions = [deny(403).unwrap(), deny(451).unwrap(), Action::Allow, Action::Drop];
    let mut rules = Vec::new();
    for (index, pair) in conditions.windows(2).enumerate() {
        for action in &actions {
            rules.push(Rule {
                name: format!("rule-{}", rules.len()),
                conditions: pair[index % 2..].to_vec(),
                action: action.clone(),
                mode: Mode::Enforce,
                portion: None,
                expires: None,
                note: None,
                author: Author::Operator,
            });
        }
    }
    let options = crate::Options { approximate: false, now: seawall_http::UnixTime(0) };
    let export = crate::export(&rules, &[], crate::Target::Haproxy, &options).unwrap();
    let back = import(&export.parts[0].text, Source::Haproxy);
    assert_eq!(back.left_out, []);
    let said = |rules: &[Rule]| {
        rules.iter().map(|rule| (rule.conditions.clone(), rule.action.clone())).collect::<Vec<_>>()
    };
    assert_eq!(said(&back.rules), said(&rules));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[a-z {}();\"'$~=!*^/.#\\\\\n<>%\\[\\],0-9-]{0,120}", directives in proptest::collection::vec(proptest::sample::select(vec![
        "if ($http_user_agent ~ ", "location ", "deny ", "RewriteCond %{HTTP_USER_AGENT} ", "RewriteRule ^ - [F]", "acl a ", "http-request deny if ", "{", "}", ";", "a", "<Location ", "</", "\n",
    ]), 0..12)) {
        let text = format!("{}{text}{}", directives.concat(), directives.join(" "));
        check_foreign_text(&text);
    }
}
