//! The sentences of an explanation: what refused, how the client was found, and what the operator might do.

use seawall_http::ClientSource;
use seawall_rules::receipt::ReceiptCause;
use seawall_rules::refusal::{Bound, OriginFault};

use super::{Archived, ByClient, Counts, Defined, Explanation, Machine};
use crate::state::{EndReason, Kind, Standing};

/// What refused, in one line.
pub(super) fn cause(explanation: &Explanation) -> String {
    match explanation.facts.cause {
        ReceiptCause::Rule { revision } => named("rule", revision, explanation),
        ReceiptCause::Limit { revision } => named("limit", revision, explanation),
        ReceiptCause::Bound(bound) => format!("bound `{}`: {}", bound.name(), bound_hit(bound)),
        ReceiptCause::Malformed => "the request was not valid HTTP (RFC 9110, RFC 9112, RFC 9113)".to_owned(),
        ReceiptCause::NoSite => "no site of the configuration has the host that was asked for".to_owned(),
        ReceiptCause::Origin(fault) => format!("the origin ({}): {}", fault.proxy_status(), fault_met(fault)),
    }
}

fn named(kind: &str, revision: u32, explanation: &Explanation) -> String {
    match &explanation.definition {
        Some(Defined::Archived(archived)) => format!("{kind} `{}`, revision {revision}", archived.name),
        _ => format!("a {kind} whose definition has revision {revision}"),
    }
}

fn bound_hit(bound: Bound) -> &'static str {
    match bound {
        Bound::HeaderBytes => "the header section was too large",
        Bound::TargetBytes => "the request target was too long",
        Bound::Fields => "the header section had too many field lines",
        Bound::HeaderTime => "the header section took too long to arrive",
        Bound::IdleTime => "the connection was idle for too long",
        Bound::HandshakeTime => "the TLS handshake or PROXY header took too long",
        Bound::BodyBytes => "the content was too large",
        Bound::BodyRate => "the content arrived too slowly",
        Bound::WriteTime => "the client took no byte of its response for too long",
        Bound::Connections => "too many connections were open in all",
        Bound::ConnectionsPerNetwork => "too many connections were open from the client's network",
        Bound::Exchanges => "too many exchanges were in progress in all",
        Bound::RequestsPerConnection => "the connection had carried its last request",
        Bound::Queue => "too many exchanges were waiting for a connection to the origin",
        Bound::QueueTime => "the exchange waited too long for a connection to the origin",
        Bound::Tarpits => "a `tarpit` rule matched, and no more slow answers could be held",
        Bound::Http2Frames => "too many HTTP/2 frames came that carry no request's content",
        Bound::Http2Resets => "too many HTTP/2 streams were reset",
    }
}

fn fault_met(fault: OriginFault) -> &'static str {
    match fault {
        OriginFault::Unavailable => "every origin had failed shortly before, and was left alone",
        OriginFault::ConnectionRefused => "nothing listened at its address",
        OriginFault::ConnectionTimeout => "it did not accept the connection in time",
        OriginFault::ConnectionTerminated => "it closed the connection before its response's header section",
        OriginFault::Tls => "the TLS handshake with it failed",
        OriginFault::TlsCertificate => "its certificate could not be trusted",
        OriginFault::Dns => "its name could not be resolved",
        OriginFault::ResponseTimeout => "it did not answer in time",
        OriginFault::Protocol => "its answer was not valid HTTP",
    }
}

/// What had been counted, and against what; `None` where nothing is counted.
pub(super) fn count(explanation: &Explanation) -> Option<String> {
    let facts = &explanation.facts;
    let (count, bound) = (number(facts.count), number(facts.bound));
    let rate = || match facts.count == facts.bound && facts.bound > EXACT_MAX {
        // Rounding made them equal: a refusal at the bound itself is none.
        true => format!("just beyond the burst of {bound} requests"),
        false => format!("{count} requests against a burst of {bound}, this one included"),
    };
    match facts.cause {
        ReceiptCause::Bound(it) if it == Bound::BodyRate => {
            Some(format!("{count} {}, at least {bound} are asked for", it.unit()))
        }
        ReceiptCause::Bound(it) if facts.count == facts.bound && facts.bound > EXACT_MAX => {
            Some(format!("just beyond {bound} {}", it.unit()))
        }
        ReceiptCause::Bound(it) => Some(format!("{count} {}, at most {bound} are allowed", it.unit())),
        ReceiptCause::Limit { .. } => Some(rate()),
        ReceiptCause::Rule { .. } => match explanation.archived().map(|archived| archived.counts) {
            Some(Counts::Rate) => Some(rate()),
            Some(Counts::Matches) if facts.count > 0 => {
                let plural = if facts.count == 1 { "" } else { "s" };
                Some(format!(
                    "{count} request{plural} that this rule matched in its worker since the rules last changed, this \
                     one included"
                ))
            }
            _ => None,
        },
        ReceiptCause::Malformed | ReceiptCause::NoSite | ReceiptCause::Origin(_) => None,
    }
}

/// Beyond it a receipt's numbers are rounded.
const EXACT_MAX: u64 = 1024;

fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number > EXACT_MAX { format!("about {grouped}") } else { grouped }
}

/// Whether the definition stands today; the times are printed by the caller.
pub(super) fn standing(archived: &Archived) -> &'static str {
    match archived.standing {
        Standing::Active { .. } => "it stands",
        Standing::Numbered => "it was never in force for long enough to be recorded",
        Standing::Ended { reason, .. } => match reason {
            EndReason::Disabled => "it was disabled",
            EndReason::Retired => "it was retired",
            EndReason::Expired => "it expired",
            EndReason::Replaced => "it was changed",
            EndReason::Withdrawn => "Seawall took it back by itself",
            EndReason::Removed => "it was removed from the configuration",
        },
    }
}

/// How the client's address was found, and whether that matters here.
pub(super) fn client(explanation: &Explanation) -> String {
    let found = match explanation.source() {
        ClientSource::Peer => "whoever opened the connection: no trusted hop stood in front",
        ClientSource::Field => "the address that a trusted hop passed on in the configured field",
        ClientSource::HopWithoutField => {
            "the trusted hop itself: it opened the connection and passed no client's address on"
        }
        ClientSource::HopMalformedField => {
            "the trusted hop itself: the field in which it passes addresses on was malformed"
        }
        ClientSource::AllTrusted => {
            "the leftmost address of the field: every address up to it belongs to a trusted hop"
        }
        ClientSource::SuspectedIntermediary => {
            "whoever opened the connection: no trusted hop, but it behaves as a proxy that many people share"
        }
    };
    let mattered = match explanation.by_client() {
        ByClient::Counted => "",
        ByClient::Matched => "; what refused looks at this address",
        ByClient::Ignored => "; the address played no part in this refusal",
    };
    format!("{found}{mattered}")
}

/// What the operator might do, one sentence or two each.
pub(super) fn advice(explanation: &Explanation) -> Vec<String> {
    let mut advice = Vec::new();
    advice.extend(address_advice(explanation).map(str::to_owned));
    match explanation.facts.cause {
        ReceiptCause::Rule { .. } | ReceiptCause::Limit { .. } => {
            advice.extend(definition_advice(explanation));
        }
        ReceiptCause::Bound(bound) => advice.push(bound_advice(bound)),
        ReceiptCause::Malformed => advice.push(
            "Correct the client: a request whose framing is in doubt is never passed on, for the origin might read it \
             as two."
                .to_owned(),
        ),
        ReceiptCause::NoSite => advice.push(
            "Add the host to `hosts` of a `[[site]]`, or serve every other host with `\"*\"`. Scanners that ask by \
             address get this answer too, and need nothing."
                .to_owned(),
        ),
        ReceiptCause::Origin(fault) => advice.push(fault_advice(fault).to_owned()),
    }
    advice
}

/// When the wrong address may have been counted.
fn address_advice(explanation: &Explanation) -> Option<&'static str> {
    if explanation.by_client() == ByClient::Ignored {
        return None;
    }
    let counted = explanation.by_client() == ByClient::Counted;
    Some(match explanation.source() {
        ClientSource::Peer if counted => {
            "If a CDN, a load balancer or another proxy stands in front of Seawall, all of its visitors were counted as \
             one: declare it in `trusted-hops` under `[client]`."
        }
        ClientSource::Peer => {
            "If a CDN, a load balancer or another proxy stands in front of Seawall, its address was looked at instead of \
             the visitor's: declare it in `trusted-hops` under `[client]`."
        }
        ClientSource::Field if counted => {
            "Many people may share the address honestly: a company, a campus, a mobile network. Then count something \
             finer too, such as `user-agent`, or raise the rate."
        }
        ClientSource::Field => {
            "The address is as true as the hop that passed it on: check that `trusted-hops` names nobody else's machines."
        }
        ClientSource::HopWithoutField => {
            "The hop counted as the client, with everybody behind it. Make it send the field that `field` under `[client]` \
             names; for requests that it makes itself, such as health checks, add an `allow` rule."
        }
        ClientSource::HopMalformedField => {
            "The hop counted as the client, with everybody behind it. Look at what it sends in the field that `field` under \
             `[client]` names: something in front of it writes there what is no address."
        }
        ClientSource::AllTrusted => {
            "`trusted-hops` under `[client]` seems to include networks that visitors come from: narrow it to the machines \
             that pass requests on."
        }
        ClientSource::SuspectedIntermediary => {
            "The address counted was a shared intermediary. If it is your CDN's or your own proxy's, declare it in \
             `trusted-hops` under `[client]`, and its visitors are told apart; the running server names it in its log and \
             at its admin address, for no receipt holds an address."
        }
    })
}

fn definition_advice(explanation: &Explanation) -> Vec<String> {
    let archived = match &explanation.definition {
        Some(Defined::Archived(archived)) => archived,
        Some(Defined::Unknown { dropped: 0 }) | None => {
            return vec![
                "The archive does not know this revision: the file `revisions` was removed or restored from an older \
                 copy. `seawall rules list` shows what is in force now."
                    .to_owned(),
            ];
        }
        Some(Defined::Unknown { dropped }) => {
            return vec![format!(
                "The archive had no room left and dropped its {} oldest definitions, this one probably among them. \
                 `seawall rules list` shows what is in force now.",
                number(*dropped)
            )];
        }
    };
    let name = &archived.name;
    match (archived.standing, &archived.successor) {
        (Standing::Ended { .. }, None) => {
            return vec![
                "Nothing has to be undone: it no longer stands. The reader may try again.".to_owned(),
            ];
        }
        (Standing::Ended { .. }, Some(_)) => {
            return vec![format!(
                "It was changed since. If the reader is still refused, ask for a new receipt, or look at `{name}` as it \
                 is now."
            )];
        }
        _ => {}
    }
    let exempt = "to exempt what this reader asks for, add an `allow` rule with `seawall rules add`: the rule added last \
                  is tried first";
    let allow = format!("If a reader was refused wrongly: {exempt}.");
    if let Some(Machine { storm, .. }) = &archived.machine {
        return vec![
            allow,
            format!(
                "Or take the whole rule back, and it is not proposed again while its storm lasts: `seawall rules retire \
                 {name}`. `seawall storms show {storm}` tells of the storm, while Seawall remembers it."
            ),
        ];
    }
    match (archived.kind, archived.counts) {
        (Kind::Rule, Counts::Matches) => {
            vec![allow, format!("Or take the whole rule out of force: `seawall rules disable {name}`.")]
        }
        (Kind::Rule, Counts::Rate) => vec![
            allow,
            format!(
                "Or give `{name}` a higher rate or burst; or take it out of force: `seawall rules disable {name}`."
            ),
        ],
        (Kind::Limit, _) => vec![
            allow,
            format!(
                "Or raise `rate` or `burst` of `{name}` in the configuration and reload; or take it out of force: \
                 `seawall rules disable {name}`."
            ),
        ],
    }
}

fn bound_advice(bound: Bound) -> String {
    let name = bound.name();
    match bound {
        Bound::Queue | Bound::QueueTime => format!(
            "The origin was too slow for what was asked of it: see what it is busy with. If it can take more, raise \
             `connections` under `[origin-pool]`; if readers would rather wait, `{name}`."
        ),
        Bound::Http2Frames | Bound::Http2Resets => {
            "No browser does this: it is how a flood looks. Nothing is to be done, unless a client of your own did it."
                .to_owned()
        }
        Bound::IdleTime | Bound::RequestsPerConnection => format!(
            "This is how connections end in ordinary times, and a client opens another. To keep them for longer, raise \
             `{name}` under `[bounds]` and reload."
        ),
        Bound::Tarpits => "The request was refused at once instead of slowly. To hold more, raise `tarpits` under \
                           `[bounds]` and reload; to spare a reader, change the rule."
            .to_owned(),
        Bound::BodyRate => "If readers with slow lines upload here, lower `body-rate` or raise `body-grace` under \
                            `[bounds]`, and reload."
            .to_owned(),
        Bound::Connections | Bound::Exchanges => format!(
            "Either a storm filled the place, or it is too small. If the machine has room, raise `{name}` under \
             `[bounds]` and reload; if not, find what fills it with `seawall rules list` and a limit."
        ),
        _ => format!("If the request was honest, raise `{name}` under `[bounds]` in the configuration, and reload."),
    }
}

fn fault_advice(fault: OriginFault) -> &'static str {
    match fault {
        OriginFault::Unavailable => {
            "Look at the origin: after failing `failures` times in a row it is left alone for `retry-after`, both under \
             `[origin-pool]`, and then tried again by itself."
        }
        OriginFault::ConnectionRefused => {
            "See whether the origin runs, and listens at the address that `origin` of the `[[site]]` names."
        }
        OriginFault::ConnectionTimeout => {
            "See whether the origin's machine is up and a firewall lets Seawall reach it. `connect-time` under \
             `[origin-pool]` says how long is waited."
        }
        OriginFault::ConnectionTerminated => {
            "Look into the origin's own error log: it stopped, crashed, or ran out of workers in the middle of the request."
        }
        OriginFault::Tls => {
            "Check that the origin speaks TLS 1.2 or 1.3 on this port: `https:` in `origin` asks for it, `http:` does not."
        }
        OriginFault::TlsCertificate => {
            "Renew the origin's certificate, or name its issuer's with `ca` beside `origin`; the certificate must hold the \
             name that `origin` names, and a self-signed one must say that it is no authority (`CA:FALSE`)."
        }
        OriginFault::Dns => "Check the name in `origin` of the `[[site]]`, and this machine's resolver.",
        OriginFault::ResponseTimeout => {
            "Find out why the origin is slow. If it may take so long, raise `response-time` under `[origin-pool]` and reload."
        }
        OriginFault::Protocol => {
            "Ask the origin directly, with `curl -v`, for the same: something there writes an answer that breaks RFC 9112, \
             such as two lengths."
        }
    }
}
