//! What each scale is compared with, and when.

use std::time::Duration;

use super::Settings;
use crate::baseline::Span;
use crate::rise::Scale;

/// The past that a scale is compared with.
pub(super) const fn span(scale: Scale) -> Span {
    match scale {
        Scale::Seconds | Scale::QuarterMinute | Scale::Minute => Span::Minutes,
        Scale::TenMinutes => Span::Hours,
        Scale::Hour => Span::Days,
    }
}

/// For how long that past must be known: some ten times the scale, or nothing is known of its variation.
pub(super) fn known_min(scale: Scale, settings: &Settings) -> Duration {
    match scale {
        Scale::Seconds | Scale::QuarterMinute => settings.known_min(),
        Scale::Minute => settings.known_min() * 3,
        Scale::TenMinutes => Duration::from_secs(3600),
        Scale::Hour => Duration::from_secs(8 * 3600),
    }
}

/// The past's variation is looked at in steps of this length.
pub(super) const fn step(scale: Scale) -> Duration {
    match scale {
        Scale::Seconds | Scale::QuarterMinute | Scale::Minute => Duration::from_secs(10),
        Scale::TenMinutes => Duration::from_secs(600),
        Scale::Hour => Duration::from_secs(3600),
    }
}

/// And no further back than this: older specimens are too few.
pub(super) const fn reach(scale: Scale) -> Duration {
    match scale {
        Scale::Seconds | Scale::QuarterMinute | Scale::Minute => Duration::from_secs(900),
        Scale::TenMinutes => Duration::from_secs(9 * 3600),
        Scale::Hour => Duration::from_secs(4 * 86_400),
    }
}

/// In so many of the windows that make up the present a rise must show, lest one burst be taken for it.
pub(super) fn lasting(scale: Scale, settings: &Settings) -> usize {
    match scale {
        Scale::Seconds | Scale::QuarterMinute => settings.lasting.as_secs() as usize,
        Scale::Minute | Scale::TenMinutes => 3,
        Scale::Hour => 2,
    }
}

/// Whether the scale tells more than the shorter one: where five seconds hold hundreds of exchanges, whatever is a fifth of
/// the usual shows in them.
pub(super) const fn is_needed(scale: Scale, in_five_seconds: usize) -> bool {
    !matches!(scale, Scale::QuarterMinute) || in_five_seconds < 256
}
