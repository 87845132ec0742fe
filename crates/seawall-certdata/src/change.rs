//! What changed from some roots to others: from one certdata.txt to the next, or from bundle to bundle.

use std::collections::{HashMap, HashSet};

use crate::root::Root;

/// One difference. Roots are the same when their certificates are.
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

/// The differences: added and changed roots in the order of the new ones, then removed ones in the order of the old.
pub fn between<'a>(
    old: impl IntoIterator<Item = &'a Root>,
    new: impl IntoIterator<Item = &'a Root>,
) -> Vec<Change<'a>> {
    let (old, new): (Vec<&Root>, Vec<&Root>) = (old.into_iter().collect(), new.into_iter().collect());
    let before: HashMap<_, _> = old.iter().map(|&root| (&root.der, root)).collect();
    let after: HashSet<_> = new.iter().map(|root| &root.der).collect();
    let mut changes: Vec<_> = new
        .iter()
        .filter_map(|root| match before.get(&root.der) {
            None => Some(Change::Added(root)),
            Some(old) if differ(old, root) => Some(Change::Changed { old, new: root }),
            Some(_) => None,
        })
        .collect();
    changes.extend(old.into_iter().filter(|root| !after.contains(&root.der)).map(Change::Removed));
    changes
}

/// What to say when there is none.
pub const NONE: &str = "no root was added, removed or changed";

fn differ(old: &Root, new: &Root) -> bool {
    let facts = |root: &Root| {
        let mut trust = root.trust.clone();
        trust.sort_unstable();
        (trust, root.server_distrust_after, root.email_distrust_after)
    };
    old.label != new.label || facts(old) != facts(new)
}
