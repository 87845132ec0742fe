use std::io::Write as _;

use super::*;

fn definition(name: &str, text: &str) -> Definition {
    Definition { kind: Kind::Rule, name: name.to_owned(), text: text.to_owned() }
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn open(folder: &tempfile::TempDir) -> (Archive, ArchiveReport) {
    Archive::open(&folder.path().join("revisions")).unwrap()
}

fn retired(_: &Known) -> EndReason {
    EndReason::Retired
}

#[test]
fn the_same_definition_keeps_its_number_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    let (a, b) = (definition("a", "{1}"), definition("b", "{2}"));
    assert_eq!(archive.number(&[a.clone(), b.clone(), a.clone()], at(1)).unwrap(), [1, 2, 1]);
    archive.activate(&[1, 2], retired, at(2)).unwrap();
    archive.activate(&[2], retired, at(3)).unwrap();
    drop(archive);
    let (mut archive, report) = open(&folder);
    assert_eq!(report, ArchiveReport::default());
    assert_eq!(archive.number(&[definition("c", "{3}"), b, a], at(4)).unwrap(), [3, 2, 1]);
    let known = archive.find(1).unwrap();
    assert_eq!((&*known.name, known.kind, known.made), ("a", Kind::Rule, at(1)));
    assert_eq!(known.standing, Standing::Ended { at: at(3), reason: EndReason::Retired });
    assert_eq!(archive.text(known).unwrap(), "{1}");
    assert_eq!(archive.find(2).unwrap().standing, Standing::Active { since: at(2) });
    assert_eq!(archive.active_named("b").unwrap().revision, 2);
    assert_eq!(archive.active_named("a"), None);
}

#[test]
fn a_rule_and_a_limit_of_the_same_text_are_two() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    let limit = Definition { kind: Kind::Limit, ..definition("a", "{1}") };
    assert_eq!(archive.number(&[definition("a", "{1}"), limit], at(1)).unwrap(), [1, 2]);
}

#[test]
fn a_file_cut_anywhere_keeps_every_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    archive.number(&[definition("a", "{1}"), definition("b", "{2}"), definition("c", "{3}")], at(1)).unwrap();
    let path = folder.path().join("revisions");
    let content = std::fs::read(&path).unwrap();
    for end in 0..content.len() {
        std::fs::write(&path, &content[..end]).unwrap();
        let whole = content[..end].iter().filter(|octet| **octet == b'\n').count();
        let (mut archive, report) = open(&folder);
        assert_eq!(archive.len(), whole, "cut at {end}");
        assert_eq!(report.torn_bytes > 0, end > 0 && content[end - 1] != b'\n', "cut at {end}");
        let next = archive.number(&[definition("d", "{4}")], at(2)).unwrap();
        assert_eq!(next, [whole as u32 + 1]);
        let (archive, report) = open(&folder);
        assert_eq!((archive.len(), report), (whole + 1, ArchiveReport::default()), "cut at {end}");
    }
}

#[test]
fn a_damaged_line_is_passed_over_and_its_number_not_reused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    archive.number(&[definition("a", "{1}"), definition("b", "{2}")], at(1)).unwrap();
    let path = folder.path().join("revisions");
    let content = std::fs::read(&path).unwrap();
    for position in 0..content.len() {
        let mut damaged = content.clone();
        damaged[position] ^= 0x20;
        if damaged[position] == b'\n' || content[position] == b'\n' {
            continue;
        }
        std::fs::write(&path, &damaged).unwrap();
        let (mut archive, report) = open(&folder);
        // A letter of the checksum may change its case without harm.
        if report.damaged == 0 {
            assert!(content[position].is_ascii_alphabetic(), "position {position}");
            continue;
        }
        assert_eq!((report.damaged, archive.len()), (1, 1), "position {position}");
        assert_eq!(
            archive.number(&[definition("c", "{3}")], at(1)).unwrap(),
            [3 + u32::from(archive.find(2).is_some())]
        );
    }
}

#[test]
fn beyond_its_bounds_it_drops_the_oldest_that_do_not_stand() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    archive.definitions_max = 8;
    for number in 1..=9 {
        let made = archive
            .number(&[definition("keep", "{}"), definition("x", &format!("{{{number}}}"))], at(number));
        archive.activate(&made.unwrap(), retired, at(number)).unwrap();
    }
    assert!(archive.len() <= 8, "{}", archive.len());
    assert_eq!(archive.dropped(), 10 - archive.len() as u64);
    assert_eq!(archive.find(1).unwrap().standing, Standing::Active { since: at(1) });
    assert_eq!(archive.find(2), None);
    assert_eq!(archive.text(archive.find(10).unwrap()).unwrap(), "{9}");
    // What was dropped gets a new number when it comes back; the archive on disk says the same.
    let (mut again, report) = open(&folder);
    assert_eq!(
        (again.len(), again.dropped(), report),
        (archive.len(), archive.dropped(), ArchiveReport::default())
    );
    assert_eq!(again.number(&[definition("x", "{1}")], at(20)).unwrap(), [11]);
}

#[test]
fn a_reader_is_not_confused_by_a_writer_that_shrinks_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    archive.number(&[definition("a", "{1}"), definition("b", "{2}")], at(1)).unwrap();
    let (reader, _) = Archive::read(&folder.path().join("revisions")).unwrap();
    archive.definitions_max = 1;
    archive.activate(&[2], retired, at(2)).unwrap();
    assert_eq!(archive.find(1), None);
    assert_eq!(reader.text(reader.find(1).unwrap()).unwrap(), "{1}");
    assert_eq!(reader.text(reader.find(2).unwrap()).unwrap(), "{2}");
}

#[test]
fn a_reader_of_a_file_that_is_being_written_sees_its_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder);
    archive.number(&[definition("a", "{1}")], at(1)).unwrap();
    archive.file.as_mut().unwrap().write_all(b"half a li").unwrap();
    let (mut reader, report) = Archive::read(&folder.path().join("revisions")).unwrap();
    assert_eq!((reader.len(), report.torn_bytes), (1, 9));
    assert!(reader.number(&[definition("z", "{9}")], at(1)).is_err());
}

#[test]
fn a_hundred_thousand_definitions_are_numbered_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = |n: u32| {
        format!(
            r#"{{"v":1,"name":"r{n}","match":[{{"fact":"path","exact":"/a/path/{n}"}}],"action":"deny"}}"#
        )
    };
    let definitions: Vec<_> = (0..100_000).map(|n| definition(&format!("r{n}"), &text(n))).collect();
    let (mut archive, _) = open(&folder);
    let start = std::time::Instant::now();
    let first = archive.number(&definitions, at(1)).unwrap();
    archive.activate(&first, retired, at(1)).unwrap();
    let written = start.elapsed();
    drop(archive);
    let start = std::time::Instant::now();
    let (mut archive, _) = open(&folder);
    let opened = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(archive.number(&definitions, at(2)).unwrap(), first);
    archive.activate(&first, retired, at(2)).unwrap();
    println!(
        "written {written:?}, opened {opened:?}, numbered again {:?}, {} bytes",
        start.elapsed(),
        archive.bytes
    );
    assert_eq!(archive.find(100_000).unwrap().standing, Standing::Active { since: at(1) });
}
