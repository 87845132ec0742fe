//! Fastly's language runs nowhere else, but most of what is written is Varnish's too. What is not is put in its words
//! here: local variables become fields, `table.contains` an expression, `urldecode` a call of a module, `error` a
//! `synth`. So conditions, order, escapes and the path are proved; that Fastly takes the rest is not.

use std::collections::HashMap;

use seawall_export::{Export, Target};

use crate::compare::compare;
use crate::request::Request;
use crate::varnish::{Varnish, start_with};

#[test]
fn fastly_s_snippets_answer_as_the_rules_do_in_varnish() {
    let problems = compare(Target::FastlyVcl, start, |_: &Request| None);
    insta::assert_snapshot!(problems);
}

fn start(export: &Export) -> Varnish {
    let [init, recv, error] = export.parts.as_slice() else { panic!("{:?}", export.parts) };
    let (acls, tables) = without_tables(&init.text);
    let mut recv: String = recv
        .text
        .lines()
        .filter(|line| !line.trim_start().starts_with("declare local"))
        .map(|line| with_tables(line, &tables) + "\n")
        .collect();
    for (theirs, ours) in [
        ("var.seawall_", "req.http.X-Seawall-Local-"),
        ("req.url.path", "regsub(req.url, \"\\?.*\\z\", \"\")"),
        ("urldecode(", "blob.transcode(decoding=URL, encoded="),
    ] {
        recv = recv.replace(theirs, ours);
    }
    // `error 619 "name";`
    let recv = recv.replace("error 619 ", "return (synth(619, ").replace("\";\n    }", "\"));\n    }");
    let error = error.text.replace("obj.", "resp.").replace("set resp.response", "set resp.reason");
    let error = error.replace("resp.response", "resp.reason").replace("return(deliver)", "return (deliver)");
    let error = error
        .replace("synthetic ", "synthetic(")
        .replace(";\n    return (deliver)", ");\n    return (deliver)");
    // Strings stand side by side there.
    let error = error.replace("\"} {\"", "\"} + {\"").replace("\"} \"}\" {\"", "\"} + \"}\" + {\"");
    start_with(&format!(
        "vcl 4.1;\nimport std;\nimport blob;\nbackend default none;\n{acls}\nsub vcl_recv {{\n{recv}\nreturn (synth(200));\n}}\nsub vcl_synth {{\n{error}\n}}\n"
    ))
}

/// The tables as alternatives of an expression; their texts are plain.
fn without_tables(init: &str) -> (String, HashMap<String, String>) {
    let mut rest = String::new();
    let mut tables = HashMap::new();
    let mut table: Option<(String, Vec<String>)> = None;
    for line in init.lines() {
        match &mut table {
            None => match line.strip_prefix("table ") {
                Some(name) => table = Some((name.trim_end_matches(" {").to_owned(), Vec::new())),
                None => rest.push_str(&format!("{line}\n")),
            },
            Some((name, keys)) if line == "}" => {
                tables.insert(name.clone(), keys.join("|"));
                table = None;
            }
            Some((_, keys)) => {
                let key = line.trim().strip_prefix('"').and_then(|line| line.strip_suffix("\": \"1\","));
                let key = key.unwrap_or_else(|| panic!("{line}"));
                keys.push(key.bytes().map(|octet| format!("\\x{octet:02x}")).collect());
            }
        }
    }
    (rest, tables)
}

fn with_tables(line: &str, tables: &HashMap<String, String>) -> String {
    let mut line = line.to_owned();
    while let Some(at) = line.find("table.contains(") {
        let end = at + line[at..].find(')').unwrap_or_else(|| panic!("{line}"));
        let (name, variable) = line[at + 15..end].split_once(", ").unwrap_or_else(|| panic!("{line}"));
        let keys = &tables[name];
        let not = line[..at].ends_with('!');
        let operator = if not { "!~" } else { "~" };
        let test = format!("{variable} {operator} \"^(?:{keys})\\z\"");
        line.replace_range(at - usize::from(not)..=end, &test);
    }
    line
}
