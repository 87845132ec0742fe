//! Ports for servers that cannot take port 0 and tell which one they got.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

/// A loopback port on which nothing listens, leased to this process until it ends.
///
/// It lies below the ports that the kernel gives to clients, and a lock in the temporary folder keeps it from
/// every other test process: binding port 0 and letting go again would promise neither.
#[track_caller]
pub fn free_port() -> u16 {
    for _ in 0..PORT_COUNT {
        let port = FIRST_PORT + next() % PORT_COUNT;
        if let Some(lease) = lease(port) {
            LEASES.lock().expect("invariant: nothing panics while it holds the leases").push(lease);
            return port;
        }
    }
    panic!("no free port between {FIRST_PORT} and {}", FIRST_PORT + PORT_COUNT);
}

fn next() -> u16 {
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    // Test processes start apart from each other, so that they seldom try the same port.
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let start = process::id().wrapping_mul(2_654_435_761) ^ nanos;
    (start % u32::from(PORT_COUNT)) as u16 + turn % PORT_COUNT
}

fn lease(port: u16) -> Option<File> {
    let path = std::env::temp_dir().join(format!("seawall-testkit-port-{port}"));
    let file = File::create(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
    Some(file)
}

const FIRST_PORT: u16 = 12_000;

/// Up to 32,767: the kernel's range for clients starts at 32,768.
const PORT_COUNT: u16 = 20_000;

static TURN: AtomicU16 = AtomicU16::new(0);

static LEASES: Mutex<Vec<File>> = Mutex::new(Vec::new());

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::free_port;

    #[test]
    fn ports_are_leased_once() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 200);
    }
}
