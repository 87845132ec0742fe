use seawall_export::{Export, Target};
use seawall_testkit::Apache;

use crate::apache;
use crate::compare::compare;
use crate::nginx::ends_in_dots;
use crate::request::Request;

#[test]
fn modsecurity_answers_as_the_rules_do() {
    let problems = compare(Target::Modsecurity, start, limit);
    insta::assert_snapshot!(problems);
}

fn start(export: &Export) -> Apache {
    let [part] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    Apache::builder()
        .module("unique_id")
        .module("security2")
        .module("setenvif")
        .module("alias")
        .directive("LimitRequestLine 32768\nLimitRequestFieldSize 32768")
        .directive("SecRuleEngine On\nSecRequestBodyAccess Off\nSecPcreMatchLimit 500000\nSecPcreMatchLimitRecursion 500000")
        .directive(&part.text)
        .directive("AliasMatch ^ @DIR@/site/index.html")
        .start()
}

fn limit(request: &Request) -> Option<&'static str> {
    match () {
        _ if ends_in_dots(&request.target) => Some("the slash is lost after a last dot segment"),
        _ if request.target.contains("/...") => {
            Some("a segment of more than two dots is taken for one of two")
        }
        _ => apache::limit(request),
    }
}
