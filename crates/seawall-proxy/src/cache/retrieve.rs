//! Answers a request that the store cannot answer as it is: by the origin, or together with others that ask the same.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header};
use seawall_cache::precondition::answer;
use seawall_cache::{
    Answer as Kind, CachePlan, ForwardReason, OnError, Policy, RequestDirectives, SecondaryKey,
    StoredResponse, Vary, plan,
};
use seawall_http::RequestFacts;
use seawall_store::Lookup;
use seawall_storm::CacheResult;
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::attempt::{Attempt, Audience, Landed, Shared};
use super::body::{Piece, StoredBody};
use super::fetch::{
    Context, Interims, Landing, OnServerError, Question, Storing, Unanswered, is_server_error,
};
use super::flight::{Failure, Flight, Held, Interest, Phase};
use super::flights::Seat;
use super::outcome::{Told, complete, mark};
use super::parts::{Collector, Part};
use super::pump::pump;
use super::serve::{Source, Supply, respond};
use super::stats::NotStored;
use crate::body::ResponseBody;
use crate::clock;
use crate::exchange::{Answer, circle_detected, failed};
use crate::origin::{Fault, OriginBody};
use crate::stats::Outcome;

/// Why the origin is to be asked, and what there is already.
pub(crate) struct Want {
    pub(crate) reason: ForwardReason,
    /// What is to be validated.
    pub(crate) held: Option<Held>,
    /// What to do if that fails.
    pub(crate) on_error: OnError,
    /// What the requests that may share the response have in common, as far as it is known.
    pub(crate) selected_by: SecondaryKey,
}

/// What those who wait for a flight learn.
enum News {
    /// Of their own attempt.
    Own(Landed),
    /// Of the flight.
    Flight(Phase),
}

/// What a response of another's request is to this one.
enum Match {
    /// Its answer.
    Answer(Box<Answer>),
    /// The answer to requests with other fields; those with fields like this one's may share another.
    Other(SecondaryKey),
    /// Of no use.
    None,
}

/// Answers a request by way of the origin.
pub(crate) async fn retrieve(context: Context, mut want: Want) -> Answer {
    context.worker.stats.cache.forward(want.reason);
    if !context.is_collapsible(&want) {
        let question = context.lone_question(&want);
        return alone(context, want, question).await;
    }
    let mut failure = None;
    for round in 0..ROUNDS_MAX {
        let seat = context.cache().flights.join(&context.asked.key, &want.selected_by, context.site.spec());
        let (flight, interest, own) = match seat {
            Seat::Leader(flight, interest) => {
                if let Some(answer) = context.look_again(&flight) {
                    return answer;
                }
                context.worker.stats.cache.hand_overs.add(round.min(1) as u64);
                let own = context.attempt(&flight, &want);
                (flight, interest, Some(own))
            }
            Seat::Follower(flight, interest) => (flight, interest, None),
            Seat::None => {
                context.worker.stats.cache.flights_full.add(1);
                break;
            }
        };
        let phase = match context.wait(&flight, interest.clone(), own, &want).await {
            News::Own(Landed::Late) => Phase::Apart,
            News::Own(landed) if context.is_too_much(&landed) => {
                drop(landed);
                return alone(context, want, Question::AsAsked).await;
            }
            News::Own(landed) => return context.answer_own(landed, &want, Some(interest)),
            News::Flight(phase) => phase,
        };
        let matched = match phase {
            Phase::Arriving(filling) => {
                let supply = |()| Some(Supply::Arriving(filling.reader()?, Some(interest)));
                context.share(filling.response(), supply, &want)
            }
            Phase::Stored(held) => {
                context.share(&held.response, |()| Some(Supply::Stored(&held.content)), &want)
            }
            Phase::Failed(failure_of_round) => match context.stand_in(&want, failure_of_round.status()) {
                Some(answer) => return answer,
                None => match failure_of_round {
                    Failure::Status(_) => Match::None,
                    // All have waited as long as one may for an origin that does not answer.
                    Failure::Fault(fault) if fault.is_timeout() => return context.failed(fault, want.reason),
                    // The next round's leader tries again.
                    Failure::Fault(_) | Failure::Lost => {
                        failure = Some(failure_of_round);
                        continue;
                    }
                },
            },
            Phase::Waiting | Phase::Apart => Match::None,
        };
        failure = None;
        match matched {
            Match::Answer(answer) => return *answer,
            Match::Other(selected_by) => {
                want.held = want.held.filter(|held| held.response.selected_by == selected_by);
                want.selected_by = selected_by;
            }
            Match::None => break,
        }
    }
    // If every one of them failed, so would this.
    if let Some(Failure::Fault(fault)) = failure {
        return context.failed(fault, want.reason);
    }
    let question = context.lone_question(&want);
    alone(context, want, question).await
}

/// Validates what was served stale, unless somebody is at it (RFC 5861 §3).
pub(crate) fn validate_in_background(context: Context, held: Held) {
    let flights = &context.cache().flights;
    let Seat::Leader(flight, interest) =
        flights.join(&context.asked.key, &held.response.selected_by, context.site.spec())
    else {
        return;
    };
    let (question, on_error) = (Question::Validating(held), OnServerError::KeepStored);
    Attempt { context, flight, question, on_error, audience: Audience::Nobody(interest) }.spawn();
}

/// Asks the origin for this request alone.
async fn alone(context: Context, want: Want, question: Question) -> Answer {
    let is_as_asked = matches!(question, Question::AsAsked);
    let obtained = context.obtain(question, want.on_server_error(), Interims::PassedOn, || true).await;
    let landed = match obtained {
        Err(unanswered) => Landed::Unanswered(unanswered),
        Ok(Landing::Apart(response, reason)) => {
            context.note_apart(reason);
            Landed::Apart(response, reason)
        }
        Ok(Landing::Part(part)) => Landed::Part(part),
        Ok(Landing::Freshened(held)) => Landed::Freshened(held),
        Ok(Landing::Storing(begun)) => {
            let Storing { status, fields, body, sink } = *begun;
            let filling = sink.filling();
            context.note_shareable(filling.response());
            let Some(reader) = filling.reader() else {
                return context.failed(Fault::Client, want.reason);
            };
            let shared = Shared { status, fields, response: Arc::clone(filling.response()), reader };
            // A flight that nobody else finds.
            let (flight, interest) = Flight::new(
                context.asked.key.clone(),
                SecondaryKey::default(),
                Arc::clone(context.site.spec()),
            );
            let fetching = context.clone();
            context.worker.spawn(async move {
                pump(&fetching, body, sink, &flight).await;
            });
            return context.answer_own(Landed::Shared(Box::new(shared)), &want, Some(interest));
        }
    };
    if !is_as_asked && context.is_too_much(&landed) {
        drop(landed);
        return Box::pin(alone(context, want, Question::AsAsked)).await;
    }
    context.answer_own(landed, &want, None)
}

impl Want {
    fn on_server_error(&self) -> OnServerError {
        match self.on_error {
            OnError::ServeStale { .. } => OnServerError::KeepStored,
            OnError::Fail => OnServerError::Take,
        }
    }
}

impl Context {
    /// Whether the request may wait for another's response.
    fn is_collapsible(&self, want: &Want) -> bool {
        let Self { asked, .. } = self;
        let parts = &asked.admitted.parts;
        let is_plain = parts.method == Method::GET
            && matches!(want.reason, ForwardReason::UriMiss | ForwardReason::VaryMiss | ForwardReason::Stale)
            // Its response is shared only where the origin says so (RFC 9111 §3.5), which few do.
            && !parts.headers.contains_key(header::AUTHORIZATION)
            && !parts.headers.get(header::RANGE).is_some_and(begins_far)
            && !self.settings().collapse_time.is_zero();
        let (uncollapsible, now) = (&self.cache().uncollapsible, asked.admitted.now.mono);
        is_plain
            && !asked.with_facts(|facts| RequestDirectives::of(facts).no_store)
            && !asked.whose().iter().any(|whose| uncollapsible.contains(&asked.key, *whose, now))
    }

    /// What to ask for a request that does not wait for others.
    fn lone_question(&self, want: &Want) -> Question {
        match &want.held {
            Some(held) => Question::Validating(held.clone()),
            None => Question::AsAsked,
        }
    }

    /// Between the look into the store and the new flight, another one may have ended.
    fn look_again(&self, flight: &Arc<Flight>) -> Option<Answer> {
        let Self { asked, worker, .. } = self;
        let Lookup::Ready(resource) = self.cache().store.get(&asked.key) else { return None };
        let policy = &self.settings().policy;
        let now = clock::wall();
        let plan = asked.with_facts(|facts| plan(facts, resource.variants(), policy, now));
        let CachePlan::Serve(served) = plan else { return None };
        self.cache().flights.settle(flight, Phase::Stored(Held::from(served.stored)));
        worker.stats.cache.hits.add(1);
        Some(super::serve_stored(&asked.admitted, policy, served))
    }

    /// Makes an attempt for this client.
    fn attempt(&self, flight: &Arc<Flight>, want: &Want) -> oneshot::Receiver<Landed> {
        let (sender, receiver) = oneshot::channel();
        let question = want.held.clone().map_or(Question::Whole, Question::Validating);
        Attempt {
            context: self.clone(),
            flight: Arc::clone(flight),
            question,
            on_error: want.on_server_error(),
            audience: Audience::Client(sender),
        }
        .spawn();
        receiver
    }

    /// Waits for a flight, and makes another attempt if the last one takes too long.
    async fn wait(
        &self,
        flight: &Arc<Flight>,
        mut interest: Interest,
        mut own: Option<oneshot::Receiver<Landed>>,
        want: &Want,
    ) -> News {
        let patience = self.settings().collapse_time;
        loop {
            let take_over_at = interest.borrow().take_over_at(patience).filter(|_| own.is_none());
            let own_landed = async {
                match &mut own {
                    // Dropped without a word: the task has ended before its time, and the flight says so.
                    Some(landed) => landed.await.unwrap_or(Landed::Late),
                    None => std::future::pending().await,
                }
            };
            let take_over = async {
                match take_over_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                landed = own_landed => match landed {
                    Landed::Late => own = None,
                    landed => return News::Own(landed),
                },
                settled = interest.wait_for(|progress| !progress.is_waiting()) => {
                    return News::Flight(settled.map_or(Phase::Failed(Failure::Lost), |progress| progress.phase.clone()));
                }
                () = take_over => {
                    if flight.take_over(patience) {
                        self.worker.stats.cache.hand_overs.add(1);
                        own = Some(self.attempt(flight, want));
                    }
                }
            }
        }
    }

    /// What the response to another's request is to this one.
    fn share<'s>(
        &self,
        response: &Arc<StoredResponse>,
        supply: impl FnOnce(()) -> Option<Supply<'s>>,
        want: &Want,
    ) -> Match {
        let Self { asked, worker, .. } = self;
        let admitted = &asked.admitted;
        if let Some(other) =
            asked.with_facts(|facts| other_selection(response, facts, &self.settings().policy))
        {
            return other.map_or(Match::None, Match::Other);
        }
        let (policy, now) = (&self.settings().policy, clock::wall());
        let stored = std::slice::from_ref(response);
        let served = match asked.with_facts(|facts| plan(facts, stored, policy, now)) {
            CachePlan::Serve(served) | CachePlan::ServeStale(served) => served,
            _ => return Match::None,
        };
        let Some(supply) = supply(()) else { return Match::None };
        worker.stats.cache.collapsed.add(1);
        let mut response = respond(admitted, served.answer, Source { response, fields: None, supply });
        let told = Told::forwarded(want.reason, served.stored.status).collapsed();
        complete(&mut response, admitted, policy, Some(served.age), told);
        Match::Answer(Box::new(answered(response)))
    }

    /// Whether the origin was asked for all, so that it could be stored, and it cannot be: then a client that asks for a part
    /// of a large file should not be sent the whole. What has come of it is forgotten.
    fn is_too_much(&self, landed: &Landed) -> bool {
        let wants_part = self.asked.admitted.parts.headers.contains_key(header::RANGE);
        wants_part && matches!(landed, Landed::Apart(response, _) if response.status() == StatusCode::OK)
    }

    /// The answer to the client whose request it was.
    fn answer_own(&self, landed: Landed, want: &Want, interest: Option<Interest>) -> Answer {
        match landed {
            Landed::Apart(response, reason) => self.apart(*response, reason, want),
            Landed::Shared(shared) => self.shared(*shared, want, interest),
            Landed::Part(part) => self.part(*part, want),
            Landed::Freshened(held) => self.freshened(&held, want, StatusCode::NOT_MODIFIED, None),
            Landed::Unanswered(Unanswered::Circle) => self.unanswered(circle_detected(), want.reason),
            Landed::Unanswered(Unanswered::Fault(fault)) => {
                self.stand_in(want, None).unwrap_or_else(|| self.failed(fault, want.reason))
            }
            Landed::Late => self.failed(Fault::Client, want.reason),
        }
    }

    fn apart(&self, mut response: Response<OriginBody>, reason: Option<NotStored>, want: &Want) -> Answer {
        let status = response.status();
        if is_server_error(status)
            && let Some(answer) = self.stand_in(want, Some(status))
        {
            return answer;
        }
        self.restate_head(&mut response);
        let mut response = response.map(ResponseBody::Origin);
        let told = Told::forwarded(want.reason, status).detail(reason.map(NotStored::token));
        complete(&mut response, &self.asked.admitted, &self.settings().policy, None, told);
        answered(response)
    }

    /// A part goes to the client as it came: it is what was asked for, or what the origin gives.
    fn part(&self, part: Part, want: &Want) -> Answer {
        let status = part.response.status();
        let mut response = part.response.map(|body| {
            let collected = Piece::Collected(Box::new(Collector::new(body, part.keeper)));
            ResponseBody::Stored(Box::new(StoredBody::new([collected], None)))
        });
        let told = Told::forwarded(want.reason, status).stored();
        complete(&mut response, &self.asked.admitted, &self.settings().policy, None, told);
        answered(response)
    }

    fn shared(&self, shared: Shared, want: &Want, interest: Option<Interest>) -> Answer {
        let Shared { status, fields, response: stored, reader } = shared;
        let admitted = &self.asked.admitted;
        let kind = self.asked.with_facts(|facts| answer(facts, &stored)).unwrap_or(Kind::Full);
        let supply = Supply::Arriving(reader, interest);
        let mut response =
            respond(admitted, kind, Source { response: &stored, fields: Some(fields), supply });
        let told = Told::forwarded(want.reason, status).stored();
        complete(&mut response, admitted, &self.settings().policy, None, told);
        answered(response)
    }

    /// What is stored, after the origin was asked about it.
    fn freshened(
        &self,
        held: &Held,
        want: &Want,
        status: StatusCode,
        detail: Option<&'static str>,
    ) -> Answer {
        let admitted = &self.asked.admitted;
        let kind = self.asked.with_facts(|facts| answer(facts, &held.response)).unwrap_or(Kind::Full);
        let (stored, supply) = (&held.response, Supply::Stored(&held.content));
        let mut response = respond(admitted, kind, Source { response: stored, fields: None, supply });
        let told = Told::forwarded(want.reason, status).detail(detail);
        let age = stored.current_age(clock::wall());
        complete(&mut response, admitted, &self.settings().policy, Some(age), told);
        if let Some(account) = self.asked.account() {
            // The origin has said that it is good, or could say nothing.
            let is_vouched_for = status == StatusCode::NOT_MODIFIED;
            account.set_cache(if is_vouched_for { CacheResult::Miss } else { CacheResult::Hit });
        }
        answered(response)
    }

    /// What is stored, in place of an error, where that is permitted (RFC 5861 §4).
    fn stand_in(&self, want: &Want, status: Option<StatusCode>) -> Option<Answer> {
        let (OnError::ServeStale { .. }, Some(held)) = (want.on_error, &want.held) else { return None };
        self.worker.stats.cache.stale.add(1);
        let status = status.unwrap_or(held.response.status);
        Some(self.freshened(held, want, status, Some(STALE_IF_ERROR)))
    }

    fn failed(&self, fault: Fault, reason: ForwardReason) -> Answer {
        let admitted = &self.asked.admitted;
        let accept = admitted.parts.headers.get(header::ACCEPT);
        let answer = failed(&self.worker, fault, admitted.client.source, accept, admitted.now);
        self.unanswered(answer, reason)
    }

    /// An answer of our own where the origin gave none.
    fn unanswered(&self, mut answer: Answer, reason: ForwardReason) -> Answer {
        let told = Told::unanswered(reason);
        told.note(self.asked.account());
        mark(&mut answer.response, &self.settings().policy, told);
        answer
    }
}

/// Whether a range begins so far into the content, or from its end, that whoever asks for it would wait long for what comes
/// before: it is asked for alone, and the parts are joined.
fn begins_far(range: &HeaderValue) -> bool {
    let first = range.as_bytes().split(|&byte| byte == b'=').nth(1).unwrap_or_default();
    let first = first.split(|&byte| byte == b'-').next().unwrap_or_default().trim_ascii();
    let start: Option<u64> = std::str::from_utf8(first).ok().and_then(|digits| digits.parse().ok());
    first.is_empty() || start.is_some_and(|start| start >= FAR_BYTES)
}

/// A tenth of a second at 80 Mbit/s.
const FAR_BYTES: u64 = 1 << 20;

/// `Some` if the response is selected by other request fields than these; then the selection that these make.
fn other_selection(
    response: &StoredResponse,
    facts: &RequestFacts<'_>,
    policy: &Policy,
) -> Option<Option<SecondaryKey>> {
    if response.selected_by.matches(facts, policy) {
        return None;
    }
    Some(SecondaryKey::of(&Vary::of(&response.fields), facts, policy))
}

fn answered(response: Response<ResponseBody>) -> Answer {
    Answer { response, tunnel: None, outcome: Outcome::Answered }
}

impl Failure {
    fn status(self) -> Option<StatusCode> {
        match self {
            Self::Status(status) => Some(status),
            Self::Fault(_) | Self::Lost => None,
        }
    }
}

/// What `Cache-Status` says of a response that stands in for an error.
const STALE_IF_ERROR: &str = "stale-if-error";
/// Flights that one request waits for, one after the other: another's may fail, or be selected by other fields.
const ROUNDS_MAX: usize = 3;
