//! The results as tables for a terminal, as Markdown, and as JSON.

mod tables;

use serde::Serialize;

use crate::goals::{self, Goal};
use crate::job::Outcome;

pub use tables::{markdown, terminal};

/// Everything, for programs.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Each play.
    pub outcomes: &'a [Outcome],
    /// What is asked, and whether it was met.
    pub goals: Vec<Goal>,
    /// Plays that ended early, with what they said.
    pub failed: &'a [String],
}

impl<'a> Report<'a> {
    /// Of all plays.
    pub fn new(outcomes: &'a [Outcome], failed: &'a [String]) -> Self {
        Self { outcomes, goals: goals::judge(outcomes), failed }
    }
}
