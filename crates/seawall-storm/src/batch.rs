//! [`Batch`]: what one recorder has seen since it was last asked, as it is handed to the control plane.

use seawall_http::{ClientAddr, Protocol, UnixTime};

use crate::event::Disposition;
use crate::measure::Cost;
use crate::sample::is_kept;
use crate::specimen::{FactKey, TEXTS};

/// Bytes of a text that are kept; longer ones have a key all the same. Most agents and paths are shorter (99.9 % of
/// those in the logs that we know), and what is longer than a line makes no rule that a person can check.
pub const TEXT_BYTES_MAX: usize = 256;

/// What one recorder has seen in some time: plain data, to be sent to another thread and back for reuse. It holds
/// addresses, so it is turned into a window at once, and has no other reader.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) from: UnixTime,
    pub(crate) until: UnixTime,
    pub(crate) total: Cost,
    pub(crate) thresholds: Cost,
    pub(crate) lost: u64,
    pub(crate) sampled: Vec<Sampled>,
    /// The texts of all that are sampled, in their order.
    pub(crate) text: Vec<u8>,
}

/// One exchange that was sampled: its facts, not yet hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampled {
    pub(crate) rank: f64,
    pub(crate) cost: Cost,
    pub(crate) at: UnixTime,
    pub(crate) client: ClientAddr,
    pub(crate) header_shape: Option<u64>,
    pub(crate) fields: Option<u32>,
    pub(crate) disposition: Disposition,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) content: Option<seawall_http::ContentLength>,
    /// Where its texts begin in [`Batch::text`].
    pub(crate) begin: u32,
    /// Of [`TEXTS`].
    pub(crate) texts: [Kept; TEXTS.len()],
}

/// How a text is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Kept {
    #[default]
    Unknown,
    Absent,
    /// So many bytes of it, which are all.
    Whole(u16),
    /// So many bytes of it, and then its key.
    Cut(u16),
}

impl Kept {
    /// Bytes that it takes in [`Batch::text`].
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Unknown | Self::Absent => 0,
            Self::Whole(bytes) => usize::from(bytes),
            Self::Cut(bytes) => usize::from(bytes) + KEY_BYTES,
        }
    }
}

pub(crate) const KEY_BYTES: usize = size_of::<FactKey>();

impl Sampled {
    pub(crate) fn text_bytes(&self) -> usize {
        self.texts.iter().map(|text| text.bytes()).sum()
    }
}

impl Batch {
    /// How many exchanges it has seen.
    pub fn requests(&self) -> u64 {
        self.total[crate::measure::Measure::Requests] as u64
    }

    /// How many of them it holds.
    pub fn sampled(&self) -> usize {
        self.sampled.len()
    }

    /// Forgets everything but the memory that it was in.
    pub fn clear(&mut self) {
        self.sampled.clear();
        self.text.clear();
        *self = Self {
            sampled: std::mem::take(&mut self.sampled),
            text: std::mem::take(&mut self.text),
            ..Self::default()
        };
    }

    /// Puts higher thresholds in force, and drops what no longer passes.
    pub(crate) fn raise(&mut self, thresholds: Cost) {
        self.thresholds = thresholds;
        let mut end = 0;
        let text = &mut self.text;
        self.sampled.retain_mut(|sampled| {
            let is_kept = is_kept(sampled.cost, sampled.rank, thresholds);
            if is_kept {
                let (begin, bytes) = (sampled.begin as usize, sampled.text_bytes());
                text.copy_within(begin..begin + bytes, end);
                sampled.begin = u32::try_from(end).expect("invariant: no more than it was");
                end += bytes;
            }
            is_kept
        });
        self.text.truncate(end);
    }
}
