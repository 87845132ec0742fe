//! Why a line is no record: a closed set, so that each has its counter.

/// Why a line gave no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Longer than [`crate::LINE_BYTES_MAX`].
    Overlong,
    /// The last line has no end and is no record: the file was cut, or the server is still writing.
    Truncated,
    /// Bytes of NUL throughout: a crash's holes, UTF-16, or a file that is no log.
    Binary,
    /// Columns or quotation marks are not where the format has them.
    Layout,
    /// The client is neither address nor name.
    Client,
    /// The time is none.
    Time,
    /// The status is no number of three digits.
    Status,
    /// A count or a duration is no number.
    Number,
    /// The line is no JSON object.
    Json,
    /// JSON or syslog, but about something else than a request.
    OtherEvent,
    /// A line of a W3C log before its `#Fields:`, that fits no usual set of columns.
    NoFields,
}

impl Reason {
    /// All, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::Overlong,
        Self::Truncated,
        Self::Binary,
        Self::Layout,
        Self::Client,
        Self::Time,
        Self::Status,
        Self::Number,
        Self::Json,
        Self::OtherEvent,
        Self::NoFields,
    ];

    /// A word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overlong => "overlong",
            Self::Truncated => "truncated",
            Self::Binary => "binary",
            Self::Layout => "layout",
            Self::Client => "client",
            Self::Time => "time",
            Self::Status => "status",
            Self::Number => "number",
            Self::Json => "json",
            Self::OtherEvent => "other-event",
            Self::NoFields => "no-fields",
        }
    }

    /// A sentence for a person.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Overlong => "the line is longer than 64 KiB",
            Self::Truncated => "the last line is cut off",
            Self::Binary => "the line holds bytes of zero throughout",
            Self::Layout => "the columns are not where the format has them",
            Self::Client => "the client is neither an address nor a name",
            Self::Time => "the time cannot be read",
            Self::Status => "the status is no number of three digits",
            Self::Number => "a count or a duration is no number",
            Self::Json => "the line is no JSON object",
            Self::OtherEvent => "the line is not about a request",
            Self::NoFields => "no #Fields: line came before",
        }
    }
}
