//! What is wrong with the name of a format.

use thiserror::Error;

/// Where in the text, and what.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("at character {}: {kind}", position + 1)]
pub struct FormatError {
    /// Bytes from the beginning of the text that was given, its `apache:` or `nginx:` included.
    pub position: usize,
    /// What is wrong.
    #[source]
    pub kind: FormatErrorKind,
}

impl FormatError {
    pub(crate) const fn at(position: usize, kind: FormatErrorKind) -> Self {
        Self { position, kind }
    }

    /// The same, in a longer text that begins earlier.
    pub(crate) const fn moved(mut self, by: usize) -> Self {
        self.position += by;
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match &self.kind {
            FormatErrorKind::UnknownName { .. } => {
                format!("there are {}, `apache:FORMAT`, `nginx:FORMAT` and `json:MAP`", crate::format::NAMES.join(", "))
            }
            FormatErrorKind::UnknownDirective { .. } => {
                "docs/reference/log-formats.md lists the directives; write a text that is the same in each line as itself"
                    .into()
            }
            FormatErrorKind::UnknownTimeDirective { .. } => {
                "understood are the directives of strftime for dates, times and offsets, and sec, msec, usec, msec_frac, usec_frac"
                    .into()
            }
            FormatErrorKind::Unfinished => "`%%` and, for nginx, a variable in the log stand for the character itself".into(),
            FormatErrorKind::Adjacent { .. } => {
                "put a space or another character between them in the server's configuration; nobody can tell where one ends"
                    .into()
            }
            FormatErrorKind::NothingUseful => {
                "a format needs at least the time or the request; quote it so that the shell leaves `$` and `%` alone".into()
            }
            FormatErrorKind::TooLong => "name the columns that matter, up to the last of them".into(),
            FormatErrorKind::UnknownFact { .. } => {
                let facts: Vec<&str> = crate::json::MAP_FACTS.iter().map(|(name, _)| *name).collect();
                format!("there are {}", facts.join(", "))
            }
            FormatErrorKind::MapSyntax => "a map reads `client=remote_ip,time=ts,path=request.uri`".into(),
            FormatErrorKind::UnknownEscape { .. } => "there are default, json and none".into(),
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// No format has this name.
    #[error("there is no log format `{name}`")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// Apache's `%` with a letter that it does not have.
    #[error("there is no directive `{directive}`")]
    UnknownDirective {
        /// As written.
        directive: String,
    },
    /// Something in `%{...}t` that cannot be read back.
    #[error("the time has `{directive}`, which cannot be read back")]
    UnknownTimeDirective {
        /// As written.
        directive: String,
    },
    /// A `%`, `$`, `{` or quotation mark with nothing after it that ends it.
    #[error("a directive or text begins here and does not end")]
    Unfinished,
    /// Two values without anything between them.
    #[error("nothing stands between `{before}` and `{after}`")]
    Adjacent {
        /// The first of them.
        before: String,
        /// The second.
        after: String,
    },
    /// No column that says anything of a request.
    #[error("the format has neither time nor request")]
    NothingUseful,
    /// More columns than a line is worth.
    #[error("the format has more than {} columns", crate::template::STEPS_MAX)]
    TooLong,
    /// A map's left side.
    #[error("there is no fact `{fact}`")]
    UnknownFact {
        /// As written.
        fact: String,
    },
    /// A map without `=`.
    #[error("a map has FACT=KEY, separated by commas")]
    MapSyntax,
    /// nginx's `escape=`.
    #[error("there is no escape `{escape}`")]
    UnknownEscape {
        /// As written.
        escape: String,
    },
}
