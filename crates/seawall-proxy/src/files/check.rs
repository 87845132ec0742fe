//! What must hold for any input, shared by the fuzz targets and the tests.

use http::HeaderValue;
use seawall_http::range::select;
use seawall_http::{Coding, Preference, Selection};

use super::FileOrigin;
use super::conditional::{Conditions, Validators};
use super::open::Stamp;
use super::path::RequestPath;

/// Makes an origin and its clones use the blocking pool for everything, as on a file system that
/// cannot say what it has in memory.
pub fn always_wait(origin: &FileOrigin) {
    origin.root.is_never_in_memory();
}

/// No path leads to a name that could leave its folder, or to a hidden one.
///
/// # Panics
/// If one does.
pub fn path(raw: &str) {
    let Ok(path) = RequestPath::parse(raw) else { return };
    for name in [path.target(), path.index()] {
        assert!(
            !name.starts_with('/') && !name.contains('\0') && !name.contains('\\'),
            "{raw:?} gave {name:?}"
        );
        for (index, segment) in name.split('/').enumerate() {
            let hidden = segment.starts_with('.') && !(index == 0 && segment == ".well-known");
            assert!(!segment.is_empty() && !hidden, "{raw:?} gave {name:?}");
        }
    }
    let location = path.folder_location(None);
    assert!(location.starts_with('/') && !location.starts_with("//") && location.is_ascii(), "{location:?}");
    let again = RequestPath::parse(&location).expect("a location is a path that is served");
    assert_eq!(again.target(), path.index());
}

/// No `Range` field selects bytes that are not there, or more of them than there are.
///
/// # Panics
/// If one does.
pub fn range(value: &[u8], size: u64) {
    if let Selection::Ranges(ranges) = select(value, size) {
        assert!(!ranges.is_empty());
        assert!(ranges.iter().all(|range| range.length > 0 && range.last() < size));
        assert!(ranges.iter().map(|range| range.length).sum::<u64>() <= size);
    }
}

/// Any field values are weighed without a panic.
pub fn fields(value: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let values: super::Values = [value].into_iter().collect();
    let preference = Preference::parse(values.iter().map(HeaderValue::as_bytes));
    for coding in Coding::ALL {
        assert!(preference.of(coding).is_none_or(|weight| (1..=1000).contains(&weight)));
    }
    let stamp = Stamp { inode: 1, size: 1, modified: 1, changed: 1 };
    let validators = Validators::of(&stamp, "", std::time::UNIX_EPOCH);
    let conditions = Conditions {
        if_match: values.clone(),
        if_unmodified_since: values.clone(),
        if_none_match: values.clone(),
        if_modified_since: values.clone(),
        if_range: values,
    };
    _ = conditions.evaluate(&validators);
}
