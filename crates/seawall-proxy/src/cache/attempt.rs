//! One attempt of a flight: a task of its own, so that a client that leaves does not end what others wait for.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use seawall_cache::{Freshness, NotStorable, StoredResponse};
use seawall_store::ContentReader;
use tokio::sync::oneshot;

use super::fetch::{Context, Interims, Landing, Mismatch, OnServerError, Question, Storing, Unanswered};
use super::flight::{Failure, Flight, Held, Interest, Phase};
use super::parts::Part;
use super::pump::pump;
use super::stats::NotStored;
use super::uncollapsible::Whose;
use crate::clock;
use crate::origin::OriginBody;

/// What an attempt came to, for the client that it was made for.
pub(crate) enum Landed {
    /// A response for this client alone.
    Apart(Box<Response<OriginBody>>, Option<NotStored>),
    /// A response that is being stored.
    Shared(Box<Shared>),
    /// A part, for this client alone.
    Part(Box<Part>),
    /// What is stored is good.
    Freshened(Held),
    /// No response.
    Unanswered(Unanswered),
    /// Another attempt was quicker.
    Late,
}

/// A response that is being stored.
pub(crate) struct Shared {
    pub(crate) status: StatusCode,
    /// All of them, also those that are not stored.
    pub(crate) fields: HeaderMap,
    pub(crate) response: Arc<StoredResponse>,
    pub(crate) reader: ContentReader,
}

/// One request to the origin for a flight.
pub(crate) struct Attempt {
    pub(crate) context: Context,
    pub(crate) flight: Arc<Flight>,
    pub(crate) question: Question,
    pub(crate) on_error: OnServerError,
    pub(crate) audience: Audience,
}

/// Who waits for an attempt.
pub(crate) enum Audience {
    /// The client whose request it is made of.
    Client(oneshot::Sender<Landed>),
    /// Nobody: it is to be finished all the same.
    Nobody(Interest),
}

impl Attempt {
    /// Begins it.
    pub(crate) fn spawn(self) {
        let worker = std::rc::Rc::clone(&self.context.worker);
        worker.spawn(self.run());
    }

    async fn run(self) {
        let Self { context, flight, question, on_error, audience } = self;
        let mut guard = Guard { context: &context, flight: &flight, is_settled: false };
        let interims = match audience {
            Audience::Client(_) => Interims::PassedOn,
            Audience::Nobody(_) => Interims::Dropped,
        };
        let validates = matches!(question, Question::Validating(_));
        let may_store = || flight.is_waiting();
        let landing = tokio::select! {
            biased;
            landing = context.obtain(question, on_error, interims, may_store) => landing,
            () = deserted(&context, &flight) => {
                guard.is_settled = true;
                return;
            }
        };
        let flights = &context.cache().flights;
        let mut storing = None;
        let landed = match landing {
            Err(unanswered) => {
                flights.fail(&flight, unanswered.into());
                Landed::Unanswered(unanswered)
            }
            Ok(Landing::Apart(response, reason)) => {
                context.note_apart(reason);
                let status = response.status();
                let phase = match on_error {
                    OnServerError::KeepStored if validates && super::fetch::is_server_error(status) => {
                        Phase::Failed(Failure::Status(status))
                    }
                    _ => Phase::Apart,
                };
                flights.settle(&flight, phase);
                Landed::Apart(response, reason)
            }
            Ok(Landing::Part(part)) => {
                flights.settle(&flight, Phase::Apart);
                Landed::Part(part)
            }
            Ok(Landing::Freshened(held)) => {
                context.note_shareable(&held.response);
                flights.settle(&flight, Phase::Stored(held.clone()));
                Landed::Freshened(held)
            }
            Ok(Landing::Storing(begun)) => {
                let Storing { status, fields, body, sink } = *begun;
                let filling = sink.filling();
                context.note_shareable(filling.response());
                let reader = filling.reader();
                let response = Arc::clone(filling.response());
                match reader {
                    Some(reader) if flight.settle(Phase::Arriving(filling)) => {
                        storing = Some((body, sink));
                        Landed::Shared(Box::new(Shared { status, fields, response, reader }))
                    }
                    _ => Landed::Late,
                }
            }
        };
        guard.is_settled = true;
        match audience {
            // Who has left does not want to know.
            Audience::Client(client) => drop(client.send(landed)),
            Audience::Nobody(interest) => drop(interest),
        }
        if let Some((body, sink)) = storing {
            pump(&context, body, sink, &flight).await;
            flights.end(&flight);
        }
    }
}

/// Ready when nobody wants the flight any more; it has left the table then.
async fn deserted(context: &Context, flight: &Arc<Flight>) {
    loop {
        flight.unwanted().await;
        if context.cache().flights.end_if_unwanted(flight) {
            return;
        }
    }
}

/// Tells those who wait if the task ends before its time.
struct Guard<'a> {
    context: &'a Context,
    flight: &'a Arc<Flight>,
    is_settled: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.context.cache().flights.fail(self.flight, Failure::Lost);
        }
    }
}

impl Context {
    /// Asks the origin until it has answered the question: a 304 about another response than was asked about is none.
    pub(crate) async fn obtain(
        &self,
        mut question: Question,
        on_error: OnServerError,
        interims: Interims,
        may_store: impl Fn() -> bool,
    ) -> Result<Landing, Unanswered> {
        loop {
            let fetched = self.fetch(&question, interims).await?;
            match self.land(fetched, &question, on_error, &may_store) {
                Ok(landing) => return Ok(landing),
                Err(Mismatch) => question = Question::Whole,
            }
        }
    }

    /// The response was for one request alone. Only what the response itself says counts, lest a client decide for others.
    pub(crate) fn note_apart(&self, reason: Option<NotStored>) {
        let whose = match reason {
            Some(NotStored::Forbidden(
                NotStorable::Method
                | NotStorable::RequestNoStore
                | NotStorable::Authorization
                | NotStorable::Status,
            )) => return,
            Some(NotStored::Forbidden(NotStorable::Cookie)) => Whose::WithCookie,
            Some(NotStored::Forbidden(_) | NotStored::TooLarge) => Whose::All,
            Some(NotStored::Busy | NotStored::Invalidated) | None => return,
        };
        self.note_uncollapsible(whose);
    }

    fn note_uncollapsible(&self, whose: Whose) {
        self.worker.stats.cache.uncollapsible.add(1);
        self.cache().uncollapsible.insert(&self.asked.key, whose, clock::mono());
    }

    /// The response is stored. Only if it can be used again without asking the origin first is it worth waiting for.
    pub(crate) fn note_shareable(&self, response: &StoredResponse) {
        let policy = &self.settings().policy;
        let freshness = self.asked.with_facts(|facts| {
            response.freshness(&policy.terms(facts.path, response.status), clock::wall())
        });
        match freshness {
            Freshness::Fresh { .. } => {
                self.asked.whose().iter().for_each(|whose| {
                    self.cache().uncollapsible.remove(&self.asked.key, *whose);
                });
            }
            Freshness::Stale { .. } => self.note_uncollapsible(Whose::All),
        }
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Fault(fault) => Self::Fault(fault),
            Unanswered::Circle => Self::Lost,
        }
    }
}
