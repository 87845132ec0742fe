use insta::assert_snapshot;
use seawall_rules::definition::describe;

use super::*;

/// The rules in one line each, then what was left out.
fn read(source: Source, text: &str) -> String {
    let import = import(text, source);
    let rules = import.rules.iter().map(|rule| format!("{}: {}\n", rule.name, describe(rule)));
    let left = import.left_out.iter().map(|one| format!("left out {}: {}\n", one.line, one.text));
    rules.chain(left).collect()
}

#[test]
fn nginx_idioms() {
    assert_snapshot!(read(
        Source::Nginx,
        r#"
# a comment { } ;
http {
  server {
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
RewriteCond %{HTTP_USER_AGENT} ^$
RewriteRule .* - [F,L]
RewriteCond %{REQUEST_FILENAME} -f
RewriteRule ^ - [G]
RewriteRule ^/old/ - [R=410,L]
RewriteRule ^/to/(.*) /else/$1 [R=301]
SetEnvIfNoCase User-Agent "evil.*bot" bad_bot
BrowserMatch \
  curl curl_bot
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

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[a-z {}();\"'$~=!*^/.#\\\\\n<>%\\[\\],0-9-]{0,120}", directives in proptest::collection::vec(proptest::sample::select(vec![
        "if ($http_user_agent ~ ", "location ", "deny ", "RewriteCond %{HTTP_USER_AGENT} ", "RewriteRule ^ - [F]", "acl a ", "http-request deny if ", "{", "}", ";", "a", "<Location ", "</", "\n",
    ]), 0..12)) {
        let text = format!("{}{text}{}", directives.concat(), directives.join(" "));
        check_foreign_text(&text);
    }
}
