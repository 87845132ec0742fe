//! Storms: what is new in a site's traffic and costs it much, named in the fewest facts, with a rule and what that rule
//! would cost everybody else.
//!
//! A core crate: no sockets, no files, no clock, no randomness. Time and seeds are arguments, so a week of traffic is
//! judged in seconds, and twice the same.
//!
//! ```text
//! RequestEvent ─► Recorder (per core) ─► Window ─► Baseline, rises ─► explanation ─► Storm, Crowd ─► Proposal
//! ```

pub mod agent;
mod auto;
pub mod baseline;
pub mod batch;
mod collateral;
mod declared;
pub mod derive;
pub mod detector;
mod estimate;
pub mod event;
pub mod evidence;
mod explain;
pub mod fact;
pub mod interval;
pub mod judge;
pub mod keys;
pub mod measure;
pub mod policy;
pub mod proposal;
pub mod proposer;
pub mod recorder;
pub mod rise;
pub mod sample;
pub mod senders;
pub mod signature;
pub mod specimen;
pub mod storm;
pub mod storms;
#[cfg(test)]
mod testing;
pub mod time_zone;
pub mod token;
pub mod watch;
pub mod window;
pub mod window_builder;

pub use batch::Batch;
pub use declared::Declared;
pub use derive::{Derive, Locality};
pub use detector::{Detector, Named, Settings};
pub use event::{CacheResult, Disposition, EventFacts, RequestEvent, Seen};
pub use fact::{FactKind, FactValue};
pub use judge::{Case, Ground, Judgement, Kin, Kinship, judge};
pub use keys::FactKeys;
pub use measure::{Cost, Measure};
pub use policy::{Above, Auto, Load, Policy, Stages};
pub use proposal::{Collateral, Estimate, Proposal, ProposalId, Stage};
pub use proposer::Withheld;
pub use recorder::Recorder;
pub use rise::{Diversity, Profile, Rise, Scale};
pub use senders::CrowdedNetwork;
pub use signature::{Inexpressible, Matcher, Part, Signature, Term};
pub use specimen::{FactKey, Specimen};
pub use storm::{CodeError, CrowdKind, Nature, Phase, Storm, StormId};
pub use storms::{Hysteresis, Point, Series, Step, StormBounds};
pub use token::TokenKeys;
pub use watch::{
    Force, KeptProposal, KeptStorm, Notice, RuleReport, SitePolicy, StormView, Watch, WatchSettings,
    Withdrawal,
};
pub use window::Window;
pub use window_builder::WindowBuilder;
