//! Real logs. They lie outside the repository, in `../shared/data/logs` beside it; without them these tests say so.

use std::collections::BTreeMap;
use std::path::Path;

use seawall_logs::{Reason, Wrapping, detect};

#[test]
fn a_weblog_of_2015_is_read_but_for_its_one_damaged_line() {
    let Some(log) = log("apache-2015.log") else { return };
    let detection = detect(&log).unwrap();
    assert_eq!((detection.guesses[0].format.name(), detection.share()), ("combined", 1.0));
    assert_eq!(detection.formats.iter().count(), 1);
    let (mut methods, mut bytes) = (BTreeMap::new(), 0);
    let tally = detection.formats.read(&log, |_, record| {
        *methods.entry(record.method.as_deref().unwrap().to_vec()).or_insert(0) += 1;
        bytes += record.content_bytes.unwrap();
    });
    assert_eq!((tally.lines, tally.records), (10_000, 9_999), "{:?}", tally.examples);
    // Its last quotation mark is not there.
    assert_eq!((tally.examples[0].line, tally.examples[0].reason), (8899, Reason::Layout));
    // By awk, the tenth column's sum and the sixth column's counts, less that line's.
    assert_eq!(bytes, 2_747_282_740 - 235);
    let count = |method: &str| methods.get(method.as_bytes()).copied().unwrap_or(0);
    assert_eq!((count("GET"), count("HEAD"), count("POST"), count("OPTIONS")), (9951, 42, 5, 1));
    // The minutes are in order, the seconds are not.
    assert!(tally.out_of_order > 1000);
    assert_eq!(tally.earliest.unwrap().as_secs(), 1_431_857_100);
}

#[test]
fn a_scan_of_2016_is_read_in_spite_of_its_quotation_marks() {
    let Some(log) = log("scan-2016.log") else { return };
    let detection = detect(&log).unwrap();
    let format = detection.formats.iter().next().unwrap();
    assert_eq!((format.name(), format.wrapping()), ("combined", Wrapping::Quotes));
    let mut clients = BTreeMap::new();
    let tally = detection.formats.read(&log, |_, record| {
        *clients.entry(record.client.unwrap().expose()).or_insert(0_u64) += 1;
    });
    assert_eq!(tally.records + tally.rejected_total() + tally.blank, tally.lines);
    let share = tally.records as f64 / tally.lines as f64;
    assert!(share > 0.99, "{share}: {:#?}", tally.examples);
    assert_eq!(tally.rejected(Reason::Overlong), 0);
    assert!(clients.len() <= 2, "{clients:?}");
}

fn log(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/logs").join(name);
    if !path.exists() {
        println!("skipped: {} does not exist", path.display());
        return None;
    }
    Some(std::fs::read(path).unwrap())
}
