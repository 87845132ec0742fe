use proptest::prelude::*;
use seawall_http::{ClientSource, UnixTime};

use super::*;
use crate::refusal::{Bound, OriginFault};

const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

fn facts() -> ReceiptFacts {
    ReceiptFacts {
        time: UnixTime::from_secs(1_790_000_000),
        stamp: Stamp { process: 0xa5, sequence: 17 },
        cause: ReceiptCause::Limit { revision: 42 },
        count: 101,
        bound: 100,
        source: ClientSource::Field,
    }
}

fn any_cause() -> impl Strategy<Value = ReceiptCause> {
    prop_oneof![
        (0..=layout::REVISION_MAX).prop_map(|revision| ReceiptCause::Rule { revision }),
        (0..=layout::REVISION_MAX).prop_map(|revision| ReceiptCause::Limit { revision }),
        prop::sample::select(&Bound::ALL[..]).prop_map(ReceiptCause::Bound),
        Just(ReceiptCause::Malformed),
        Just(ReceiptCause::NoSite),
        prop::sample::select(&OriginFault::ALL[..]).prop_map(ReceiptCause::Origin),
    ]
}

fn any_source() -> impl Strategy<Value = ClientSource> {
    prop::sample::select(vec![
        ClientSource::Peer,
        ClientSource::Field,
        ClientSource::HopWithoutField,
        ClientSource::HopMalformedField,
        ClientSource::AllTrusted,
        ClientSource::SuspectedIntermediary,
    ])
}

fn any_facts() -> impl Strategy<Value = ReceiptFacts> {
    let stamp = (any::<u8>(), 0..=layout::SEQUENCE_MAX);
    (any::<u32>(), stamp, any_cause(), 0..=1024_u64, 0..=1024_u64, any_source()).prop_map(
        |(secs, (process, sequence), cause, count, bound, source)| ReceiptFacts {
            time: UnixTime::from_secs(u64::from(secs)),
            stamp: Stamp { process, sequence },
            cause,
            count,
            bound,
            source,
        },
    )
}

/// A fixed stream of pseudo-random bits (SplitMix64), so that the guesses are the same in every run.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

proptest! {
    #[test]
    fn every_field_comes_back(facts in any_facts(), key: [u8; KEY_BYTES]) {
        let sealer = Sealer::new(key);
        prop_assert_eq!(sealer.open(sealer.seal(&facts).as_str()), Ok(facts));
    }

    #[test]
    fn another_key_opens_nothing(facts in any_facts(), mine: [u8; KEY_BYTES], other: [u8; KEY_BYTES]) {
        prop_assume!(mine != other);
        let receipt = Sealer::new(mine).seal(&facts);
        prop_assert_eq!(Sealer::new(other).open(receipt.as_str()), Err(ReceiptError::NotSealed));
    }

    #[test]
    fn no_text_panics_or_opens(text in ".{0,80}") {
        prop_assert!(Sealer::new(KEY).open(&text).is_err());
    }
}

#[test]
fn a_receipt_is_spelled_like_this() {
    // The format is a promise to everyone who wrote one down: this line changes with the version letter only.
    let receipt = Sealer::new(KEY).seal(&facts());
    insta::assert_snapshot!(receipt, @"SZYATS98ZY93JBZEESQ3KAJ76WVN92QV7PBHKR5WSECDP8GGE0GF");
    assert_eq!(receipt.as_str().len(), RECEIPT_CHARS);
}

#[test]
fn people_may_type_it_their_way() {
    let sealer = Sealer::new(KEY);
    let receipt = sealer.seal(&facts());
    let lower = receipt.as_str().to_lowercase().replace('0', "o").replace('1', "l");
    assert_eq!(sealer.open(&lower), Ok(facts()));
    let upper = receipt.as_str().replace('0', "O").replace('1', "I");
    assert_eq!(sealer.open(&upper), Ok(facts()));
    let groups: Vec<String> =
        receipt.as_str().as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into()).collect();
    assert_eq!(sealer.open(&format!(" {}\n", groups.join("-"))), Ok(facts()));
    assert_eq!(sealer.open(&groups.join("  ")), Ok(facts()));
}

#[test]
fn every_single_wrong_character_is_noticed_as_such() {
    let sealer = Sealer::new(KEY);
    let receipt = sealer.seal(&facts());
    for position in 0..RECEIPT_CHARS {
        for value in 0..32 {
            let mut text: Vec<char> = receipt.as_str().chars().collect();
            let wrong = char::from(crockford::character(value));
            if text[position] == wrong {
                continue;
            }
            text[position] = wrong;
            let text: String = text.into_iter().collect();
            assert_eq!(sealer.open(&text), Err(ReceiptError::Mistyped), "{text}");
        }
    }
}

#[test]
fn every_swap_of_neighbours_is_noticed_as_such() {
    let sealer = Sealer::new(KEY);
    let receipt = sealer.seal(&facts());
    for position in 1..RECEIPT_CHARS {
        let mut text: Vec<char> = receipt.as_str().chars().collect();
        if text[position - 1] == text[position] {
            continue;
        }
        text.swap(position - 1, position);
        let text: String = text.into_iter().collect();
        assert_eq!(sealer.open(&text), Err(ReceiptError::Mistyped), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_text_is_said() {
    let sealer = Sealer::new(KEY);
    let text = sealer.seal(&facts()).as_str().to_owned();
    assert_eq!(sealer.open(""), Err(ReceiptError::Length { found: 0 }));
    assert_eq!(sealer.open(&text[..51]), Err(ReceiptError::Length { found: 51 }));
    assert_eq!(sealer.open(&format!("{text}0")), Err(ReceiptError::Length { found: 53 }));
    assert_eq!(sealer.open(&"0".repeat(10_000)), Err(ReceiptError::Length { found: TEXT_BYTES_MAX }));
    let odd = format!("{}u{}", &text[..5], &text[6..]);
    assert_eq!(sealer.open(&odd), Err(ReceiptError::Character { position: 6, character: 'u' }));
    let wide = format!("{}é{}", &text[..5], &text[6..]);
    assert_eq!(sealer.open(&wide), Err(ReceiptError::Character { position: 6, character: 'é' }));
}

#[test]
fn another_version_is_told_from_a_wrong_character() {
    let mut values = [0; RECEIPT_CHARS];
    values[0] = crockford::value(b'T').unwrap();
    values[RECEIPT_CHARS - 1] = crockford::check(&values[..RECEIPT_CHARS - 1]);
    let text: String = values.into_iter().map(|value| char::from(crockford::character(value))).collect();
    assert_eq!(Sealer::new(KEY).open(&text), Err(ReceiptError::Version));
}

#[test]
fn equal_facts_give_different_receipts_in_sequence() {
    let sealer = Sealer::new(KEY);
    let mut facts = facts();
    let first = sealer.seal(&facts);
    assert_eq!(first, sealer.seal(&facts));
    facts.stamp = facts.stamp.next();
    assert_ne!(first, sealer.seal(&facts));
    let mut stamp = Stamp { process: 1, sequence: 0 };
    for _ in 0..=layout::SEQUENCE_MAX {
        stamp = stamp.next();
    }
    assert_eq!(stamp, Stamp { process: 1, sequence: 0 });
}

#[test]
fn a_million_guesses_open_nothing() {
    let sealer = Sealer::new(KEY);
    let mut state = 1;
    let mut sealed = [0; SEALED_BYTES];
    // In a debug build the cipher is a hundred times slower; the law is the same.
    let guesses = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
    for _ in 0..guesses {
        for chunk in sealed.chunks_mut(8) {
            chunk.copy_from_slice(&draw(&mut state).to_be_bytes()[..chunk.len()]);
        }
        let guess = Receipt(spell(&sealed));
        assert_eq!(sealer.open(guess.as_str()), Err(ReceiptError::NotSealed), "{guess}");
    }
}

#[test]
fn a_known_answer_of_rfc_5297_holds_for_the_cipher() {
    // RFC 5297 §A.1, to know that the crate is what it says.
    let key: [u8; 32] = std::array::from_fn(|n| match n {
        0..16 => 0xff - n as u8,
        _ => 0xf0 + (n as u8 - 16),
    });
    let header: [u8; 24] = std::array::from_fn(|n| 0x10 + n as u8);
    let mut text = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee];
    let tag = <Aes128Siv as aes_siv::KeyInit>::new((&key).into())
        .encrypt_in_place_detached([header], &mut text)
        .unwrap();
    assert_eq!(tag[..4], [0x85, 0x63, 0x2d, 0x07]);
    assert_eq!(text[..4], [0x40, 0xc0, 0x2b, 0x96]);
}
