//! Why a change of the rulebook was refused.

use seawall_rules::rule::Author;

use super::{RULES_MAX, WHO_BYTES_MAX};
use crate::state::{Kind, StateError};

/// Why a change was refused; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    /// Another rule or limit has the name.
    #[error("{} already has the name `{name}`: {}", holder(*kind, author), advice(name, author))]
    Taken {
        /// The name.
        name: String,
        /// What has it.
        kind: Kind,
        /// Where that comes from.
        author: Author,
    },
    /// Two of the rules to be added have the same name.
    #[error("two of these rules have the name `{name}`: rename one")]
    Twice {
        /// The name.
        name: String,
    },
    /// Nothing has the name.
    #[error("no rule or limit has the name `{name}`: `seawall rules list` shows them")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It is the configuration's, which alone can take it back.
    #[error("`{name}` is in the configuration: remove it there, or `seawall rules disable {name}`")]
    Configured {
        /// The name.
        name: String,
    },
    /// The rule makes no sense.
    #[error("rule `{name}`: {problem}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The rule would never have been in force.
    #[error("rule `{name}` has expired already: give it a later time, or none")]
    AlreadyExpired {
        /// Its name.
        name: String,
    },
    /// There are too many rules made at run time.
    #[error(
        "there can be {RULES_MAX} rules made at run time: put longer lists into a rule file of the configuration"
    )]
    TooMany,
    /// The policy allows no further rule of the machine.
    #[error("`most-rules` is {rules_max}, and so many rules of the machine are in force")]
    TooManyStaged {
        /// How many it allows.
        rules_max: usize,
    },
    /// The name of who adds a rule is too long, or has control characters.
    #[error("who makes a rule is named in at most {WHO_BYTES_MAX} bytes, without control characters")]
    Who,
    /// The set as a whole does not compile.
    #[error("{0}")]
    Compile(String),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

fn holder(kind: Kind, author: &Author) -> String {
    let from = match author {
        Author::Configuration => " of the configuration",
        Author::Operator => "",
        Author::Machine { .. } => " made by the machine",
    };
    format!("a {}{from}", kind.as_str())
}

fn advice(name: &str, author: &Author) -> String {
    match author {
        Author::Configuration => "take another name".to_owned(),
        Author::Operator | Author::Machine { .. } => {
            format!("take another name, or first `seawall rules retire {name}`")
        }
    }
}
