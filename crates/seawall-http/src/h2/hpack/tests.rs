//! RFC 7541 appendix C, and laws.

use proptest::prelude::*;

use super::decode::Room;
use super::{Decoder, FieldList, HpackError, encode, huffman, integer};

const ROOM: Room = Room { kept_bytes: 1 << 20, abuse_bytes: 1 << 20 };

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, HpackError> {
    let mut list = FieldList::default();
    decoder.decode(block, &mut list, ROOM)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(list.iter().map(|(name, value)| (text(name), text(value))).collect())
}

/// A literal with indexing, whose value has so many bytes.
fn indexed(value_bytes: usize) -> Vec<u8> {
    let mut block = hex("4001 61");
    integer::write(0, 7, value_bytes, &mut block);
    block.resize(block.len() + value_bytes, b'x');
    block
}

/// Decodes blocks one after the other; each must give the lines written for it.
fn check(blocks: &[(&str, &str)]) {
    let mut decoder = Decoder::default();
    for (block, lines) in blocks {
        let fields = decode(&mut decoder, &hex(block)).unwrap();
        let read: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(read, lines.split('|').collect::<Vec<_>>());
    }
}

// RFC 7541 C.1
#[test]
fn integers_are_read() {
    for (prefix, bytes, value) in [(5, "0a", 10), (5, "1f9a0a", 1337), (8, "2a", 42)] {
        let bytes = hex(bytes);
        let mut rest = &bytes[..];
        assert_eq!(integer::read(prefix, &mut rest), Ok(value));
        assert!(rest.is_empty());
    }
}

#[test]
fn integers_have_an_end() {
    assert_eq!(integer::read(7, &mut &hex("7fffffff")[..]), Err(HpackError::Truncated));
    assert_eq!(integer::read(7, &mut &hex("7fffffffff7f")[..]), Err(HpackError::Integer));
    assert_eq!(integer::read(7, &mut &hex("7f8080808000")[..]), Err(HpackError::Integer));
    assert_eq!(integer::read(7, &mut &[][..]), Err(HpackError::Truncated));
}

// RFC 7541 C.2
#[test]
fn each_representation_is_read() {
    check(&[(
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        "custom-key: custom-header",
    )]);
    check(&[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path")]);
    check(&[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret")]);
    check(&[("82", ":method: GET")]);
}

// RFC 7541 C.3
#[test]
fn requests_share_a_table() {
    let first = ":method: GET|:scheme: http|:path: /|:authority: www.example.com";
    check(&[
        ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first),
        ("8286 84be 5808 6e6f 2d63 6163 6865", &format!("{first}|cache-control: no-cache")),
        (
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
        ),
    ]);
}

// RFC 7541 C.4
#[test]
fn coded_requests_share_a_table() {
    let first = ":method: GET|:scheme: http|:path: /|:authority: www.example.com";
    check(&[
        ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first),
        ("8286 84be 5886 a8eb 1064 9cbf", &format!("{first}|cache-control: no-cache")),
        (
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
            ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
        ),
    ]);
}

// RFC 7541 C.5, C.6, with the table's 256 bytes said in the first block
#[test]
fn responses_evict_what_does_not_fit() {
    let line = |status: &str, date: &str, more: &str| {
        format!(
            ":status: {status}|cache-control: private|date: Mon, 21 Oct 2013 20:13:{date} GMT|location: https://www.example.com{more}"
        )
    };
    let third = line(
        "200",
        "22",
        "|content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    );
    let plain = [
        "3fe1 01 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    for [first, second, last] in [plain, coded] {
        check(&[(first, &line("302", "21", "")), (second, &line("307", "21", "")), (last, &third)]);
    }
}

#[test]
fn what_shares_no_state_is_an_error() {
    let fails = |block: &str| decode(&mut Decoder::default(), &hex(block)).unwrap_err();
    assert_eq!(fails("80"), HpackError::Index);
    assert_eq!(fails("be"), HpackError::Index);
    assert_eq!(fails("7f00 00"), HpackError::Index);
    assert_eq!(fails("0003 61"), HpackError::Truncated);
    assert_eq!(fails("00"), HpackError::Truncated);
    // §4.2: behind a field, or larger than 4096.
    assert_eq!(fails("8220"), HpackError::TableSize);
    assert_eq!(fails("3fe2 1f"), HpackError::TableSize);
    assert!(decode(&mut Decoder::default(), &hex("20 3fe1 1f 82")).is_ok());
    // §5.2: padding of eight bits, of zeros, and the symbol for the end.
    assert_eq!(fails("0081 ff 00"), HpackError::Huffman);
    assert_eq!(fails("0081 18 00"), HpackError::Huffman);
    assert_eq!(fails("0084 ffff ffff 00"), HpackError::Huffman);
}

#[test]
fn table_forgets_when_it_shrinks() {
    let mut decoder = Decoder::default();
    assert!(decode(&mut decoder, &hex("4001 6101 62")).is_ok());
    assert!(decode(&mut decoder, &hex("be")).is_ok());
    assert!(decode(&mut decoder, &hex("20")).is_ok());
    assert_eq!(decode(&mut decoder, &hex("be")), Err(HpackError::Index));
    // An entry that is larger than the table empties it (§4.4).
    let mut decoder = Decoder::default();
    assert!(decode(&mut decoder, &hex("4001 6101 62")).is_ok());
    assert!(decode(&mut decoder, &indexed(4096)).is_ok());
    assert_eq!(decode(&mut decoder, &hex("be")), Err(HpackError::Index));
}

#[test]
fn few_bytes_that_stand_for_many_are_given_up() {
    let mut decoder = Decoder::default();
    let mut list = FieldList::default();
    let room = Room { kept_bytes: 10_000, abuse_bytes: 80_000 };
    assert_eq!(decoder.decode(&indexed(4000), &mut list, room), Ok(()));
    assert_eq!(decoder.decode(&[0xbe; 10], &mut list, room), Ok(()));
    assert!(list.is_cut() && list.bytes().len() <= 10_000 && list.line_bytes() > 30_000);
    assert_eq!(decoder.decode(&[0xbe; 1000], &mut list, room), Err(HpackError::TooLarge));
}

/// The other direction, for tests: the code of each symbol follows from the lengths.
fn code(bytes: &[u8]) -> Vec<u8> {
    let mut order: Vec<usize> = (0..256).collect();
    order.sort_by_key(|symbol| (huffman::LENGTHS[*symbol], *symbol));
    let mut codes = [0u32; 256];
    let (mut next, mut length) = (0u32, 0);
    for symbol in order {
        next <<= huffman::LENGTHS[symbol] - length;
        length = huffman::LENGTHS[symbol];
        codes[symbol] = next;
        next += 1;
    }
    let mut bits = Vec::new();
    for &byte in bytes {
        let length = huffman::LENGTHS[byte as usize];
        bits.extend((0..length).rev().map(|bit| codes[byte as usize] >> bit & 1 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

/// What an encoder may do with a field.
#[derive(Clone, Debug)]
enum Written {
    Literal { first: u8, prefix: u8, coded: bool, name: Vec<u8>, value: Vec<u8> },
    Again(usize),
    Resize(usize),
}

fn written() -> impl Strategy<Value = Written> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        4 => (0usize..3, any::<bool>(), octets(), octets()).prop_map(|(kind, coded, name, value)| {
            let (first, prefix) = [(0x40, 6), (0, 4), (0x10, 4)][kind];
            Written::Literal { first, prefix, coded, name, value }
        }),
        3 => (0usize..6).prop_map(Written::Again),
        1 => (0usize..400).prop_map(Written::Resize),
    ]
}

/// A table as RFC 7541 §4 describes it, without cleverness.
#[derive(Default)]
struct Model(Vec<(Vec<u8>, Vec<u8>)>, usize);

impl Model {
    fn evict(&mut self) {
        while self.0.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() > self.1 {
            self.0.pop();
        }
    }
}

proptest! {
    #[test]
    fn decoder_follows_any_encoder(sections in proptest::collection::vec(proptest::collection::vec(written(), 0..12), 0..40)) {
        let mut decoder = Decoder::default();
        let mut list = FieldList::default();
        let mut model = Model(Vec::new(), 4096);
        for section in sections {
            let (mut block, mut expected) = (Vec::new(), Vec::new());
            for field in section {
                match field {
                    Written::Resize(bytes) if expected.is_empty() => {
                        integer::write(0x20, 5, bytes, &mut block);
                        model.1 = bytes;
                        model.evict();
                    }
                    Written::Resize(_) => {}
                    Written::Again(index) => {
                        let Some(entry) = model.0.get(index) else { continue };
                        integer::write(0x80, 7, 62 + index, &mut block);
                        expected.push(entry.clone());
                    }
                    Written::Literal { first, prefix, coded, name, value } => {
                        integer::write(first, prefix, 0, &mut block);
                        for text in [&name, &value] {
                            let (flag, bytes) = if coded { (0x80, code(text)) } else { (0, text.clone()) };
                            integer::write(flag, 7, bytes.len(), &mut block);
                            block.extend(bytes);
                        }
                        if first == 0x40 {
                            model.0.insert(0, (name.clone(), value.clone()));
                            model.evict();
                        }
                        expected.push((name, value));
                    }
                }
            }
            prop_assert_eq!(decoder.decode(&block, &mut list, ROOM), Ok(()));
            let read: Vec<_> = list.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(fields in proptest::collection::vec((".{0,40}", ".{0,200}"), 0..20), status in 100u16..1000) {
        let mut block = Vec::new();
        encode::status(&status.to_string(), &mut block);
        fields.iter().for_each(|(name, value)| encode::field(name.as_bytes(), value.as_bytes(), &mut block));
        let mut expected = vec![(":status".to_owned(), status.to_string())];
        expected.extend(fields);
        prop_assert_eq!(decode(&mut Decoder::default(), &block).unwrap(), expected);
    }

    #[test]
    fn any_bytes_end_in_a_verdict(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..10)) {
        let mut decoder = Decoder::default();
        let mut list = FieldList::default();
        for block in blocks {
            if decoder.decode(&block, &mut list, Room { kept_bytes: 500, abuse_bytes: 5000 }).is_err() {
                break;
            }
            prop_assert!(list.bytes().len() <= 500);
        }
    }
}
