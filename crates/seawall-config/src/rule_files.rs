//! Finds and reads the files that `rule-files` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Code, Problems, SourceText};
use crate::files::Files;
use crate::load::source;
use crate::reader::Value;

/// More are a mistake in a pattern.
const FILES_MAX: usize = 10_000;

/// The texts of the rule files, in the order named, those of one pattern by name.
pub(crate) fn read_rule_files(
    value: Value<'_>,
    folder: &Path,
    files: &mut dyn Files,
    problems: &mut Problems,
) -> Vec<Arc<SourceText>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut texts = Vec::new();
    for item in value.one_or_many() {
        let Some(text) = item.text(problems) else { continue };
        for path in expand(item, &folder.join(text), files, problems) {
            // A file that two patterns name is read once.
            if paths.contains(&path) {
                continue;
            }
            if paths.len() == FILES_MAX {
                problems.push(item.error(Code::OutOfRange, format!("more than {FILES_MAX} rule files")));
                return texts;
            }
            match files.read(&path) {
                Ok(text) => texts.push(source(&path.to_string_lossy(), &text)),
                Err(error) => {
                    let diagnostic =
                        item.error(Code::UnreadableFile, format!("cannot read {}: {error}", path.display()));
                    problems.push(diagnostic.help("relative paths start from the configuration's folder"));
                }
            }
            paths.push(path);
        }
    }
    texts
}

fn expand(item: Value<'_>, path: &Path, files: &mut dyn Files, problems: &mut Problems) -> Vec<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let parent = path.parent().unwrap_or(Path::new(""));
    if parent.to_string_lossy().contains('*') {
        let diagnostic = item.invalid("`*` stands only in the last part of the path");
        problems.push(diagnostic.help("name each folder: [\"one/*.toml\", \"other/*.toml\"]"));
        return Vec::new();
    }
    if !name.contains('*') {
        return vec![path.to_owned()];
    }
    let mut found = match files.list(parent) {
        Ok(found) => found,
        Err(error) => {
            let message = format!("cannot list {}: {error}", parent.display());
            problems.push(
                item.error(Code::UnreadableFile, message)
                    .help("relative paths start from the configuration's folder"),
            );
            return Vec::new();
        }
    };
    found.retain(|path| {
        path.file_name().and_then(|found| found.to_str()).is_some_and(|found| matches(name, found))
    });
    found.sort();
    if found.is_empty() {
        let warning = item.place().warning(Code::Suspicious, format!("no file matches {}", path.display()));
        problems.push(warning.help("nothing is read; remove the pattern if that is meant"));
    }
    found
}

/// Whether a name fits a pattern whose `*` stands for any characters; like a shell, `*` alone skips dotfiles.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", false),
            ("*.toml", "a.toml~", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
