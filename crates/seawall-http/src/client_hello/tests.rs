use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Everything that a ClientHello may say, to be written as bytes.
#[derive(Clone, Debug)]
struct Hello {
    version: u16,
    suites: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    /// What the definition of JA4 has as its example, in the order that it gives.
    fn of_the_definition() -> Self {
        let suites = [
            0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
            0x009d, 0x002f, 0x0035,
        ];
        let kinds = [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
            0xff01, 0x000b, 0x000a, 0x0015,
        ];
        let content = |kind| match kind {
            0x000d => list_16(&numbers(&CHROME_ALGORITHMS)),
            0x0010 => protocols(&[b"h2", b"http/1.1"]),
            0x002b => list_8(&numbers(&[0x0304, 0x0303])),
            _ => vec![],
        };
        let extensions = kinds.map(|kind| (kind, content(kind))).to_vec();
        Self { version: 0x0303, suites: suites.to_vec(), extensions }
    }

    fn plain(version: u16) -> Self {
        Self { version, suites: vec![0x002f], extensions: vec![] }
    }

    fn with(mut self, kind: u16, content: Vec<u8>) -> Self {
        self.extensions.retain(|(other, _)| *other != kind);
        self.extensions.push((kind, content));
        self
    }

    fn without(mut self, kind: u16) -> Self {
        self.extensions.retain(|(other, _)| *other != kind);
        self
    }

    fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.extend(list_8(&[9; 32]));
        body.extend(list_16(&numbers(&self.suites)));
        body.extend(list_8(&[0]));
        if !self.extensions.is_empty() {
            let each = self.extensions.iter();
            let extensions: Vec<u8> =
                each.flat_map(|(kind, content)| [numbers(&[*kind]), list_16(content)].concat()).collect();
            body.extend(list_16(&extensions));
        }
        message(CLIENT_HELLO, &body)
    }

    fn ja4(&self) -> String {
        read(&record(&self.message())).unwrap()
    }
}

const CHROME_ALGORITHMS: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

fn numbers(all: &[u16]) -> Vec<u8> {
    all.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn list_8(octets: &[u8]) -> Vec<u8> {
    [&[u8::try_from(octets.len()).unwrap()], octets].concat()
}

fn list_16(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
}

fn protocols(names: &[&[u8]]) -> Vec<u8> {
    list_16(&names.iter().flat_map(|name| list_8(name)).collect::<Vec<u8>>())
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, len[1], len[2], len[3]], body].concat()
}

fn record(content: &[u8]) -> Vec<u8> {
    [&[HANDSHAKE, 3, 1][..], &list_16(content)].concat()
}

fn records(message: &[u8], width: usize) -> Vec<u8> {
    message.chunks(width).flat_map(record).collect()
}

/// All at once.
fn read(bytes: &[u8]) -> Result<String, HelloError> {
    HelloReader::default().read(bytes).expect("the hello is whole").map(|ja4| ja4.to_string())
}

fn captured(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/client-hellos/{name}.bin", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Taken from the programs of Debian 12 on loopback: curl 7.88.1 and `openssl s_client` with OpenSSL 3.0.19, GNU Wget
/// 1.21.3 with GnuTLS, Chromium 156. Chromium's fingerprint is the one that FoxIO publishes for its own capture of a
/// Chrome with GREASE among the signature algorithms.
#[test]
fn real_clients_have_their_fingerprints() {
    let clients = [
        ("chromium", "t13d1517h2_8daaf6152771_cb7bf5808d99"),
        ("curl-openssl", "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"),
        ("curl-http11", "t13d3112h1_e8f1e7e78f70_b26ce05bbdd6"),
        ("curl-tls12-address", "t12i0206h2_b06afd972a5c_a44c6288192a"),
        ("openssl-no-name", "t13i310900_e8f1e7e78f70_1f22a2ca17c4"),
        ("openssl-tls11", "t11d090600_c491f621fb4c_195413a0cc0f"),
        ("wget-gnutls", "t13i291200_723694b0fccc_899037bd0b8c"),
    ];
    for (name, ja4) in clients {
        assert_eq!(read(&captured(name)).as_deref(), Ok(ja4), "{name}");
    }
}

#[test]
fn the_definition_has_its_own_example() {
    let hello = Hello::of_the_definition();
    assert_eq!(hello.ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    // Without signature algorithms, as the definition has it of the list alone (in it, their extension stays).
    let none = hello.with(13, list_16(&[]));
    assert_eq!(none.ja4(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
}

#[test]
fn order_changes_nothing_but_that_of_signature_algorithms_does() {
    let hello = Hello::of_the_definition();
    let mut shuffled = hello.clone();
    shuffled.suites.reverse();
    shuffled.extensions.rotate_left(5);
    assert_eq!(shuffled.ja4(), hello.ja4());
    let mut algorithms = CHROME_ALGORITHMS;
    algorithms.swap(0, 1);
    let other = hello.clone().with(13, list_16(&numbers(&algorithms)));
    assert_ne!(other.ja4(), hello.ja4());
}

#[test]
fn grease_changes_nothing() {
    let hello = Hello::of_the_definition();
    let mut greased = hello.clone().with(0x2a2a, vec![]).with(0xfafa, vec![0]);
    greased.suites.insert(0, 0x8a8a);
    let algorithms = [&[0xaaaa][..], &CHROME_ALGORITHMS].concat();
    let greased = greased.with(13, list_16(&numbers(&algorithms)));
    let greased = greased.with(43, list_8(&numbers(&[0xdada, 0x0304, 0x0303])));
    assert_eq!(greased.ja4(), hello.ja4());
    // These look like it and are not.
    assert_ne!(hello.clone().with(0x0a1a, vec![]).ja4(), hello.ja4());
    assert_ne!(hello.clone().with(0x0b0b, vec![]).ja4(), hello.ja4());
}

#[test]
fn without_a_server_name_or_protocol_the_first_part_says_so() {
    let hello = Hello::of_the_definition();
    assert_eq!(hello.clone().without(0).ja4(), "t13i1515h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(hello.without(16).ja4(), "t13d151500_8daaf6152771_e5627efa2ab1");
}

#[test]
fn a_hello_with_next_to_nothing_has_zeros() {
    assert_eq!(Hello::plain(0x0301).ja4(), "t10i010000_ba72b8082249_000000000000");
    let empty = Hello { suites: vec![0x0a0a], ..Hello::plain(0x0300) };
    assert_eq!(empty.ja4(), "ts3i000000_000000000000_000000000000");
    // Server name and ALPN are counted, and stand in no hash.
    let named = Hello::plain(0x0302).with(0, vec![]).with(16, protocols(&[b"h2"]));
    assert_eq!(named.ja4(), "t11d0102h2_ba72b8082249_000000000000");
}

#[test]
fn more_than_99_are_99() {
    let hello = Hello { suites: (0x1000..0x1100).collect(), ..Hello::plain(0x0303) };
    let hello = (0x2000..0x2100).fold(hello, |hello, kind| hello.with(kind, vec![]));
    assert_eq!(&hello.ja4()[..10], "t12i999900");
}

#[test]
fn the_version_is_the_highest_offered() {
    let of =
        |versions: &[u16]| Hello::plain(0x0303).with(43, list_8(&numbers(versions))).ja4()[1..3].to_owned();
    assert_eq!(of(&[0x0301, 0x0304, 0x0303]), "13");
    assert_eq!(of(&[0x0302]), "11");
    assert_eq!(of(&[0x7f1c]), "00");
    assert_eq!(of(&[0x0a0a]), "00");
    assert_eq!(of(&[]), "00");
}

/// All but the last of these stand in the definition.
#[test]
fn odd_protocol_names_are_shown_by_their_digits() {
    let of = |name: &[u8]| Hello::plain(0x0303).with(16, protocols(&[name])).ja4()[8..10].to_owned();
    let cases: [(&[u8], &str); 9] = [
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"", "00"),
        (&[0xab], "ab"),
        (&[0xab, 0xcd], "ad"),
        (&[0x30, 0xab], "3b"),
        (&[0x30, 0x31, 0xab, 0xcd], "3d"),
        (&[0x30, 0xab, 0xcd, 0x31], "01"),
        (b"_http", "50"),
    ];
    for (name, expected) in cases {
        assert_eq!(of(name), expected, "{name:?}");
    }
}

#[test]
fn a_hello_in_several_records_is_put_together() {
    let message = Hello::of_the_definition().message();
    for width in [1, 3, 4, 5, 100, message.len() - 1] {
        assert_eq!(
            read(&records(&message, width)).unwrap(),
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
            "{width}"
        );
    }
}

#[test]
fn a_hello_that_arrives_in_pieces_is_put_together() {
    let bytes = captured("chromium");
    for width in [1, 4, 5, 6, 1460] {
        let mut reader = HelloReader::default();
        let mut pieces = bytes.chunks(width).map(|piece| reader.read(piece));
        let last = pieces.by_ref().find_map(|result| result);
        assert_eq!(last.unwrap().unwrap().to_string(), "t13d1517h2_8daaf6152771_cb7bf5808d99", "{width}");
        assert_eq!(pieces.count(), 0, "known with the last piece, and not before");
    }
}

#[test]
fn what_follows_the_hello_is_not_looked_at() {
    let mut bytes = captured("curl-openssl");
    bytes.extend(b"garbage");
    assert!(read(&bytes).is_ok());
    // Also within the record: whether that is allowed is not for the fingerprint to say.
    let mut message = Hello::of_the_definition().message();
    message.extend([0xff; 9]);
    assert!(read(&record(&message)).is_ok());
    assert!(read(&records(&message, 50)).is_ok());
}

#[test]
fn a_hello_beyond_the_bound_is_refused_when_its_length_is_known() {
    let body =
        |len: usize| Hello::plain(0x0303).with(21, vec![0; len - Hello::plain(0x0303).message().len() - 6]);
    let most = body(HELLO_BYTES_MAX).message();
    assert_eq!(most.len(), HELLO_BYTES_MAX);
    assert!(read(&record(&most)).is_ok());
    let more = body(HELLO_BYTES_MAX + 1).message();
    assert_eq!(read(&record(&more[..4])), Err(HelloError::TooLong(HELLO_BYTES_MAX + 1)));
    assert_eq!(read(&record(&[1, 0xff, 0xff, 0xff])), Err(HelloError::TooLong(0x00ff_ffff + 4)));
}

#[test]
fn what_is_no_hello_is_said_to_be_none() {
    assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n"), Err(HelloError::NotHandshake(b'G')));
    assert_eq!(read(&[21, 3, 1, 0, 2, 1, 0]), Err(HelloError::NotHandshake(21)));
    assert_eq!(read(&record(&message(2, &[0; 40]))), Err(HelloError::NotClientHello(2)));
    assert_eq!(read(&[HANDSHAKE, 3, 1, 0, 0]), Err(HelloError::Malformed), "an empty record");
    assert_eq!(read(&[HANDSHAKE, 3, 1, 0x40, 1]), Err(HelloError::Malformed), "a record beyond 2^14");
}

#[test]
fn malformed_hellos_are_refused() {
    let hello = Hello::of_the_definition();
    let body = &hello.message()[4..];
    let check = |body: &[u8], what: &str| {
        assert_eq!(read(&record(&message(CLIENT_HELLO, body))), Err(HelloError::Malformed), "{what}");
    };
    for len in 0..body.len() {
        // Without extensions it is a hello of old.
        if len != 2 + 32 + 33 + 2 + 30 + 2 {
            check(&body[..len], &format!("cut to {len}"));
        }
    }
    check(&[body, b"x"].concat(), "something behind the extensions");
    let odd = |kind, content| hello.clone().with(kind, content).message()[4..].to_vec();
    check(&odd(13, list_16(&[4, 3, 8])), "half a signature algorithm");
    check(&odd(43, list_8(&[3])), "half a version");
    check(&odd(43, vec![2, 3, 4, 0]), "something behind the versions");
    check(&odd(16, list_16(&[])), "no protocol");
    check(&odd(16, list_16(&[5, b'h', b'2'])), "a protocol beyond its list");
}

proptest! {
    #[test]
    fn how_bytes_are_cut_changes_nothing(bytes in vec(any::<u8>(), 0..200)) {
        check_foreign_bytes(&bytes);
    }

    /// Closer to the real thing: a hello of Chromium with some octets changed.
    #[test]
    fn damaged_hellos_are_read_alike_in_all_pieces(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), width: u8,
    ) {
        let mut bytes = captured("chromium");
        for (place, octet) in changes {
            let at = place.index(bytes.len());
            bytes[at] = octet;
        }
        bytes.insert(0, width);
        check_foreign_bytes(&bytes);
    }
}
