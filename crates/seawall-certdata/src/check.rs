//! Laws that hold for any bytes: for the fuzz target and the tests.

use crate::bundle::{self, Origin, Style};
use crate::root::Certdata;
use crate::selection::Selection;
use crate::text;
use crate::trust::{TrustLevel, TrustPurpose};

/// Any bytes are read or refused, with a line that is there; what is read survives CRLF, and its bundle holds what was
/// selected.
///
/// # Panics
///
/// When a law is broken.
pub fn check_foreign_bytes(bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let certdata = match Certdata::parse(bytes) {
        Ok(certdata) => certdata,
        Err(fault) => {
            assert!(fault.line <= lines, "line {} of {lines}", fault.line);
            assert!(!fault.to_string().contains('\n'), "{fault}");
            return;
        }
    };
    let selection = Selection {
        purposes: TrustPurpose::ALL.to_vec(),
        levels: TrustLevel::ALL.to_vec(),
        distrust_after: false,
    };
    let origin = Origin { source: "certdata.txt", date: 0, tool: "check" };
    let bundle = bundle::write(&certdata, &selection, &Style::default(), origin, 0).octets;
    assert!(bundle.len() > certdata.roots.len(), "an empty bundle");
    if !bytes.contains(&b'\r') {
        let crlf = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        let again = Certdata::parse(crlf.as_bytes()).expect("what is read is read with CRLF");
        assert_eq!(again.roots, certdata.roots);
    }
}

/// Any bytes have a text or none, and one that is no more than so many times as long.
///
/// # Panics
///
/// When a law is broken.
pub fn check_certificate_text(bytes: &[u8]) {
    let Some(text) = text::certificate(bytes) else { return };
    assert!(text.octets.starts_with(b"Certificate:\n    Data:\n"), "a beginning");
    assert!(text.octets.ends_with(b"\n"), "an end");
    // An octet of a number becomes three characters, and an empty policy qualifier a line.
    assert!(text.octets.len() < 4096 + bytes.len() * 64, "{} from {}", text.octets.len(), bytes.len());
}
