//! Interim responses of an origin, such as 103 Early Hints, on their way to the client (RFC 9110 §15.2).
//!
//! HTTP/1.1 alone: hyper's HTTP/2 server cannot send them. A 100 is not passed on, as the edge asks for content
//! itself when the origin is ready for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use bytes::BytesMut;
use http::{HeaderMap, Request, StatusCode};
use hyper::ext::on_informational;
use seawall_http::Protocol;
use seawall_http::hop_fields::{add_via, strip_response};

use super::response::write_interim;

/// Where hyper leaves interim responses for the connection. Both are on one thread, but hyper's callback must be
/// `Send`: the lock is never contended.
#[derive(Clone, Default)]
pub(crate) struct Interim(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    responses: Vec<(StatusCode, HeaderMap)>,
    taker: Option<Waker>,
}

impl Interim {
    /// Has the interim responses to this request left here.
    pub(crate) fn watch<B>(&self, request: &mut Request<B>) {
        let this = self.clone();
        on_informational(request, move |response| {
            if response.status() != StatusCode::CONTINUE {
                this.put(response.status(), response.headers().clone());
            }
        });
    }

    fn put(&self, status: StatusCode, fields: HeaderMap) {
        let mut slot = self.slot();
        if slot.responses.len() < RESPONSES_MAX {
            slot.responses.push((status, fields));
        }
        if let Some(taker) = slot.taker.take() {
            taker.wake();
        }
    }

    /// Writes what has come; the task is woken when there is more.
    pub(crate) fn write(&self, out: &mut BytesMut, cx: &mut Context<'_>) {
        let mut slot = self.slot();
        for (status, mut fields) in slot.responses.drain(..) {
            strip_response(&mut fields);
            add_via(&mut fields, Protocol::Http11);
            write_interim(out, status, &fields);
        }
        if !slot.taker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            slot.taker = Some(cx.waker().clone());
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Interim responses that wait for the connection; they say nothing that the last one does not.
const RESPONSES_MAX: usize = 8;
