//! Bundles against those that curl's `mk-ca-bundle.pl` 1.33 wrote from a release of certdata.txt.
//!
//! The releases and the script's outputs lie outside the repository, in `../shared/data/ca` beside it; without them the
//! comparison is skipped, and says so.

#![expect(clippy::print_stdout, reason = "what was skipped must be said")]

use std::path::{Path, PathBuf};

use seawall_certdata::bundle::{self, Origin, Style};
use seawall_certdata::{Certdata, Fingerprint, Selection, Verdict};

/// A folder of the reference, the options that it was made with, and its clock.
struct Case {
    folder: &'static str,
    selection: &'static str,
    style: fn() -> Style,
    now: i64,
}

#[test]
fn bundles_are_those_of_the_script_byte_for_byte() {
    let Some(data) = data() else { return };
    let bytes = std::fs::read(data.join("certdata-debian-20250419.txt")).unwrap();
    let certdata = Certdata::parse(&bytes).unwrap();
    for case in CASES {
        let expected = std::fs::read(data.join("reference").join(case.folder).join("out")).unwrap();
        let selection: Selection = case.selection.parse().unwrap();
        let written = bundle::write(&certdata, &selection, &(case.style)(), ORIGIN, case.now);
        assert_eq!(written.remarks, [], "{}", case.folder);
        let written = written.octets;
        let lines =
            |bytes: &'_ [u8]| bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let place = lines(&written).iter().zip(&lines(&expected)).position(|(ours, theirs)| ours != theirs);
        assert!(written == expected, "{}: differs, first in line {place:?} from 0", case.folder);
        let said = std::fs::read_to_string(data.join("reference").join(case.folder).join("stderr")).unwrap();
        let taken = selection.take(&certdata.roots, case.now).count();
        let left =
            certdata.roots.iter().filter(|root| selection.judge(root, case.now) != Verdict::Take).count();
        assert!(
            said.contains(&format!("Done ({taken} CA certs processed, {left} skipped).")),
            "{}: {said}",
            case.folder
        );
        assert_eq!(bundle::count(&written), taken, "{}", case.folder);
    }
}

#[test]
fn every_release_at_hand_is_read_without_damage() {
    let Some(data) = data() else { return };
    let mut releases = 0;
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let certdata = Certdata::parse(&std::fs::read(&path).unwrap()).unwrap();
            assert!(certdata.roots.len() > 100, "{}", path.display());
            releases += 1;
        }
    }
    assert!(releases > 0, "no certdata*.txt");
}

fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ca");
    if !data.exists() {
        println!("skipped: {} does not exist", data.display());
        return None;
    }
    Some(data)
}

const PLAIN: fn() -> Style = Style::default;
const SERVERS: &str = "SERVER_AUTH:TRUSTED_DELEGATOR";
/// 2026-11-22 12:00:00.
const NOW: i64 = 1_795_348_800;
const CASES: &[Case] = &[
    Case { folder: "default", selection: SERVERS, style: PLAIN, now: NOW },
    Case { folder: "w64", selection: SERVERS, style: || Style { width: 64, ..Style::default() }, now: NOW },
    Case { folder: "meta", selection: SERVERS, style: || Style { meta: true, ..Style::default() }, now: NOW },
    Case {
        folder: "text",
        selection: SERVERS,
        style: || Style { text: Some(vec![Fingerprint::Sha256]), ..Style::default() },
        now: NOW,
    },
    Case {
        folder: "text-s512-256",
        selection: SERVERS,
        style: || Style { text: Some(vec![Fingerprint::Sha512, Fingerprint::Sha256]), ..Style::default() },
        now: NOW,
    },
    Case { folder: "pALL-ALL", selection: "ALL:ALL", style: PLAIN, now: NOW },
    Case { folder: "pEMAIL-TD", selection: "EMAIL_PROTECTION:TRUSTED_DELEGATOR", style: PLAIN, now: NOW },
    Case {
        folder: "pSERVER-EMAIL-TD",
        selection: "SERVER_AUTH,EMAIL_PROTECTION:TRUSTED_DELEGATOR",
        style: PLAIN,
        now: NOW,
    },
    Case { folder: "pSERVER-NT", selection: "SERVER_AUTH:NOT_TRUSTED", style: PLAIN, now: NOW },
    // 2030-01-01 and 2100-01-01.
    Case { folder: "clock-2030", selection: SERVERS, style: PLAIN, now: 1_893_456_000 },
    Case { folder: "clock-2100", selection: SERVERS, style: PLAIN, now: 4_102_444_800 },
];
const ORIGIN: Origin<'_> = Origin {
    source: "https://raw.githubusercontent.com/mozilla-firefox/firefox/refs/heads/release/security/nss/lib/ckfw/builtins/certdata.txt",
    // 2026-04-09 12:00:00.
    date: 1_775_736_000,
    tool: "mk-ca-bundle.pl version 1.33",
};
