//! How well Seawall names storms, measured: scenarios with ground truth, made from seeds, played through the real recorder,
//! the real watch and the real rules in simulated time; and through what users have now.
//!
//! A scenario is a stream of [`exchange::Exchange`]s, each of which knows whether it belongs to a storm. A
//! [`detector::Detector`] is shown a second of them at a time and says which ones it would refuse. What is measured is the same
//! for everybody: the share of the storm that is refused, the share of everything else, and after how long.

pub mod agents;
pub mod background;
pub mod detector;
pub mod exchange;
pub mod flood;
pub mod goals;
pub mod headers;
pub mod job;
pub mod memory;
pub mod networks;
pub mod peer;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod seawall;
pub mod session;
pub mod site;
pub mod source;
pub mod visits;
pub mod world;
