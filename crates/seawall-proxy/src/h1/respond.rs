//! Exchanges on an HTTP/1.1 connection: the request's content in, the response out, both at once.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body, Frame};
use seawall_config::config::Bounds;
use seawall_http::h1::Framing;
use seawall_http::{ClientSource, Now};
use seawall_rules::refusal::{Bound, Refusal};
use seawall_rules::render::Persistence;

use super::accepted::Accepted;
use super::connection::{After, Close, Connection, OUTPUT_BYTES_MAX};
use super::intake::{Intake, IntakeFault, Wire};
use super::response::{Delimiter, Shape, write_head};
use crate::body::{BodyError, RequestBody, ResponseBody};
use crate::exchange::{self, Admitted, Answer, Record};
use crate::gate::Refused;
use crate::stats::Outcome;

impl Connection {
    pub(super) async fn exchange(&mut self, accepted: Accepted) -> After {
        let Accepted { view, framing, expects_continue, protocol, keeps_alive, .. } = accepted;
        let is_head = accepted.parts.method == Method::HEAD;
        let (mut intake, body) = match framing {
            Framing::Empty | Framing::Length(0) => (None, RequestBody::Empty),
            Framing::Length(_) | Framing::Chunked => {
                let (intake, content) = Intake::new(framing, expects_continue, &view.snapshot.bounds);
                (Some(intake), RequestBody::Streamed(Box::pin(content)))
            }
        };
        let admitted = Admitted {
            view: Rc::clone(&view),
            site: accepted.site,
            parts: accepted.parts,
            body,
            client: accepted.client,
            protocol,
            scheme: self.scheme,
            quota: accepted.quota,
            now: accepted.now,
        };
        let source = admitted.client.source;
        let record = Record::new(&self.worker, &admitted);
        let answer = match self.run(admitted, intake.as_mut(), &view.snapshot.bounds).await {
            Ok(answer) => answer,
            Err(fault) => return self.answer_fault(fault, source, accepted.now, record),
        };
        if answer.outcome == Outcome::Aborted {
            record.end(StatusCode::BAD_REQUEST, 0, Outcome::Aborted);
            return After::Close(Close::Abort);
        }
        let (parts, mut body) = answer.response.into_parts();
        let status = parts.status;
        let has_content = intake.as_ref().is_some_and(|intake| !intake.has_ended());
        let keeps_alive = keeps_alive && !has_content && !self.worker.is_draining();
        let shape = Shape { status, protocol, is_head, length: body.size_hint().exact() };
        let delimiter = Delimiter::choose(shape);
        let keeps_alive = keeps_alive && delimiter != Delimiter::Close;
        {
            let mut date = self.worker.date.borrow_mut();
            let date = date.at(self.worker.now().wall);
            write_head(self.output.tail(), shape, delimiter, &parts.headers, keeps_alive, date);
        }
        self.worker.stats.response(status);
        if let Some(origin) = answer.tunnel {
            record.end(status, 0, Outcome::Answered);
            return After::Tunnel(origin);
        }
        let sent = self.send(&mut body, delimiter, intake.as_mut(), &view.snapshot.bounds).await;
        if let ResponseBody::Origin(_) = body {
            self.worker.stats.origin_bytes.add(sent.content_bytes);
        }
        let outcome = if sent.is_whole { answer.outcome } else { Outcome::Aborted };
        record.end(status, sent.content_bytes, outcome);
        match (sent.is_whole, keeps_alive) {
            (false, _) => After::Close(Close::Abort),
            (true, true) => {
                self.begin_idle();
                After::Next
            }
            (true, false) if has_content => After::Close(Close::Lingering),
            (true, false) => After::Close(Close::Plain),
        }
    }

    /// Runs the exchange to its response's header section, taking in content meanwhile.
    pub(super) async fn run(
        &mut self,
        admitted: Admitted,
        mut intake: Option<&mut Intake>,
        bounds: &Bounds,
    ) -> Result<Answer, IntakeFault> {
        let worker = Rc::clone(&self.worker);
        let mut run = pin!(exchange::run(&worker, admitted));
        poll_fn(|cx| {
            // First the exchange, which may ask for content; content wakes whoever asked for it.
            if let Poll::Ready(answer) = run.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            if let Some(intake) = intake.as_deref_mut()
                && let Err(fault) = self.poll_intake(intake, bounds, cx)
            {
                return Poll::Ready(Err(fault));
            }
            match self.poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(Err(IntakeFault::Gone)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    pub(super) fn poll_intake(
        &mut self,
        intake: &mut Intake,
        bounds: &Bounds,
        cx: &mut Context<'_>,
    ) -> Result<(), IntakeFault> {
        let wire =
            Wire { io: &mut self.incoming.transport, input: &mut self.input, output: &mut self.output };
        intake.poll(wire, bounds, &self.worker.stats, cx)
    }

    /// The request's content failed before there was a response.
    pub(super) fn answer_fault(
        &mut self,
        fault: IntakeFault,
        source: ClientSource,
        now: Now,
        record: Record,
    ) -> After {
        let refusal = match fault {
            IntakeFault::Malformed => Refusal::malformed(),
            IntakeFault::Bound(bound, count, most) => Refusal::bound(bound, count, most),
            IntakeFault::Gone => {
                record.end(StatusCode::BAD_REQUEST, 0, Outcome::Aborted);
                return After::Close(Close::Abort);
            }
        };
        let refused = Refused { refusal: &refusal, source, accept: None, quota: None, now };
        let content_bytes = refused.write_http1(&self.worker, Persistence::Close, false, self.output.tail());
        record.end(refusal.status, content_bytes, Outcome::Refused);
        After::Close(Close::Lingering)
    }

    /// Sends a response's content, with back-pressure: the next piece is asked for when the last ones are on their
    /// way.
    pub(super) async fn send(
        &mut self,
        body: &mut ResponseBody,
        mut delimiter: Delimiter,
        mut intake: Option<&mut Intake>,
        bounds: &Bounds,
    ) -> Sent {
        let mut sent = Sent { content_bytes: 0, is_whole: false };
        if delimiter != Delimiter::Empty {
            let mut trailers = None;
            loop {
                match poll_fn(|cx| self.poll_frame(body, intake.as_deref_mut(), bounds, cx)).await {
                    Ok(Some(frame)) => match frame.into_data() {
                        Ok(data) => {
                            sent.content_bytes += data.len() as u64;
                            if !delimiter.data(data, &mut self.output) {
                                return sent;
                            }
                        }
                        Err(frame) => trailers = frame.into_trailers().ok(),
                    },
                    Ok(None) => break,
                    Err(_) => return sent,
                }
            }
            if !delimiter.end(trailers.as_ref(), &mut self.output) {
                return sent;
            }
        }
        let flushed = poll_fn(|cx| {
            if let Some(intake) = intake.as_deref_mut() {
                // Its failure ends the connection after this response.
                let _ = self.poll_intake(intake, bounds, cx);
            }
            self.poll_flush(cx)
        });
        sent.is_whole = flushed.await.is_ok();
        sent
    }

    pub(super) fn poll_frame(
        &mut self,
        body: &mut ResponseBody,
        intake: Option<&mut Intake>,
        bounds: &Bounds,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        if let Some(intake) = intake {
            let _ = self.poll_intake(intake, bounds, cx);
        }
        if self.output.len() >= OUTPUT_BYTES_MAX {
            std::task::ready!(self.poll_flush(cx)).map_err(|_| "the client left")?;
        }
        match std::pin::Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.transpose()),
            Poll::Pending => {
                if let Poll::Ready(Err(_)) = self.poll_flush(cx) {
                    return Poll::Ready(Err("the client left".into()));
                }
                Poll::Pending
            }
        }
    }

    /// Writes what waits to be written; an error says how to close.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        if self.output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let flushed = self.output.poll_flush(&mut self.incoming.transport, cx);
        let written = self.output.take_written();
        if written > 0 {
            self.worker.stats.sent_bytes.add(written);
            self.write_deadline.clear();
        }
        match flushed {
            Poll::Ready(result) => Poll::Ready(result.map_err(|_| Close::Abort)),
            Poll::Pending => {
                self.write_deadline.set_if_unset(self.worker.view().snapshot.bounds.write_time);
                if self.write_deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.worker.stats.bound(Bound::WriteTime);
                Poll::Ready(Err(Close::Abort))
            }
        }
    }
}

/// What was sent of a response.
pub(super) struct Sent {
    pub(super) content_bytes: u64,
    pub(super) is_whole: bool,
}
