//! The closed sets of label values.

/// One value of a closed set.
pub trait Label: Copy + 'static {
    /// The whole set, in order.
    const ALL: &'static [Self];

    /// The value's position in the set.
    fn index(self) -> usize;

    /// The value as it is written.
    fn token(self) -> &'static str;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $token:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[$value_doc])* #[doc = concat!("`", $token, "`")] $value,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn index(self) -> usize {
                self as usize
            }

            fn token(self) -> &'static str {
                match self {
                    $(Self::$value => $token,)+
                }
            }
        }
    )+};
}

labels! {
    /// What the client spoke.
    Protocol {
        Http1_0 = "http/1.0",
        Http1_1 = "http/1.1",
        Http2 = "h2",
    }

    /// How an exchange ended.
    Outcome {
        /// The origin's response, or a stored one, was sent whole:
        Answered = "answered",
        /// A rule, limit or bound refused it, or it was not valid:
        Refused = "refused",
        /// The origin could not answer it:
        Failed = "failed",
        /// The client went away before the end:
        Aborted = "aborted",
    }

    /// The class of a status code.
    Class {
        Informational = "1xx",
        Successful = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }

    /// What refused a request.
    Cause {
        Rule = "rule",
        Limit = "limit",
        Bound = "bound",
        Malformed = "malformed",
        NoSite = "no-site",
        Origin = "origin",
    }

    /// Whether a rule or limit acts.
    Mode {
        Observe = "observe",
        Enforce = "enforce",
    }

    /// The other side.
    Peer {
        Client = "client",
        Origin = "origin",
    }

    /// Which way, as Seawall sees it.
    Direction {
        Received = "received",
        Sent = "sent",
    }

    /// Whether a new configuration was taken.
    ReloadOutcome {
        Applied = "applied",
        Rejected = "rejected",
    }
}

impl Class {
    /// The class of a status code; what is none counts as a server error.
    pub const fn of(status: http::StatusCode) -> Self {
        match status.as_u16() / 100 {
            1 => Self::Informational,
            2 => Self::Successful,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}
