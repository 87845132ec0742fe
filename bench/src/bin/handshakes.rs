//! A client that shakes hands for every request: `handshakes full|resumed ADDRESS HOST PATH AGENT SECONDS CLIENTS`.
//!
//! Each client is a thread that connects, shakes hands by TLS 1.3, sends one GET request, reads the answer to its end
//! and closes. With `full` it offers no ticket, with `resumed` one of the connection before; a handshake of the other kind
//! ends the run, so that the figures are of what they claim to be. Certificates are not looked at: it is a load, and
//! what it spends itself is not measured. Prints `answered N refused N`.

use std::env;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
    version,
};

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, kind, address, host, path, agent, seconds, clients] = &arguments[..] else {
        bail!("usage: handshakes full|resumed ADDRESS HOST PATH AGENT SECONDS CLIENTS")
    };
    let plan = Plan {
        is_resumed: kind == "resumed",
        address: address.parse().context("not an address")?,
        name: ServerName::try_from(host.clone()).context("not a host name")?,
        request: format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        ),
        until: Instant::now() + Duration::from_secs(seconds.parse().context("how many seconds?")?),
    };
    let clients: usize = clients.parse().context("how many clients?")?;
    let counted = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(|| plan.run())).collect();
        let each = clients.into_iter().map(|client| client.join().expect("invariant: clients do not panic"));
        each.collect::<Result<Vec<Counted>>>()
    })?;
    let answered: u64 = counted.iter().map(|one| one.answered).sum();
    let refused: u64 = counted.iter().map(|one| one.refused).sum();
    println!("answered {answered} refused {refused}");
    Ok(())
}

struct Plan {
    is_resumed: bool,
    address: SocketAddr,
    name: ServerName<'static>,
    request: String,
    until: Instant,
}

#[derive(Default)]
struct Counted {
    answered: u64,
    refused: u64,
}

impl Plan {
    fn run(&self) -> Result<Counted> {
        let tls = Arc::new(self.tls()?);
        let mut counted = Counted::default();
        // The first one gets the ticket of the second.
        let mut expected = HandshakeKind::Full;
        while Instant::now() < self.until {
            let (kind, status) = self.exchange(&tls)?;
            // With a share of a group that the server does not like, it asks again (RFC 8446 §4.1.4).
            let kind =
                if kind == HandshakeKind::FullWithHelloRetryRequest { HandshakeKind::Full } else { kind };
            ensure!(kind == expected, "the handshake was {kind:?}, not {expected:?}");
            if self.is_resumed {
                expected = HandshakeKind::Resumed;
            }
            counted.answered += 1;
            counted.refused += u64::from((400..500).contains(&status));
        }
        Ok(counted)
    }

    fn tls(&self) -> Result<ClientConfig> {
        let provider = aws_lc_rs::default_provider();
        let trusting = Arc::new(Trusting(provider.clone()));
        let mut tls = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(trusting)
            .with_no_client_auth();
        tls.resumption =
            if self.is_resumed { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
        Ok(tls)
    }

    fn exchange(&self, tls: &Arc<ClientConfig>) -> Result<(HandshakeKind, u16)> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        let connection = ClientConnection::new(Arc::clone(tls), self.name.clone())?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(self.request.as_bytes())?;
        let mut answer = Vec::with_capacity(2 << 10);
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            // Not every server says that it closes.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            Err(error) => return Err(error).context("no answer"),
        }
        let kind = stream.conn.handshake_kind().context("the handshake did not end")?;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        Ok((kind, status.context("that is no answer")?))
    }
}

/// Takes every certificate for good.
#[derive(Debug)]
struct Trusting(CryptoProvider);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
