use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use seawall_http::UnixTime;
use seawall_storm::CacheResult;

use super::Synthetic;
use crate::exchange::Exchange;
use crate::rng::Rng;
use crate::source::Source;
use crate::world::World;

/// 1 January 2024, a Monday.
const FROM: UnixTime = UnixTime::from_secs(1_704_067_200);

fn play(rate: f64, seconds: u64, seed: u64) -> Vec<Exchange> {
    let rng = Rng::new(seed);
    let world = Rc::new(RefCell::new(World::new(1000, &rng)));
    let mut traffic = Synthetic::new(&world, rate, FROM, &rng);
    let until = UnixTime(FROM.0 + seconds * 1000);
    std::iter::from_fn(|| traffic.next()).take_while(|exchange| exchange.at < until).collect()
}

#[test]
fn traffic_is_in_order_and_the_same_for_the_same_seed() {
    let (one, two) = (play(5.0, 600, 3), play(5.0, 600, 3));
    assert!(one.is_sorted_by_key(|exchange| exchange.at));
    let key = |exchange: &Exchange| {
        (exchange.at, exchange.client, exchange.path.clone(), exchange.reply.bytes, exchange.headers.shape)
    };
    assert!(one.iter().map(key).eq(two.iter().map(key)));
    assert!(!one.iter().map(key).eq(play(5.0, 600, 4).iter().map(key)));
}

#[test]
fn a_day_has_about_the_rate_that_was_asked_for() {
    for seed in 1..4 {
        let traffic = play(2.0, 86_400, seed);
        let rate = traffic.len() as f64 / 86_400.0;
        assert!((1.6..2.5).contains(&rate), "{rate}");
    }
}

#[test]
fn readers_fetch_parts_send_referers_and_are_answered_by_the_cache() {
    let traffic = play(20.0, 3600, 2);
    let share = |is: &dyn Fn(&Exchange) -> bool| {
        traffic.iter().filter(|exchange| is(exchange)).count() as f64 / traffic.len() as f64
    };
    let hits = share(&|exchange| exchange.reply.cache == CacheResult::Hit);
    assert!((0.5..0.95).contains(&hits), "{hits}");
    let referers = share(&|exchange| exchange.referer.is_some());
    assert!((0.4..0.9).contains(&referers), "{referers}");
    let posts = share(&|exchange| exchange.method == "POST");
    assert!((0.001..0.05).contains(&posts), "{posts}");
    let clients: HashSet<_> = traffic.iter().map(|exchange| exchange.client).collect();
    assert!((2000..20_000).contains(&clients.len()), "{}", clients.len());
}
