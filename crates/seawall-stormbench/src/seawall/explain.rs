//! [`Explain`]: prints, second by second, what the detector sees: rises, storms, why they were judged so, proposals.

use seawall_http::UnixTime;
use seawall_storm::{Detector, Measure, Named, Notice, Settings, Watch, Window};

/// A second detector beside the watch's own, whose rises are printed as it finds them.
#[derive(Debug)]
pub struct Explain {
    detector: Detector,
    from: UnixTime,
    until: UnixTime,
}

impl Explain {
    /// Of the seconds of that span.
    pub fn new(from: UnixTime, until: UnixTime) -> Self {
        Self { detector: Detector::new(Settings::default()), from, until }
    }

    /// What the window holds, and what rises in it.
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    pub(super) fn before(&mut self, window: &Window, watch: &Watch, now: UnixTime) {
        let named: Vec<_> =
            watch.storms().map(|storm| Named { described: &storm.described, onset: storm.onset }).collect();
        self.detector.push(window, &named);
        if !self.is_shown(now) {
            return;
        }
        let total = window.total;
        println!(
            "{:>6.0} s  {:.0} requests, {:.0} kB sent, {:.0} kB and {:.0} ms of the origin; {} specimens, {} lost",
            self.elapsed(now),
            total[Measure::Requests],
            total[Measure::BytesSent] / 1e3,
            total[Measure::OriginBytes] / 1e3,
            total[Measure::OriginTime] / 1e3,
            window.specimens.len(),
            window.lost
        );
        for rise in self.detector.rises(now) {
            let measure = rise.measure;
            println!(
                "          rise {:?} by {}: {:.1} against {:.1} of {:.1} ({:.1} sd, recall {:.3}, confidence {:.2}, known {} s)",
                rise.scale,
                measure.as_str(),
                rise.rate[measure],
                rise.expected[measure],
                rise.site_expected[measure],
                rise.significance,
                rise.recall,
                rise.confidence,
                rise.known.as_secs()
            );
            println!("            signature  {}", shorten(&rise.signature.to_string()));
            println!("            described  {}", shorten(&rise.described.to_string()));
        }
    }

    /// What the watch made of it.
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    pub(super) fn after(&self, notices: &[Notice], watch: &Watch, now: UnixTime) {
        if !self.is_shown(now) {
            return;
        }
        for notice in notices {
            println!("          notice {}", shorten(&format!("{notice:?}")));
        }
        for storm in watch.storms() {
            let Some(view) = watch.storm(storm.id) else { continue };
            println!(
                "          {} {:?} {:?} {:.2}  {}",
                storm.id, storm.nature, storm.phase, storm.confidence, storm.signature
            );
            for ground in view.grounds {
                println!("            because {ground}");
            }
            if let Some(why) = view.withheld {
                println!("            no rule: {why}");
            }
            if let Some(proposal) = view.proposal {
                let upper = proposal.collateral.requests.upper;
                println!("            proposal {:?}, collateral up to {upper:.5}", proposal.rule.action);
            }
        }
    }

    fn is_shown(&self, now: UnixTime) -> bool {
        (self.from..=self.until).contains(&now)
    }

    /// Seconds since the span began.
    fn elapsed(&self, now: UnixTime) -> f64 {
        now.0 as f64 / 1e3 - self.from.0 as f64 / 1e3
    }
}

/// What fits in some lines.
fn shorten(text: &str) -> String {
    if text.chars().count() <= TEXT_MAX {
        return text.to_owned();
    }
    text.chars().take(TEXT_MAX).chain("…".chars()).collect()
}

const TEXT_MAX: usize = 500;
