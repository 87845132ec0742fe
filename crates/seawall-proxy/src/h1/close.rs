//! How an HTTP/1.1 connection ends: closed, held in a tar pit, turned into a tunnel, or into HTTP/2.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use http_body::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Close, Connection, Tarpit};
use super::response::{Delimiter, Shape, write_head};
use crate::tunnel;

impl Connection {
    pub(super) async fn tarpit(mut self, tarpit: Tarpit) {
        let worker = Rc::clone(&self.worker);
        worker.stats.tarpits_open.add(1);
        tokio::time::sleep(tarpit.delay).await;
        worker.stats.tarpits_open.sub(1);
        let (parts, mut body) = tarpit.response.into_parts();
        let shape = Shape {
            status: parts.status,
            protocol: tarpit.protocol,
            is_head: tarpit.is_head,
            length: body.size_hint().exact(),
        };
        let delimiter = Delimiter::choose(shape);
        {
            let mut date = worker.date.borrow_mut();
            let date = date.at(worker.now().wall);
            write_head(self.output.tail(), shape, delimiter, &parts.headers, false, date);
        }
        let bounds = worker.view().snapshot.bounds.clone();
        if self.send(&mut body, delimiter, None, &bounds).await.is_whole {
            self.close(Close::Lingering).await;
        }
    }

    pub(super) async fn tunnel(mut self, origin: hyper::upgrade::OnUpgrade) {
        if poll_fn(|cx| self.poll_flush(cx)).await.is_err() {
            return;
        }
        let sent = Rc::clone(&self.worker);
        if let Ok(origin) = origin.await {
            let bytes = tunnel::run(&mut self.incoming.transport, self.input.split().freeze(), origin).await;
            sent.stats.sent_bytes.add(bytes);
        }
    }

    pub(super) async fn into_http2(self) {
        let input = self.input.freeze();
        crate::h2::serve(self.worker, self.incoming, input).await;
    }

    pub(super) async fn close(mut self, close: Close) {
        if close == Close::Abort {
            return;
        }
        if poll_fn(|cx| self.poll_flush(cx)).await.is_err() {
            return;
        }
        let _ = tokio::time::timeout(LINGER_TIME, self.linger(close)).await;
    }

    /// Half-closes, and reads until the client has seen it.
    pub(super) async fn linger(&mut self, close: Close) {
        if self.incoming.transport.shutdown().await.is_err() || close == Close::Plain {
            return;
        }
        let mut left = LINGER_BYTES_MAX;
        let mut scrap = [0; 1024];
        while let Ok(bytes @ 1..) = self.incoming.transport.read(&mut scrap).await {
            left = left.saturating_sub(bytes);
            if left == 0 {
                return;
            }
        }
    }
}

/// How long a client may go on sending after its answer.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 256 << 10;
