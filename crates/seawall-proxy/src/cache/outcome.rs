//! Says how the cache handled an exchange, and gives the response what every one gets.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use seawall_cache::cache_status::{Fetch, Outcome, Stored};
use seawall_cache::{CacheStatus, ForwardReason, Policy};
use seawall_http::hop_fields::PSEUDONYM;
use seawall_storm::CacheResult;

use crate::body::ResponseBody;
use crate::events::Account;
use crate::exchange::Admitted;

/// What `Cache-Status` is to say.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) detail: Option<&'static str>,
}

impl Told {
    /// The origin was asked, and gave this status.
    pub(crate) fn forwarded(reason: ForwardReason, status: StatusCode) -> Self {
        Self::of(reason, Some(status))
    }

    /// The origin was to be asked, and gave no response.
    pub(crate) fn unanswered(reason: ForwardReason) -> Self {
        Self::of(reason, None)
    }

    fn of(reason: ForwardReason, status: Option<StatusCode>) -> Self {
        let (stored, fetch) = (Stored::NotStored, Fetch::Own);
        Self { outcome: Outcome::Forwarded { reason, status, stored, fetch }, detail: None }
    }

    pub(crate) fn detail(self, detail: Option<&'static str>) -> Self {
        Self { detail, ..self }
    }

    pub(crate) fn stored(self) -> Self {
        self.change(|stored, _| *stored = Stored::Stored)
    }

    pub(crate) fn collapsed(self) -> Self {
        self.change(|_, fetch| *fetch = Fetch::Collapsed)
    }

    /// Tells it on the exchange's account.
    pub(crate) fn note(self, account: Option<&Account>) {
        let Some(account) = account else { return };
        account.set_cache(match self.outcome {
            Outcome::Hit(_) => CacheResult::Hit,
            Outcome::Forwarded { fetch: Fetch::Collapsed, .. } => CacheResult::Collapsed,
            Outcome::Forwarded { stored: Stored::Stored, .. } => CacheResult::Miss,
            Outcome::Forwarded { .. } => CacheResult::Pass,
        });
    }

    fn change(mut self, change: impl FnOnce(&mut Stored, &mut Fetch)) -> Self {
        if let Outcome::Forwarded { stored, fetch, .. } = &mut self.outcome {
            change(stored, fetch);
        }
        self
    }
}

/// Completes a response: `Age` where it comes from the store, `Cache-Status`, and what was counted of the client.
pub(crate) fn complete(
    response: &mut Response<ResponseBody>,
    admitted: &Admitted,
    policy: &Policy,
    age: Option<Duration>,
    told: Told,
) {
    if let Some(age) = age {
        response.headers_mut().insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    told.note(admitted.account.as_deref());
    mark(response, policy, told);
    if let Some(quota) = &admitted.quota {
        quota.insert_into(response.headers_mut());
    }
}

/// Adds `Cache-Status`, and takes out what is for the cache alone.
pub(crate) fn mark(response: &mut Response<ResponseBody>, policy: &Policy, told: Told) {
    let sent = response.status();
    let fields = response.headers_mut();
    fields.remove(&policy.surrogate_field);
    let outcome = match told.outcome {
        // RFC 9211 §2.3: only where the two differ.
        Outcome::Forwarded { reason, status, stored, fetch } => {
            Outcome::Forwarded { reason, status: status.filter(|status| *status != sent), stored, fetch }
        }
        hit @ Outcome::Hit(_) => hit,
    };
    CacheStatus { cache: PSEUDONYM, outcome, key: None, detail: told.detail }.append_to(fields);
}
