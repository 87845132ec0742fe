//! How an HTTP/1.1 connection ends: closed, held in a tar pit, turned into a tunnel, or into HTTP/2.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use http_body::Body;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use super::connection::{Close, Connection, Tarpit};
use super::response::{Delimiter, Shape};
use crate::gate::Held;
use crate::tunnel;

impl Connection {
    pub(super) async fn tarpit(mut self, tarpit: Tarpit) {
        let held = Held::new(&self.worker);
        tokio::time::sleep(tarpit.delay).await;
        drop(held);
        let (parts, mut body) = tarpit.response.into_parts();
        let shape = Shape {
            status: parts.status,
            protocol: tarpit.protocol,
            is_head: tarpit.is_head,
            length: body.size_hint().exact(),
        };
        let delimiter = Delimiter::choose(shape);
        self.write_head(shape, delimiter, &parts.headers, false);
        let view = self.worker.view();
        if self.send(&mut body, delimiter, None, &view.snapshot.bounds).await.is_whole {
            self.close(Close::Lingering).await;
        }
    }

    pub(super) async fn tunnel(mut self, origin: hyper::upgrade::OnUpgrade) {
        if poll_fn(|cx| self.poll_flush(cx)).await.is_err() {
            return;
        }
        let Ok(origin) = origin.await else { return };
        self.incoming.transport.socket().iter().for_each(tunnel::keep_alive);
        let bytes = tunnel::run(&mut self.incoming.transport, self.input.split().freeze(), origin).await;
        self.worker.stats.sent_bytes.add(bytes);
    }

    pub(super) async fn into_http2(self) {
        let input = self.input.freeze();
        crate::h2::serve(self.worker, self.incoming, input).await;
    }

    pub(super) async fn close(mut self, close: Close) {
        match close {
            Close::Plain | Close::Lingering => {}
            Close::Abort => return,
            Close::Reset => {
                // If it fails, the connection is closed all the same.
                let _ =
                    self.incoming.transport.socket().map(|socket| socket.set_linger(Some(Duration::ZERO)));
                return;
            }
        }
        if poll_fn(|cx| self.poll_flush(cx)).await.is_err() {
            return;
        }
        if close == Close::Plain && self.is_last && self.input.is_empty() && !self.incoming.tls {
            return;
        }
        let _ = tokio::time::timeout(LINGER_TIME, self.linger(close)).await;
    }

    /// Half-closes, and reads until the client has seen it, if it may still be sending.
    async fn linger(&mut self, close: Close) {
        if self.incoming.transport.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES_MAX;
        let mut is_sending = close == Close::Lingering;
        poll_fn(|cx| {
            let mut buffer = self.worker.read_buffer.borrow_mut();
            loop {
                let mut scrap = ReadBuf::new(&mut buffer);
                match Pin::new(&mut self.incoming.transport).poll_read(cx, &mut scrap) {
                    Poll::Ready(Ok(())) if !scrap.filled().is_empty() && scrap.filled().len() < left => {
                        left -= scrap.filled().len();
                        // What it has sent although it was told not to would reset the connection.
                        is_sending = true;
                    }
                    Poll::Pending if is_sending => return Poll::Pending,
                    Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}

/// How long a client may go on sending after its answer.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 256 << 10;
