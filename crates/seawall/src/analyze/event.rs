//! A line's request as an event of the storm detector.

use seawall_http::RequestFacts;
use seawall_logs::{CacheStatus, Record};
use seawall_storm::{CacheResult, Disposition, EventFacts, RequestEvent, Seen};

use super::amounts::Amounts;
use super::request::{Hidden, Item};

/// The event; `None` without a time, or where the line hides who the client is. The header section and the announced
/// content are in no log.
pub(crate) fn event<'a>(
    record: &Record<'_>,
    facts: &'a RequestFacts<'_>,
    hidden: Hidden,
    amounts: Amounts,
) -> Option<RequestEvent<'a>> {
    if hidden.contains(Item::Client) {
        return None;
    }
    let field = |item, name| seen(hidden, item, facts.field(name));
    Some(RequestEvent {
        facts: EventFacts {
            host: seen(hidden, Item::Host, Some(facts.host).filter(|host| !host.is_empty())),
            method: facts.method,
            path: facts.path,
            query: seen(hidden, Item::Query, facts.query),
            user_agent: field(Item::UserAgent, "user-agent"),
            referer: field(Item::Referer, "referer"),
            client: facts.client.addr,
            protocol: (!hidden.contains(Item::Protocol)).then_some(facts.protocol),
            tls_fingerprint: seen(hidden, Item::TlsFingerprint, facts.tls.as_ref().map(|ja4| ja4.as_str())),
            header_shape: None,
            fields: None,
            content: None,
        },
        disposition: Disposition {
            status: record.status.unwrap_or(0),
            cache: cache(record.cache),
            is_refused: false,
        },
        cost: amounts.cost(),
        at: record.time?,
    })
}

fn seen<T>(hidden: Hidden, item: Item, value: Option<T>) -> Seen<T> {
    if hidden.contains(item) { Seen::Unknown } else { Seen::shown(value) }
}

/// The words of all caches, as the detector has them.
pub(super) fn cache(status: Option<CacheStatus>) -> CacheResult {
    match status {
        Some(CacheStatus::Hit | CacheStatus::Stale) => CacheResult::Hit,
        Some(CacheStatus::Miss | CacheStatus::Expired | CacheStatus::Revalidated) => CacheResult::Miss,
        Some(CacheStatus::Pass) => CacheResult::Pass,
        Some(CacheStatus::Synthetic | CacheStatus::Other) | None => CacheResult::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use seawall_logs::{Format, Formats};
    use seawall_storm::Cost;

    use super::*;
    use crate::analyze::request::Vantage;

    #[test]
    fn what_a_log_does_not_show_is_unknown_and_not_absent() {
        let log = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET //a HTTP/1.1\" 200 512 \"-\" \"x\"\n";
        let mut looks = 0;
        Formats::from(Format::named("combined").unwrap()).read(log.as_bytes(), |_, record| {
            Vantage::named([], None).see(record, |facts, hidden| {
                let event = event(record, facts, hidden, Amounts::of(record)).unwrap();
                let seen = event.facts;
                assert_eq!((seen.path, seen.host, seen.referer), ("/a", Seen::Unknown, Seen::Absent));
                assert_eq!((seen.user_agent, seen.query), (Seen::Value(&b"x"[..]), Seen::Absent));
                assert_eq!((event.cost, event.disposition.status), (Cost::of_one(512, 512, 0), 200));
                looks += 1;
            });
        });
        assert_eq!(looks, 1);
    }
}
