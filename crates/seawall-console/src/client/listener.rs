//! Which user listens at an address, by the kernel's own table (proc(5), `/proc/net/tcp`).

use std::fs;
use std::net::SocketAddr;

/// The user whose socket listens at `address`; `None` if none does, or the table cannot be read.
pub(super) fn owner(address: SocketAddr) -> Option<u32> {
    let table = if address.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    find(&fs::read_to_string(table).ok()?, address)
}

/// Prefers the socket of this very address to one of all addresses, as the kernel does.
fn find(table: &str, address: SocketAddr) -> Option<u32> {
    let port = address.port();
    let exact = hexadecimal(address);
    let any = "0".repeat(exact.len());
    let listening = |wanted: &str| {
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let &[_, local, _, LISTEN, _, _, _, user, ..] = fields.as_slice() else { return None };
            let (host, local_port) = local.split_once(':')?;
            let same = host == wanted && u16::from_str_radix(local_port, 16) == Ok(port);
            if same { user.parse().ok() } else { None }
        })
    };
    listening(&exact).or_else(|| listening(&any))
}

/// The address as the table has it: words of 32 bits in the machine's byte order.
fn hexadecimal(address: SocketAddr) -> String {
    let octets = match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    words.map(|word| format!("{word:08X}")).collect()
}

/// The state of a listening socket, in the table's numbers.
const LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:23DC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 7 1 0 100 0 0 10 0
   1: 0100007F:23DC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1002        0 8 1 0 100 0 0 10 0
   2: 0100007F:23DC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1003        0 9 1 0 100 0 0 10 0
   3: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_listening_socket_is_found_the_exact_address_first() {
        let find = |address: &str| find(TABLE, address.parse().expect("address"));
        assert_eq!(find("127.0.0.1:9180"), Some(1003));
        assert_eq!(find("127.0.0.2:9180"), Some(1001));
        assert_eq!(find("127.0.0.1:80"), Some(0));
        assert_eq!(find("127.0.0.1:81"), None);
        assert_eq!(super::find("", "127.0.0.1:80".parse().expect("address")), None);
    }

    #[test]
    fn a_real_socket_is_this_user_s() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let user = rustix::process::geteuid().as_raw();
            assert_eq!(owner(listener.local_addr().expect("address")), Some(user), "{address}");
        }
    }
}
