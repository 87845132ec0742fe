//! Exchanges on an HTTP/1.1 connection: the request's content in, the response out, both at once.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Method};
use http_body::{Body, Frame};
use seawall_config::config::Bounds;
use seawall_http::h1::Framing;
use seawall_http::{ClientSource, Now, Protocol};
use seawall_rules::refusal::{Bound, Refusal};
use seawall_rules::render::Persistence;
use tokio::io::{AsyncRead, ReadBuf};

use super::accepted::Accepted;
use super::connection::{After, Close, Connection, OUTPUT_BYTES_MAX};
use super::intake::{Intake, IntakeFault, Wire};
use super::interim::Interim;
use super::response::{Delimiter, Shape, write_head};
use crate::body::{BodyError, RequestBody, ResponseBody};
use crate::exchange::{self, Admitted, Answer, CLIENT_LEFT, Record};
use crate::gate::Refused;
use crate::stats::Outcome;
use crate::view::View;

/// What is still to be known of a request when there is a response.
struct Asked {
    view: Rc<View>,
    protocol: Protocol,
    is_head: bool,
    keeps_alive: bool,
    source: ClientSource,
    now: Now,
    /// The content on its way in, if there is any.
    intake: Option<Intake>,
}

/// What was sent of a response.
pub(super) struct Sent {
    pub(super) content_bytes: u64,
    pub(super) is_whole: bool,
}

impl Connection {
    pub(super) async fn exchange(&mut self, accepted: Accepted) -> After {
        let (mut asked, admitted) = self.begin(accepted);
        let record = Record::new(&self.worker, &admitted);
        if let Some(intake) = &mut asked.intake
            && let Err(fault) = intake.prime(&mut self.input, &asked.view.snapshot.bounds, &self.worker.stats)
        {
            return self.answer_fault(fault, &asked, record);
        }
        match self.run(admitted, &mut asked).await {
            Ok(answer) if answer.outcome == Outcome::Aborted => {
                record.end(CLIENT_LEFT, 0, Outcome::Aborted);
                After::Close(Close::Abort)
            }
            Ok(answer) => self.respond(answer, asked, record).await,
            Err(fault) => self.answer_fault(fault, &asked, record),
        }
    }

    fn begin(&mut self, accepted: Accepted) -> (Asked, Admitted) {
        let Accepted { view, site, parts, framing, expects_continue, protocol, client, .. } = accepted;
        let (intake, body) = match framing {
            Framing::Empty | Framing::Length(0) => (None, RequestBody::Empty),
            // All of it came with the head: it is passed on as it is, and can be sent again.
            Framing::Length(bytes) if bytes <= self.input.len() as u64 => {
                self.worker.stats.content_bytes.add(bytes);
                (None, RequestBody::Buffered(self.input.split_to(bytes as usize).freeze()))
            }
            Framing::Length(_) | Framing::Chunked => {
                let (intake, content) = Intake::new(framing, expects_continue, &view.snapshot.bounds);
                (Some(intake), RequestBody::Streamed(Box::pin(content)))
            }
        };
        let body = match accepted.copied {
            Some(copied) => copied.watch(body),
            None => body,
        };
        let asked = Asked {
            view: Rc::clone(&view),
            protocol,
            is_head: parts.method == Method::HEAD,
            keeps_alive: accepted.keeps_alive,
            source: client.source,
            now: accepted.now,
            intake,
        };
        let admitted = Admitted {
            view,
            site,
            parts,
            body,
            client,
            protocol,
            scheme: self.scheme,
            quota: accepted.quota,
            leniency: accepted.leniency,
            now: accepted.now,
            // RFC 9110 §15.2: HTTP/1.0 has no interim responses.
            account: accepted.account,
            interim: (protocol == Protocol::Http11).then(Interim::default),
        };
        (asked, admitted)
    }

    /// Runs the exchange to its response's header section, taking in content meanwhile.
    async fn run(&mut self, admitted: Admitted, asked: &mut Asked) -> Result<Answer, IntakeFault> {
        let worker = Rc::clone(&self.worker);
        let interim = admitted.interim.clone();
        let mut run = pin!(exchange::run(&worker, admitted));
        let Asked { view, intake, .. } = asked;
        poll_fn(|cx| {
            // First the exchange, which may ask for content; content wakes whoever asked for it.
            let answer = run.as_mut().poll(cx);
            if let Some(interim) = &interim {
                interim.write(self.output.tail(), cx);
            }
            if let Poll::Ready(answer) = answer {
                return Poll::Ready(Ok(answer));
            }
            if let Some(intake) = intake {
                self.poll_intake(intake, &view.snapshot.bounds, cx)?;
            }
            if self.poll_departure(intake.as_ref(), cx).is_ready() {
                return Poll::Ready(Err(IntakeFault::Gone));
            }
            match self.poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(Err(IntakeFault::Gone)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    async fn respond(&mut self, answer: Answer, mut asked: Asked, record: Record) -> After {
        let (parts, mut body) = answer.response.into_parts();
        let shape = Shape {
            status: parts.status,
            protocol: asked.protocol,
            is_head: asked.is_head,
            length: body.size_hint().exact(),
        };
        let delimiter = Delimiter::choose(shape);
        // Content that has not come yet would be read as the next request.
        let has_content = asked.intake.as_ref().is_some_and(|intake| !intake.has_ended());
        asked.intake.iter_mut().for_each(Intake::forgo_continue);
        let keeps_alive =
            asked.keeps_alive && !has_content && delimiter != Delimiter::Close && !self.worker.is_draining();
        self.write_head(shape, delimiter, &parts.headers, keeps_alive);
        if let Some(origin) = answer.tunnel {
            record.end(shape.status.as_u16(), 0, Outcome::Answered);
            return After::Tunnel(origin);
        }
        let sent = self.send(&mut body, delimiter, asked.intake.as_mut(), &asked.view.snapshot.bounds).await;
        if let ResponseBody::Origin(_) = body {
            record.add_origin_bytes(sent.content_bytes);
        }
        let outcome = if sent.is_whole { answer.outcome } else { Outcome::Aborted };
        record.end(shape.status.as_u16(), sent.content_bytes, outcome);
        match sent.is_whole {
            false if delimiter == Delimiter::Close => After::Close(Close::Reset),
            false => After::Close(Close::Abort),
            true if keeps_alive => {
                self.begin_idle();
                After::Next
            }
            true if has_content => After::Close(Close::Lingering),
            true => After::Close(Close::Plain),
        }
    }

    /// Composes a response's head, and counts it.
    pub(super) fn write_head(
        &mut self,
        shape: Shape,
        delimiter: Delimiter,
        fields: &HeaderMap,
        keeps_alive: bool,
    ) {
        let mut date = self.worker.date.borrow_mut();
        let date = date.at(self.worker.now().wall);
        write_head(self.output.tail(), shape, delimiter, fields, keeps_alive, date);
        self.worker.stats.response(shape.status);
    }

    /// The request's content failed before there was a response.
    fn answer_fault(&mut self, fault: IntakeFault, asked: &Asked, record: Record) -> After {
        let refusal = match fault {
            IntakeFault::Malformed => Refusal::malformed(),
            IntakeFault::Bound(bound, count, most) => Refusal::bound(bound, count, most),
            IntakeFault::Gone => {
                record.end(CLIENT_LEFT, 0, Outcome::Aborted);
                return After::Close(Close::Abort);
            }
        };
        let (source, now) = (asked.source, asked.now);
        let refused = Refused { refusal: &refusal, source, accept: None, quota: None, now };
        let content_bytes =
            refused.write_http1(&self.worker, Persistence::Close, asked.is_head, self.output.tail());
        record.end(refusal.status.as_u16(), content_bytes, Outcome::Refused);
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
            self.poll_intake_beside(intake.as_deref_mut(), bounds, cx);
            self.poll_flush(cx)
        });
        sent.is_whole = flushed.await.is_ok();
        sent
    }

    fn poll_frame(
        &mut self,
        body: &mut ResponseBody,
        mut intake: Option<&mut Intake>,
        bounds: &Bounds,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<bytes::Bytes>>, BodyError>> {
        self.poll_intake_beside(intake.as_deref_mut(), bounds, cx);
        if self.output.len() >= OUTPUT_BYTES_MAX {
            ready!(self.poll_flush(cx)).map_err(|_| "the client left")?;
        }
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.transpose()),
            Poll::Pending => {
                let has_failed = matches!(self.poll_flush(cx), Poll::Ready(Err(_)));
                if has_failed || self.poll_departure(intake.as_deref(), cx).is_ready() {
                    return Poll::Ready(Err("the client left".into()));
                }
                Poll::Pending
            }
        }
    }

    fn poll_intake(
        &mut self,
        intake: &mut Intake,
        bounds: &Bounds,
        cx: &mut Context<'_>,
    ) -> Result<(), IntakeFault> {
        let wire =
            Wire { io: &mut self.incoming.transport, input: &mut self.input, output: &mut self.output };
        intake.poll(wire, bounds, &self.worker.stats, cx)
    }

    /// Takes in content while its response is sent already. What goes wrong with it can no longer be answered: the
    /// origin learns that it broke off, and the connection ends behind the response in any case.
    fn poll_intake_beside(&mut self, intake: Option<&mut Intake>, bounds: &Bounds, cx: &mut Context<'_>) {
        let Some(intake) = intake else { return };
        if let Err(IntakeFault::Bound(bound, ..)) = self.poll_intake(intake, bounds, cx) {
            self.worker.stats.bound(bound);
        }
    }

    /// Ready when the client has left while the origin is waited for.
    ///
    /// One that has only ended its side may still be there: it gets what comes without a longer pause, and then
    /// the origin need not go on for nobody.
    fn poll_departure(&mut self, intake: Option<&Intake>, cx: &mut Context<'_>) -> Poll<()> {
        if self.half_closed.is_set() {
            return self.half_closed.poll(cx);
        }
        // Content is read as it is wanted, and of what is pipelined behind it one read is held at the most.
        if intake.is_some_and(|intake| !intake.has_ended()) || !self.input.is_empty() {
            return Poll::Pending;
        }
        let worker = Rc::clone(&self.worker);
        let mut buffer = worker.read_buffer.borrow_mut();
        let mut read = ReadBuf::new(&mut buffer);
        match ready!(Pin::new(&mut self.incoming.transport).poll_read(cx, &mut read)) {
            Ok(()) if read.filled().is_empty() => {
                self.half_closed.set(HALF_CLOSED_TIME);
                self.half_closed.poll(cx)
            }
            Ok(()) => {
                self.input.extend_from_slice(read.filled());
                Poll::Pending
            }
            Err(_) => Poll::Ready(()),
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
            if self.half_closed.is_set() {
                self.half_closed.set(HALF_CLOSED_TIME);
            }
        }
        match flushed {
            Poll::Ready(result) => {
                self.finish_hit(result.is_ok());
                Poll::Ready(result.map_err(|_| Close::Abort))
            }
            Poll::Pending => {
                self.write_deadline.set_if_unset(self.worker.view().snapshot.bounds.write_time);
                if self.write_deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.worker.stats.bound(Bound::WriteTime);
                self.finish_hit(false);
                Poll::Ready(Err(Close::Abort))
            }
        }
    }
}

/// How long a client that has ended its side is waited for between two pieces of its response.
const HALF_CLOSED_TIME: Duration = Duration::from_secs(3);
