//! The closed sets of label values: those of this page, and those that the rules have already.

use seawall_rules::refusal::CauseKind;
use seawall_rules::rule::Mode;

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

impl Label for CauseKind {
    const ALL: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn token(self) -> &'static str {
        self.name()
    }
}

impl Label for Mode {
    const ALL: &'static [Self] = &[Self::Observe, Self::Enforce];

    fn index(self) -> usize {
        self as usize
    }

    fn token(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}
