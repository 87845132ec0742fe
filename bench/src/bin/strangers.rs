//! A client that speaks for very many: `strangers ADDRESS HOST CLIENTS REQUESTS order|mixed`.
//!
//! Each request names one of CLIENTS addresses in `X-Forwarded-For`: one after the other (`order`, which brings in each
//! of them once), or by a walk that has no order (`mixed`). Requests are sent in bundles over one connection, so that
//! the server's time goes into deciding, not into system calls. Prints `answered N refused N`.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use seawall_bench::response::Response;

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, address, host, clients, requests, order] = &arguments[..] else {
        bail!("usage: strangers ADDRESS HOST CLIENTS REQUESTS order|mixed")
    };
    let (address, clients, requests): (SocketAddr, u32, u64) =
        (address.parse()?, clients.parse()?, requests.parse()?);
    ensure!((1..=CLIENTS_MAX).contains(&clients), "CLIENTS is 1 to {CLIENTS_MAX}");
    let mut connection = Connection::open(address)?;
    let (mut answered, mut refused, mut walk) = (0, 0, 1_u64);
    let mut bundle = Vec::new();
    while answered < requests {
        bundle.clear();
        let size = BUNDLE.min(requests - answered);
        for number in answered..answered + size {
            let client = if order == "mixed" { next(&mut walk) % clients } else { number as u32 % clients };
            let address = Ipv4Addr::from_bits(0x0a00_0000 + client);
            write!(bundle, "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {address}\r\n\r\n")?;
        }
        let (done, of_them_refused) = connection.exchange(&bundle, size)?;
        answered += done;
        refused += of_them_refused;
        if done < size {
            connection = Connection::open(address)?;
        }
    }
    println!("answered {answered} refused {refused}");
    Ok(())
}

/// The upper half of a linear congruential generator (Knuth, MMIX).
fn next(walk: &mut u64) -> u32 {
    *walk = walk.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*walk >> 32) as u32
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Answers and refusals; less than was sent if the server said that it closes.
    fn exchange(&mut self, bundle: &[u8], size: u64) -> Result<(u64, u64)> {
        self.stream.write_all(bundle)?;
        let (mut answered, mut refused, mut chunk) = (0, 0, [0; 64 << 10]);
        while answered < size {
            let length = self.stream.read(&mut chunk).context("no answer")?;
            ensure!(length > 0, "closed without an answer");
            self.received.extend_from_slice(&chunk[..length]);
            let mut read = 0;
            while let Some(response) = Response::read(&self.received[read..])? {
                read += response.bytes;
                answered += 1;
                refused += u64::from((400..500).contains(&response.status));
                if response.closes {
                    return Ok((answered, refused));
                }
            }
            self.received.drain(..read);
        }
        Ok((answered, refused))
    }
}

/// As many addresses as 10.0.0.0/8 has.
const CLIENTS_MAX: u32 = 1 << 24;

const BUNDLE: u64 = 50;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
