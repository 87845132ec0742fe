//! What is refused, where it is said to be, and what is read all the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use seawall_certdata::bundle::{self, Origin, Style};
use seawall_certdata::change::{self, Change};
use seawall_certdata::check::check_foreign_bytes;
use seawall_certdata::{Certdata, Fault, FaultKind, Selection, TrustLevel, TrustPurpose, Verdict};

const GOOD: &str = include_str!("data/five-roots.txt");
/// 2026-11-22 12:00:00.
const NOW: i64 = 1_795_348_800;
const ORIGIN: Origin<'_> = Origin { source: "certdata.txt", date: 0, tool: "test" };

#[test]
fn roots_carry_trust_dates_and_names() {
    let certdata = good();
    let labels: Vec<_> = certdata.roots.iter().map(|root| root.label.as_str()).collect();
    assert_eq!(
        labels,
        ["Harbour Root R1", "Sémaphore Főtanúsítvány", "Mail Only Root", "Waning Root", "Expired Root"]
    );
    let root = &certdata.roots[2];
    assert_eq!(root.level(TrustPurpose::ServerAuth), Some(TrustLevel::MustVerifyTrust));
    assert_eq!(root.level(TrustPurpose::EmailProtection), Some(TrustLevel::TrustedDelegator));
    assert_eq!(root.subject(), "C=XX, O=Seawall tests, CN=Mail Only Root");
    assert_eq!((root.not_before, root.not_after), (1_577_836_800, 2_208_988_800));
    assert_eq!(certdata.roots[3].server_distrust_after, Some(1_733_011_199));
    assert_eq!(certdata.roots[3].email_distrust_after, None);
    assert_eq!(certdata.remarks.len(), 1);
    assert_eq!(certdata.remarks[0].object, "Explicitly Distrust Harbour Intermediate");
}

#[test]
fn selections_leave_out_expired_untrusted_and_on_request_distrusted_roots() {
    let certdata = good();
    let mut selection = Selection::default();
    let judge = |selection: &Selection| -> Vec<_> {
        certdata.roots.iter().map(|root| selection.judge(root, NOW)).collect()
    };
    use Verdict::{DistrustAfter, Expired, Take, Trust};
    assert_eq!(judge(&selection), [Take, Take, Trust, Take, Expired]);
    selection.distrust_after = true;
    assert_eq!(judge(&selection), [Take, Take, Trust, DistrustAfter, Expired]);
    selection.purposes.push(TrustPurpose::EmailProtection);
    assert_eq!(judge(&selection), [Take, Take, Take, Take, Expired], "still trusted for e-mail");
    // The last second still counts.
    assert_eq!(selection.judge(&certdata.roots[4], certdata.roots[4].not_after), Take);
}

#[test]
fn headings_are_underlined_by_code_points() {
    let text = plain(&good());
    assert!(text.contains("\n\nSémaphore Főtanúsítvány\n=======================\n-----BEGIN"), "{text}");
    assert_eq!(bundle::count(text.as_bytes()), 3);
}

#[test]
fn licence_blocks_follow_the_header() {
    let block = "# ***** BEGIN LICENSE BLOCK *****\n# words\n\n# ***** END LICENSE BLOCK *****\n";
    let certdata = Certdata::parse(format!("{block}CVS_ID \"@(#) x\"\n{GOOD}").as_bytes()).unwrap();
    let text = plain(&certdata);
    assert!(text.contains(&format!("##\n\n{block}\nHarbour Root R1\n")), "{text}");
}

#[test]
fn crlf_changes_nothing_but_the_hash() {
    let crlf = Certdata::parse(GOOD.replace('\n', "\r\n").as_bytes()).unwrap();
    assert_eq!(crlf.roots, good().roots);
    assert_ne!(crlf.sha256, good().sha256);
}

#[test]
fn a_file_cut_inside_an_entry_is_refused() {
    let whole = good().roots.len();
    let lines = GOOD.match_indices('\n').map(|(at, _)| at + 1).filter(|&at| at < GOOD.len());
    for cut in lines.chain((0..GOOD.len()).step_by(97)) {
        // Cut where an entry ends, the file is whole; the size of the bundle tells.
        if let Ok(cut_file) = Certdata::parse(&GOOD.as_bytes()[..cut]) {
            let tail = GOOD[..cut].lines().rev().find(|line| !line.starts_with('#') && !line.is_empty());
            let ended =
                tail.is_some_and(|line| line.contains("CKA_TRUST_STEP_UP") || line.contains("CODE_SIGNING"));
            assert!(ended || cut_file.roots.len() == whole, "cut after {cut} bytes, after {tail:?}");
        }
    }
}

#[test]
fn damage_is_named_with_line_and_object() {
    let r1 = Some("Harbour Root R1");
    assert_fault("", None, |kind| matches!(kind, FaultKind::NoData));
    assert_fault("<!DOCTYPE html>\n", None, |kind| matches!(kind, FaultKind::NotAttribute(_)));
    assert_fault("BEGINDATA\n", None, |kind| matches!(kind, FaultKind::NoCertificates));
    assert_fault("BEGINDATA\nCKA_LABEL UTF8 \"A\"\n", None, |kind| {
        matches!(kind, FaultKind::OutsideObject(_))
    });
    assert_fault(&once("\\060", "\\460"), r1, |kind| matches!(kind, FaultKind::Octal(_)));
    assert_fault(&once("CKA_ISSUER", "CKA_LABEL UTF8 \"B\"\nCKA_ISSUER"), r1, |kind| {
        matches!(kind, FaultKind::DuplicateAttribute { first: 26, .. })
    });
    assert_fault(&once("UTF8 \"Harbour Root R1\"", "UTF8 \"Harbour Root R1"), None, |kind| {
        matches!(kind, FaultKind::Text(_))
    });
    assert_fault(&once("CKA_VALUE MULTILINE_OCTAL\n\\060", "CKA_VALUE MULTILINE_OCTAL\n\\061"), r1, |kind| {
        matches!(kind, FaultKind::Certificate(_))
    });
    assert_fault(
        &once("CKA_CERT_MD5_HASH MULTILINE_OCTAL\n", "CKA_CERT_MD5_HASH MULTILINE_OCTAL\n\\000\n"),
        r1,
        |kind| matches!(kind, FaultKind::Hash { name: "CKA_CERT_MD5_HASH", .. }),
    );
    let many: String = (0..70).map(|n| format!("CKA_{n} CK_BBOOL CK_TRUE\n")).collect();
    assert_fault(&once("CKA_ISSUER", &format!("{many}CKA_ISSUER")), r1, |kind| {
        matches!(kind, FaultKind::TooManyAttributes(64))
    });
    assert_fault(&once("CKO_NSS_TRUST", "CKO_TRUST"), r1, |kind| matches!(kind, FaultKind::NoTrust));
    assert_fault(&once("CKO_CERTIFICATE", "CKO_OTHER"), r1, |kind| matches!(kind, FaultKind::NoCertificate));
    assert_fault(&once("CKA_TRUST_CODE_SIGNING", "CKA_TRUST_CODE"), r1, |kind| {
        matches!(kind, FaultKind::MissingAttribute("CKA_TRUST_CODE_SIGNING"))
    });
    assert_fault(&format!("{GOOD}\n{}", objects("Harbour Root R1")), r1, |kind| {
        matches!(kind, FaultKind::DuplicateObject(_))
    });
    assert_fault(&GOOD.replace("Mail Only Root\"", "Distrusted Root\""), Some("Distrusted Root"), |kind| {
        matches!(kind, FaultKind::NotDistrusted)
    });
    assert_fault(&once("\\062\\064\\061\\061", "\\062\\064\\061\\071"), Some("Waning Root"), |kind| {
        matches!(kind, FaultKind::Date("CKA_NSS_SERVER_DISTRUST_AFTER"))
    });
}

#[test]
fn messages_say_where_and_what() {
    let error = Certdata::parse(once("\\060", "\\460").as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "line 29: object \"Harbour Root R1\": not octal escapes from \\000 to \\377: \\460\\"
        ),
        "{error}"
    );
}

#[test]
fn unknown_trust_is_left_out_and_remarked() {
    let certdata = Certdata::parse(once("CKT_NSS_MUST_VERIFY_TRUST", "CKT_NSS_VALID").as_bytes()).unwrap();
    assert_eq!(certdata.roots[0].trust.len(), 2);
    assert!(certdata.remarks[0].to_string().ends_with("left out: CKA_TRUST_CODE_SIGNING CKT_NSS_VALID"));
}

#[test]
fn changes_are_additions_changed_trust_and_removals() {
    let old = good();
    let mut new = good();
    new.roots[3].server_distrust_after = None;
    let removed = new.roots.remove(0);
    assert_eq!(change::between(&old.roots, &old.roots), []);
    let changes = change::between(&old.roots, &new.roots);
    assert_eq!(
        changes,
        [Change::Changed { old: &old.roots[3], new: &new.roots[2] }, Change::Removed(&removed)]
    );
    assert_eq!(change::between(&new.roots, &old.roots)[0], Change::Added(&removed));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_foreign_bytes(&bytes);
    }

    #[test]
    fn a_changed_byte_breaks_no_law(at in 0..GOOD.len(), byte in any::<u8>()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        check_foreign_bytes(&bytes);
    }
}

fn plain(certdata: &Certdata) -> String {
    let bundle = bundle::write(certdata, &Selection::default(), &Style::default(), ORIGIN, NOW);
    String::from_utf8(bundle.octets).unwrap()
}

fn good() -> Certdata {
    Certdata::parse(GOOD.as_bytes()).unwrap()
}

/// The good file with the first `from` replaced.
fn once(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// The two objects of a root, as they stand in the good file.
fn objects(label: &str) -> String {
    let begin = GOOD.find(&format!("# Certificate \"{label}\"")).unwrap();
    let end = GOOD[begin..].find("\n\n#\n").unwrap();
    format!("{}\n", &GOOD[begin..begin + end])
}

fn assert_fault(text: &str, object: Option<&str>, expected: impl Fn(&FaultKind) -> bool) {
    let fault: Fault = Certdata::parse(text.as_bytes()).expect_err("damage is refused");
    assert_eq!(fault.object.as_deref(), object, "{fault}");
    assert!(expected(&fault.kind), "{fault}");
}
