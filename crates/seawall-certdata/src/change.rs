//! What changed from one certdata.txt to another.

use std::collections::HashMap;

use crate::root::{Certdata, Root};

/// One difference. Roots are the same when their SHA-256 is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change<'a> {
    /// In the new file only.
    Added(&'a Root),
    /// In the old file only.
    Removed(&'a Root),
    /// In both, with other trust, distrust-after dates or label.
    Changed {
        /// As it was.
        old: &'a Root,
        /// As it is.
        new: &'a Root,
    },
}

/// The differences: added and changed roots in the order of the new file, then removed ones in the order of the old.
pub fn between<'a>(old: &'a Certdata, new: &'a Certdata) -> Vec<Change<'a>> {
    let before: HashMap<_, _> = old.roots.iter().map(|root| (root.sha256, root)).collect();
    let after: HashMap<_, _> = new.roots.iter().map(|root| (root.sha256, root)).collect();
    let mut changes: Vec<_> = new
        .roots
        .iter()
        .filter_map(|root| match before.get(&root.sha256) {
            None => Some(Change::Added(root)),
            Some(old) if differ(old, root) => Some(Change::Changed { old, new: root }),
            Some(_) => None,
        })
        .collect();
    changes.extend(old.roots.iter().filter(|root| !after.contains_key(&root.sha256)).map(Change::Removed));
    changes
}

fn differ(old: &Root, new: &Root) -> bool {
    let facts = |root: &Root| {
        let mut trust = root.trust.clone();
        trust.sort_unstable();
        (trust, root.server_distrust_after, root.email_distrust_after)
    };
    old.label != new.label || facts(old) != facts(new)
}
