//! What goes into a bundle, and what is said about that.

use seawall_certdata::bundle::{self, Bundle, Origin, Style};
use seawall_certdata::{Certdata, Root, Selection, TrustPurpose, Verdict, date};

use super::{Source, TOOL};
use crate::cli::CaContent;
use crate::output;

impl CaContent {
    /// The roots to take.
    pub(super) fn selection(&self) -> Selection {
        Selection { distrust_after: self.distrust_after, ..self.purposes.clone() }
    }

    /// The bundle at `now`.
    pub(super) fn bundle(&self, source: &Source, name: &str, now: i64) -> Bundle {
        let text = self.text.then(|| self.fingerprints.to_vec());
        let style = Style { width: self.width.into(), meta: self.meta, text };
        let origin = Origin { source: name, date: source.changed, tool: TOOL };
        bundle::write(&source.certdata, &self.selection(), &style, origin, now)
    }

    /// Why a bundle of so many certificates must not follow one of so many others, if it must not.
    pub(super) fn shrunken(&self, old: usize, new: usize) -> Option<String> {
        let limit = self.shrink_limit;
        let lost = old.saturating_sub(new);
        (lost * 100 > old * usize::from(limit)).then(|| {
            format!(
                "has {old} certificates and would have {new}: more than {limit}% lost, so the old bundle stays\n\
                 hint: when that is right, give a higher --shrink-limit"
            )
        })
    }
}

/// Says what the bundle cannot.
pub(super) fn remark(certdata: &Certdata, bundle: &Bundle, selection: &Selection, now: i64) {
    for remark in certdata.remarks.iter().chain(&bundle.remarks) {
        output::note(remark);
    }
    for root in &certdata.roots {
        let taken = match selection.judge(root, now) {
            Verdict::Take => "taken all the same",
            Verdict::DistrustAfter => "left out",
            Verdict::Expired | Verdict::Trust => continue,
        };
        for (what, after) in distrust_after(root, selection) {
            output::note(format_args!(
                "\"{}\" is not trusted for what it issues for {what} after {}; {taken}",
                root.label.escape_debug(),
                date::day(after)
            ));
        }
    }
}

/// The distrust-after dates of a root, for the purposes that are wanted.
pub(super) fn distrust_after<'a>(
    root: &'a Root,
    selection: &'a Selection,
) -> impl Iterator<Item = (&'static str, i64)> + 'a {
    [
        (TrustPurpose::ServerAuth, "servers", root.server_distrust_after),
        (TrustPurpose::EmailProtection, "e-mail", root.email_distrust_after),
    ]
    .into_iter()
    .filter(|(purpose, ..)| selection.purposes.contains(purpose))
    .filter_map(|(_, what, after)| Some((what, after?)))
}
