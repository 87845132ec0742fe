//! A law: however an origin cuts its content, and whoever leaves meanwhile, every reader gets the origin's bytes, and so
//! does everybody afterwards from the store.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::client::Client;
use crate::edge::{Edge, eventually};
use crate::origin::Origin;

/// One response, and who reads it.
#[derive(Clone, Debug)]
struct Case {
    content: Vec<u8>,
    /// Where the origin cuts it, by share of the whole.
    cuts: Vec<prop::sample::Index>,
    is_chunked: bool,
    /// After how many bytes of the response each reader leaves, if it does.
    readers: Vec<Option<usize>>,
    range: (prop::sample::Index, prop::sample::Index),
}

fn case() -> impl Strategy<Value = Case> {
    let content = (0_usize..200_000, any::<u8>())
        .prop_map(|(length, seed)| (0..length).map(|at| (at / 3) as u8 ^ seed).collect());
    let readers = prop::collection::vec(prop::option::of(0_usize..60_000), 1..5);
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    (content, cuts, any::<bool>(), readers, any::<(prop::sample::Index, prop::sample::Index)>()).prop_map(
        |(content, cuts, is_chunked, readers, range)| Case { content, cuts, is_chunked, readers, range },
    )
}

impl Case {
    fn pieces(&self) -> Vec<&[u8]> {
        let mut cuts: Vec<usize> = self.cuts.iter().map(|cut| cut.index(self.content.len() + 1)).collect();
        cuts.extend([0, self.content.len()]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|ends| &self.content[ends[0]..ends[1]])
            .filter(|piece| !piece.is_empty())
            .collect()
    }
}

fn origin(case: &Arc<Mutex<Option<Case>>>) -> Origin {
    let case = Arc::clone(case);
    Origin::start(move |side| {
        while side.request().is_some() {
            let case = case.lock().unwrap().clone().unwrap();
            let framing = match case.is_chunked {
                true => "Transfer-Encoding: chunked".to_owned(),
                false => format!("Content-Length: {}", case.content.len()),
            };
            side.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nETag: \"1\"\r\n{framing}\r\n\r\n"
            ));
            for piece in case.pieces() {
                if case.is_chunked {
                    side.send(format!("{:x}\r\n", piece.len()));
                }
                side.send(piece);
                if case.is_chunked {
                    side.send("\r\n");
                }
                std::thread::yield_now();
            }
            if case.is_chunked {
                side.send("0\r\n\r\n");
            }
        }
    })
}

#[test]
fn streamed_and_stored_content_is_the_origins() {
    let current = Arc::new(Mutex::new(None));
    let origin = origin(&current);
    let edge = Edge::with_workers(&origin, "", 2);
    let number = std::cell::Cell::new(0);
    let law = |case: Case| {
        *current.lock().unwrap() = Some(case.clone());
        number.set(number.get() + 1);
        let path = format!("/{}", number.get());
        let get = |fields: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut readers: Vec<(Option<usize>, Client)> =
            case.readers.iter().map(|leaves| (*leaves, edge.connect())).collect();
        for (_, client) in &mut readers {
            client.send(get(""));
        }
        for (leaves, mut client) in readers {
            match leaves {
                Some(bytes) => drop(client.try_exactly(bytes.min(case.content.len()))),
                None => {
                    let response = client.response();
                    prop_assert!(response.is_whole, "{}", response.head);
                    prop_assert_eq!(&response.content, &case.content);
                }
            }
        }
        eventually("no fetch is under way", || edge.shared.cache.flights() == 0);
        let stored = edge.connect().ask(get(""));
        prop_assert!(stored.is_whole);
        prop_assert_eq!(&stored.content, &case.content);
        let length = case.content.len();
        if length > 0 {
            let (first, second) = (case.range.0.index(length), case.range.1.index(length));
            let (from, to) = (first.min(second), first.max(second));
            let part = edge.connect().ask(get(&format!("Range: bytes={from}-{to}\r\n")));
            prop_assert_eq!(part.status, 206);
            prop_assert_eq!(&part.content, &case.content[from..=to]);
        }
        Ok(())
    };
    TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() })
        .run(&case(), law)
        .unwrap();
}
