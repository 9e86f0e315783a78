use std::{
    collections::HashMap,
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use larder::{Bypass, Cache, CacheError, Fetched, Fill, Key, Outcome, with_cache};
use larder_testing::{Fault, Memcached, Proxy};
use serde::{Serialize, de::DeserializeOwned};

use super::{Tens, count};
use crate::support::{cache, every_store};

/// With what the origin of one key does not need, and that of many does.
#[larder::cached(
    "listed-tens",
    ttl = "60s",
    near = "2s",
    skip(_to, origin),
    cache = _to,
    many = |numbers| origin.of(numbers)
)]
async fn tens(n: u64, _to: &Cache, origin: &Tens) -> Result<u64, Infallible> {
    Ok(origin.of(vec![n]).await?[&n])
}

#[tokio::test]
async fn the_companions_for_many_keys_do_what_those_for_one_do() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (at, origin) = (cache.location(), Tens::default());
        let fetched = tens::fetch_many(&cache, &origin, vec![1, 2, 1])
            .await
            .unwrap();
        assert_eq!(count(&fetched, Outcome::Miss(Fill::Stored)), 2, "{at}");
        assert_eq!((*fetched[&1], *fetched[&2]), (10, 20), "{at}");
        assert!(tens::fetch(2, &cache, &origin).await.unwrap().is_hit());
        tens::put_many(&cache, vec![(2, &21), (3, &31)])
            .await
            .unwrap();
        let fetched = tens::fetch_many(&cache, &origin, vec![1, 2, 3])
            .await
            .unwrap();
        assert_eq!(count(&fetched, Outcome::Hit), 3, "{at}");
        assert_eq!((*fetched[&2], *fetched[&3]), (21, 31), "{at}");
        tens::invalidate_many(&cache, vec![2, 3]).await.unwrap();
        assert!(tens::peek(1, &cache).await.is_some(), "{at}");
        assert!(tens::peek(2, &cache).await.is_none(), "{at}");
        assert!(tens::peek(3, &cache).await.is_none(), "{at}");
        tens::invalidate_many(&cache, vec![]).await.unwrap();
        let none = tens::fetch_many(&cache, &origin, vec![]).await.unwrap();
        assert!(none.is_empty());
        assert_eq!(origin.asked(), [vec![1, 2]], "{at}");
    }
}

/// Of a hundred keys sixty have near copies, thirty are on the servers, and ten are missing.
#[tokio::test]
async fn what_is_near_is_not_asked_for_and_what_is_missing_is_one_origin_call() {
    let servers = [Memcached::start(), Memcached::start()];
    let mut proxies = Vec::new();
    for server in &servers {
        proxies.push(Proxy::start(server.port(), 1, Fault::default()).await);
    }
    let hosts: Vec<_> = proxies
        .iter()
        .map(|proxy| proxy.url().replace("memcached://", ""))
        .collect();
    let url = format!("memcached://{}?protocol=meta", hosts.join(","));
    let wide = ("CACHE_BUDGET_MS", "10000");
    let near = cache(&[("CACHE_URL", &url), wide, ("CACHE_NEAR", "on")]);
    let other = cache(&[("CACHE_URL", &url), wide]);
    let (filler, origin) = (Tens::default(), Tens::default());
    let warm = 0..60;
    tens::fetch_many(&other, &filler, warm.clone().collect())
        .await
        .unwrap();
    // A copy lives two seconds at most: where the machine is slower, once more, with other keys.
    for attempt in 1..50 {
        let (stored, missing) = (attempt * 1000..attempt * 1000 + 30, attempt * 1000 + 30..);
        let missing = missing.take(10);
        tens::fetch_many(&other, &filler, stored.clone().collect())
            .await
            .unwrap();
        let copied = loop {
            let copied = tens::fetch_many(&near, &filler, warm.clone().collect())
                .await
                .unwrap();
            if copied.values().all(Fetched::is_near) {
                break copied;
            }
        };
        assert_eq!(copied.len(), 60);
        let before: Vec<_> = proxies.iter().map(Proxy::exchanges).collect();
        let asked = origin.asked().len();
        let all = warm.clone().chain(stored).chain(missing.clone());
        let fetched = tens::fetch_many(&near, &origin, all.collect())
            .await
            .unwrap();
        let exchanges = proxies.iter().map(Proxy::exchanges).zip(before);
        let exchanges: Vec<_> = exchanges.map(|(after, before)| after - before).collect();
        assert_eq!(fetched.len(), 100);
        assert_eq!(count(&fetched, Outcome::Miss(Fill::Stored)), 10);
        assert_eq!(count(&fetched, Outcome::Hit), 90);
        assert!(fetched.iter().all(|(n, value)| **value == n * 10));
        let asked = origin.asked()[asked..].to_vec();
        assert_eq!(asked.len(), 1, "one origin call");
        assert_eq!(asked[0].len(), 10);
        if fetched.values().filter(|one| one.is_near()).count() == 60 {
            // The lookup of all, and the fill of what was missing.
            assert_eq!(exchanges, [2, 2]);
            return;
        }
    }
    panic!("no copy lived long enough");
}

/// A value for each, and not in a `Result`.
async fn lengths(texts: Vec<(&str, u8)>) -> Vec<((&str, u8), usize)> {
    let length = |(text, times): (&str, u8)| text.len() * usize::from(times);
    texts.into_iter().map(|key| (key, length(key))).collect()
}

#[larder::cached("listed-length", ttl = "60s", many = lengths)]
async fn length(text: &str, times: u8) -> usize {
    text.len() * usize::from(times)
}

#[tokio::test]
async fn several_arguments_are_a_tuple() {
    with_cache(Cache::memory(), async {
        let text = String::from("ñandú");
        let keys = [(text.as_str(), 1), (text.as_str(), 2), ("", 2)];
        let fetched = length::fetch_many(keys.to_vec()).await;
        assert_eq!((*fetched[&keys[0]], *fetched[&keys[1]]), (7, 14));
        assert!(length::fetch(&text, 2).await.is_hit());
        length::put_many(vec![((text.as_str(), 1), &9)])
            .await
            .unwrap();
        assert_eq!(length(&text, 1).await, 9);
        length::invalidate_many(keys.to_vec()).await.unwrap();
        assert!(length::peek(&text, 1).await.is_none());
    })
    .await;
}

struct Shop {
    tenant: String,
    asked: AtomicUsize,
}

impl Shop {
    #[larder::cached(
        "listed-price",
        ttl = "60s",
        key = (self.tenant, article),
        many = |articles| self.prices(articles)
    )]
    pub(crate) async fn price(&self, article: u32) -> Result<u32, String> {
        Ok(article * 100)
    }

    async fn prices(&self, articles: Vec<u32>) -> Result<HashMap<u32, u32>, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match articles.contains(&0) {
            true => Err("no article 0".to_owned()),
            false => Ok(articles.into_iter().map(|a| (a, a * 100)).collect()),
        }
    }
}

#[tokio::test]
async fn a_method_has_them_too_and_an_error_is_the_origins() {
    let shop = |tenant: &str| Shop {
        tenant: tenant.to_owned(),
        asked: AtomicUsize::new(0),
    };
    let (one, other) = (shop("a"), shop("b"));
    with_cache(Cache::memory(), async {
        let prices = one.price_fetch_many(vec![7, 8]).await.unwrap();
        assert_eq!((*prices[&7], *prices[&8]), (700, 800));
        assert!(one.price_fetch(7).await.unwrap().is_hit());
        assert!(!other.price_fetch(7).await.unwrap().is_hit());
        one.price_invalidate_many(vec![7]).await.unwrap();
        other.price_put_many(vec![(7, &1)]).await.unwrap();
        let prices = other.price_fetch_many(vec![7, 8]).await.unwrap();
        assert_eq!((*prices[&7], *prices[&8]), (1, 800));
        let error = one.price_fetch_many(vec![0, 7]).await.unwrap_err();
        assert_eq!(error, "no article 0");
    })
    .await;
    assert_eq!(one.asked.load(Ordering::Relaxed), 2);
}

trait Row: Serialize + DeserializeOwned + Send {
    const TABLE: &'static str;
    fn load(id: u64) -> Self;
}

impl Row for String {
    const TABLE: &'static str = "text";
    fn load(id: u64) -> Self {
        id.to_string()
    }
}

async fn rows<R: Row>(ids: Vec<u64>) -> Result<Vec<(u64, R)>, Infallible> {
    Ok(ids.into_iter().map(|id| (id, R::load(id))).collect())
}

#[larder::cached("listed-row", ttl = "60s", key = id, types = R::TABLE, many = rows::<R>)]
async fn row<R: Row>(id: u64) -> Result<R, Infallible> {
    Ok(R::load(id))
}

#[tokio::test]
async fn a_generic_function_has_them_too() {
    with_cache(Cache::memory(), async {
        let Ok(rows) = row::fetch_many::<String>(vec![7]).await;
        assert_eq!(*rows[&7], "7");
        assert!(row::fetch::<String>(7).await.unwrap().is_hit());
        row::invalidate_many::<String>(vec![7]).await.unwrap();
        assert!(row::peek::<String>(7).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn without_a_cache_each_argument_is_asked_once_and_verbs_are_errors() {
    let origin = Tens::default();
    let fetched = tens::fetch_many(&Cache::null(), &origin, vec![1, 2, 1])
        .await
        .unwrap();
    assert_eq!(count(&fetched, Outcome::Bypassed(Bypass::Disabled)), 2);
    assert_eq!(origin.asked(), [[1, 2]]);
    // No cache at all.
    let fetched = length::fetch_many(vec![("a", 1), ("b", 1), ("a", 1)]).await;
    assert_eq!(fetched.len(), 2);
    let bypassed = |one: &Fetched<usize>| one.outcome() == Outcome::Bypassed(Bypass::Disabled);
    assert!(fetched.values().all(bypassed));
    let not_installed = Err(CacheError::NotInstalled);
    assert_eq!(length::invalidate_many(vec![("a", 1)]).await, not_installed);
    assert_eq!(length::put_many(vec![(("a", 1), &1)]).await, not_installed);
}

#[tokio::test]
async fn an_error_has_a_line_for_each_key() {
    let down = cache(&[("CACHE_URL", "memcached://127.0.0.1:1")]);
    let invalidated = tens::invalidate_many(&down, vec![1, 2]).await;
    let put = tens::put_many(&down, vec![(1, &10), (2, &20)]).await;
    for result in [invalidated, put] {
        let Err(CacheError::Unacknowledged(servers)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(servers.len(), 2);
    }
    let (key, none) = (Key::new("listed-none", &()).unwrap(), None::<u64>);
    let policy = crate::support::MINUTE;
    let refused = Cache::memory().put_many(vec![(key, none)], &policy).await;
    assert!(matches!(refused, Err(CacheError::Value(_))), "{refused:?}");
}

/// They run in tasks of their own.
#[tokio::test]
async fn their_futures_are_send() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let (cache, origin) = (Cache::memory(), Tens::default());
    let fetched = is_send(tens::fetch_many(&cache, &origin, vec![1])).await;
    assert_eq!(*fetched.unwrap()[&1], 10);
    is_send(tens::put_many(&cache, vec![(1, &10)]))
        .await
        .unwrap();
    is_send(tens::invalidate_many(&cache, vec![1]))
        .await
        .unwrap();
    is_send(with_cache(cache, length::fetch_many(vec![("a", 1)]))).await;
}
