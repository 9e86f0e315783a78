//! Tags: what a flush of one empties, on real servers with both protocols and in this process.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use larder::{
    Bypass, Cache, CacheError, Event, Fetched, Key, KeyError, Observer, Outcome, Policy, Scope,
    ServerError, VerbEvent, with_cache,
};
use larder_testing::{Fault as Broken, Memcached, Proxy};
use tokio::sync::oneshot;

use crate::{
    clusters,
    support::{MINUTE, Origin, cache, every_store, key},
};

const PROTOCOLS: [&str; 2] = ["classic", "meta"];
const EIGHT: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

fn tagged(n: u64, tags: &[&str]) -> Key {
    key("tagged", n).with_tags(tags).unwrap()
}

async fn get(cache: &Cache, key: &Key, origin: &Origin) -> Fetched<u64> {
    let Ok(fetched) = cache.get_or_fetch(key, &MINUTE, || origin.call()).await;
    fetched
}

async fn is_hit(cache: &Cache, key: &Key) -> bool {
    get(cache, key, &Origin::default()).await.outcome() == Outcome::Hit
}

/// Two servers, and a cache on both of them for each protocol.
fn clusters(servers: &[Memcached; 2]) -> Vec<Cache> {
    let url = clusters::list(servers);
    let of = |protocol: &&str| {
        let url = format!("{url}?protocol={protocol}");
        let settings = [
            ("CACHE_URL", &*url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ];
        cache(&settings)
    };
    PROTOCOLS.iter().map(of).collect()
}

#[tokio::test]
async fn a_flush_empties_its_tag_on_every_server_and_no_other() {
    let servers = [Memcached::start(), Memcached::start()];
    let one = Memcached::start();
    for cache in clusters(&servers).into_iter().chain(every_store(&one)) {
        let of = |n: u64, tag: &str| tagged(n, &[tag, "all"]);
        let origin = Origin::default();
        let (a, b): (Vec<_>, Vec<_>) = (0..30).map(|n| (of(n, "a"), of(100 + n, "b"))).unzip();
        let plain = key("tagged", 1000);
        for key in a.iter().chain(&b).chain([&plain]) {
            assert!(!get(&cache, key, &origin).await.is_hit());
            assert!(is_hit(&cache, key).await, "{}", cache.location());
        }
        cache.flush(Scope::Tag("a")).await.unwrap();
        for (gone, left) in a.iter().zip(&b) {
            assert!(!get(&cache, gone, &origin).await.is_hit());
            assert!(is_hit(&cache, gone).await);
            assert!(is_hit(&cache, left).await, "{}", cache.location());
        }
        cache.flush(Scope::Tag("all")).await.unwrap();
        assert!(is_hit(&cache, &plain).await);
        for key in a.iter().chain(&b) {
            assert!(!get(&cache, key, &origin).await.is_hit());
        }
        cache.flush(Scope::Tag("of nothing")).await.unwrap();
        assert!(is_hit(&cache, &a[0]).await && is_hit(&cache, &b[0]).await);
    }
    for server in &servers {
        assert!(server.stat("curr_items") > 20, "no share of the entries");
    }
}

#[tokio::test]
async fn a_value_that_was_read_before_a_flush_is_not_served_after_it() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (key, origin) = (tagged(1, &["a", "b"]), Origin::default());
        let (began, has_begun) = oneshot::channel();
        let (end, ends) = oneshot::channel::<()>();
        let late = async {
            let origin = || async {
                began.send(()).unwrap();
                ends.await.unwrap();
                Ok::<_, Infallible>(1000)
            };
            cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap()
        };
        let flushed = async {
            has_begun.await.unwrap();
            cache.flush(Scope::Tag("b")).await.unwrap();
            // Nor does a caller wait for it: its lease is of the old generations.
            let fresh = get(&cache, &key, &origin).await;
            assert_eq!((*fresh, fresh.is_hit()), (1, false), "{}", cache.location());
            end.send(()).unwrap();
        };
        let (late, ()) = tokio::join!(late, flushed);
        assert_eq!(*late, 1000);
        let after = get(&cache, &key, &origin).await;
        assert_eq!((*after, after.is_hit()), (1, true), "{}", cache.location());
    }
}

/// The same if the late fill meets no newer one.
#[tokio::test]
async fn a_late_fill_stays_invisible() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (key, origin) = (tagged(1, &["a"]), Origin::default());
        let flushing = || async {
            cache.flush(Scope::Tag("a")).await.unwrap();
            Ok::<_, Infallible>(1000)
        };
        cache.get_or_fetch(&key, &MINUTE, flushing).await.unwrap();
        assert_eq!(*get(&cache, &key, &origin).await, 1, "{}", cache.location());
    }
}

#[tokio::test]
async fn the_order_of_tags_and_doubles_do_not_matter() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let one = tagged(1, &["a", "b", "c"]);
        get(&cache, &one, &Origin::default()).await;
        assert!(is_hit(&cache, &tagged(1, &["c", "a", "b", "a", "c"])).await);
        for tag in ["a", "b", "c"] {
            cache.flush(Scope::Tag(tag)).await.unwrap();
            assert!(cache.peek::<u64>(&one, &MINUTE).await.is_none());
            get(&cache, &one, &Origin::default()).await;
            assert!(is_hit(&cache, &one).await);
        }
    }
}

#[tokio::test]
async fn a_ninth_tag_and_one_of_no_allowed_length_are_refused() {
    let nine = key("tagged", 1).with_tags((0..9).map(|n| n.to_string()));
    assert_eq!(nine.unwrap_err(), KeyError::TooManyTags);
    let empty = key("tagged", 1).with_tags([""]);
    assert_eq!(empty.unwrap_err(), KeyError::Tag(0));
    let long = "x".repeat(257);
    let error = Cache::memory().flush(Scope::Tag(&long)).await.unwrap_err();
    assert!(
        matches!(error, CacheError::Key(KeyError::Tag(257))),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("257 bytes: use 1 to 256"),
        "{error}"
    );
}

#[tokio::test]
async fn releases_with_and_without_tags_miss_each_others_entries() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (plain, other) = (key("tagged", 1), tagged(1, &["a"]));
        let origin = Origin::default();
        for n in 0..3 {
            for (place, key) in [&plain, &other].into_iter().enumerate() {
                let fetched = get(&cache, key, &origin).await;
                let expected = 2 * n + place as u64 + 1;
                assert_eq!((*fetched, fetched.is_hit()), (expected, false));
                assert!(is_hit(&cache, key).await, "{}", cache.location());
            }
        }
        // What reaches both: the key, the name, the namespace. A tag does not.
        get(&cache, &plain, &origin).await;
        cache.flush(Scope::Tag("a")).await.unwrap();
        assert!(is_hit(&cache, &plain).await);
        cache.invalidate(&other).await.unwrap();
        assert!(cache.peek::<u64>(&plain, &MINUTE).await.is_none());
        get(&cache, &other, &origin).await;
        cache.flush(Scope::Name("tagged")).await.unwrap();
        assert!(cache.peek::<u64>(&other, &MINUTE).await.is_none());
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_and_its_entries_are_not_flushed() {
    let servers = [Memcached::start(), Memcached::start()];
    for cache in clusters(&servers) {
        let keys: Vec<_> = (0..20).map(|n| tagged(n, &["a"])).collect();
        for key in &keys {
            get(&cache, key, &Origin::default()).await;
        }
        servers[1].stop();
        let error = cache.flush(Scope::Tag("a")).await.unwrap_err();
        servers[1].resume();
        let CacheError::Unacknowledged(failed) = &error else {
            panic!("{error}")
        };
        let named: Vec<_> = failed.iter().map(ServerError::server).collect();
        assert_eq!(named, [format!("127.0.0.1:{}", servers[1].port())]);
        cache.flush(Scope::Tag("a")).await.unwrap();
        for key in &keys {
            assert!(!is_hit(&cache, key).await);
        }
    }
}

#[tokio::test]
async fn an_acknowledged_flush_is_final_for_near_copies_too() {
    const NEAR: Policy = MINUTE.near(std::time::Duration::from_millis(300));
    let server = Memcached::start();
    for protocol in PROTOCOLS {
        let url = format!("{}?protocol={protocol}", server.url());
        let on = || {
            cache(&[
                ("CACHE_URL", &url),
                ("CACHE_BUDGET_MS", "10000"),
                ("CACHE_NEAR", "on"),
            ])
        };
        let (reader, writer, origin) = (on(), on(), Origin::default());
        let key = tagged(1, &["a", protocol]);
        let get = async || {
            let fetched = reader.get_or_fetch(&key, &NEAR, || origin.call()).await;
            fetched.unwrap()
        };
        for _ in 0..3 {
            let mut held = get().await;
            for _ in 0..3000 {
                if held.is_near() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                held = get().await;
            }
            assert!(held.is_near(), "{protocol}: no copy is made");
            writer.flush(Scope::Tag("a")).await.unwrap();
            assert_ne!(*get().await, *held, "{protocol}");
        }
    }
}

#[tokio::test]
async fn a_hit_with_eight_tags_is_one_round_trip() {
    let server = Memcached::start();
    for protocol in PROTOCOLS {
        let proxy = Proxy::start(server.port(), 1, Broken::default()).await;
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ]);
        let key = tagged(1, &EIGHT);
        get(&cache, &key, &Origin::default()).await;
        assert!(is_hit(&cache, &key).await);
        let asked = proxy.exchanges();
        for _ in 0..20 {
            assert!(is_hit(&cache, &key).await, "{protocol}");
        }
        assert_eq!(proxy.exchanges() - asked, 20, "{protocol}");
    }
}

#[tokio::test]
async fn verbs_of_one_key_keep_its_tags() {
    const STALE: Policy = MINUTE.stale_while_revalidate(std::time::Duration::from_secs(60));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (key, origin) = (tagged(1, &["a", "b"]), Origin::default());
        let there = async || {
            cache
                .peek::<u64>(&key, &STALE)
                .await
                .map(Fetched::into_inner)
        };
        cache.put(&key, &STALE, &100_u64).await.unwrap();
        assert_eq!(there().await, Some(100), "{}", cache.location());
        cache.flush(Scope::Tag("a")).await.unwrap();
        assert_eq!(there().await, None);
        cache.put(&key, &STALE, &200_u64).await.unwrap();
        cache.expire(&key, &STALE).await.unwrap();
        assert_eq!(there().await, Some(200));
        let Ok(fresh) = cache.refresh(&key, &STALE, || origin.call()).await;
        assert_eq!(*fresh, 1);
        assert_eq!(there().await, Some(1));
        cache.expire(&key, &STALE).await.unwrap();
        cache.flush(Scope::Tag("b")).await.unwrap();
        assert_eq!(there().await, None, "{}", cache.location());
    }
}

#[tokio::test]
async fn many_keys_in_one_call_have_tags_of_their_own() {
    let servers = [Memcached::start(), Memcached::start()];
    let one = Memcached::start();
    for cache in clusters(&servers).into_iter().chain(every_store(&one)) {
        // More than fit into one exchange, and some that all of them have.
        let keyed = |n: u64| {
            let own = (0..6).map(|tag| format!("{n}:{tag}"));
            let tags = own.chain([format!("group {}", n % 3), "all".to_owned()]);
            (key("tagged", n).with_tags(tags).unwrap(), n)
        };
        let keyed: Vec<_> = (0..300).map(keyed).collect();
        let called = Mutex::new(Vec::<u64>::new());
        let get = async || {
            let origin = async |missing: Vec<u64>| {
                called.lock().unwrap().extend(&missing);
                Ok::<_, Infallible>(missing.into_iter().map(|n| (n, n)))
            };
            let all = cache
                .get_or_fetch_many(keyed.clone(), &MINUTE, origin)
                .await;
            assert_eq!(all.unwrap().len(), 300);
            let mut called = std::mem::take(&mut *called.lock().unwrap());
            called.sort_unstable();
            called
        };
        assert_eq!(get().await.len(), 300);
        assert!(get().await.is_empty(), "{}", cache.location());
        cache.flush(Scope::Tag("group 1")).await.unwrap();
        let expected: Vec<u64> = (0..300).filter(|n| n % 3 == 1).collect();
        assert_eq!(get().await, expected, "{}", cache.location());
        cache.flush(Scope::Tag("17:3")).await.unwrap();
        assert_eq!(get().await, [17_u64]);
    }
}

/// Callers who share an exchange, among them some who know one key with other tags.
#[tokio::test]
async fn callers_of_one_key_with_other_tags_each_get_its_value() {
    let server = Memcached::start();
    for protocol in PROTOCOLS {
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ]);
        let calls = (0..400_u64).map(|n| {
            let (cache, tags) = (cache.clone(), &EIGHT[..(n % 9) as usize]);
            let key = tagged(n % 40, tags);
            async move {
                let origin = || async { Ok::<_, Infallible>(n % 40) };
                let fetched = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
                assert_eq!(*fetched, n % 40);
            }
        });
        futures_util::future::join_all(calls).await;
        assert_eq!(cache.stats().failures, Default::default(), "{protocol}");
    }
}

struct Report {
    tenant: String,
}

impl Report {
    #[larder::cached(
        "tagged-report",
        ttl = "60s",
        key = (&self.tenant, year),
        tags("tenant:{self.tenant}", "{{year}}:{year:05}")
    )]
    pub(crate) async fn total(&self, year: u16) -> u64 {
        u64::from(year)
    }
}

#[larder::cached("tagged-user", ttl = "60s", skip(_db), tags("tenant:{tenant}"))]
async fn user(tenant: &str, id: u64, _db: &mut Vec<u8>) -> Result<Option<u64>, Infallible> {
    Ok((!tenant.is_empty()).then_some(id))
}

trait Totals {
    async fn sum(&self, year: u16) -> u16;
}

impl Totals for Report {
    #[larder::cached("tagged-sum", ttl = "60s", key = (self.tenant, year), tags("sum:{year}"))]
    async fn sum(&self, year: u16) -> u16 {
        year
    }
}

#[tokio::test]
async fn the_attribute_writes_tags_of_arguments_and_fields() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        with_cache(cache.clone(), async {
            let report = |tenant: &str| Report {
                tenant: tenant.to_owned(),
            };
            let (a, b) = (report("a"), report("b"));
            let mut db = Vec::new();
            for report in [&a, &b] {
                report.total(2026).await;
                user(&report.tenant, 7, &mut db).await.unwrap();
            }
            cache.flush(Scope::Tag("tenant:a")).await.unwrap();
            assert!(a.total_peek(2026).await.is_none());
            assert!(user::peek("a", 7).await.is_none());
            assert!(b.total_peek(2026).await.is_some());
            assert!(user::peek("b", 7).await.is_some());
            cache.flush(Scope::Tag("{year}:02026")).await.unwrap();
            assert!(b.total_peek(2026).await.is_none());
            user::put("a", 7, &Some(9)).await.unwrap();
            assert_eq!(user("a", 7, &mut db).await, Ok(Some(9)));
            let calls = cache.stats().miss;
            for expected in [1, 1] {
                a.sum(2026).await;
                assert_eq!(cache.stats().miss - calls, expected);
            }
            cache.flush(Scope::Tag("sum:2026")).await.unwrap();
            a.sum(2026).await;
            assert_eq!(cache.stats().miss - calls, 2);
            // One that is too long is a mistake like a key's: the origin answers.
            let long = "x".repeat(300);
            let fetched = user::fetch(&long, 7, &mut db).await.unwrap();
            assert_eq!(fetched.outcome(), Outcome::Bypassed(Bypass::Key));
            let error = user::invalidate(&long, 7).await.unwrap_err();
            assert!(matches!(error, CacheError::Key(KeyError::Tag(307))));
        })
        .await;
    }
}

#[derive(Default)]
struct Flushes(Mutex<Vec<(Option<String>, Option<String>)>>);

impl Observer for Flushes {
    fn ended(&self, _: &Event<'_>) {}

    fn verb_ended(&self, event: &VerbEvent<'_>) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut all = self.0.lock().unwrap();
        all.push((owned(event.name), owned(event.tag)));
    }
}

#[tokio::test]
async fn an_observer_sees_the_tag() {
    let flushes = Arc::new(Flushes::default());
    let cache = Cache::builder().memory().observer(flushes.clone());
    let cache = cache.build().unwrap();
    cache.flush(Scope::Tag("a")).await.unwrap();
    cache.flush(Scope::All).await.unwrap();
    let seen = flushes.0.lock().unwrap().clone();
    assert_eq!(seen, [(None, Some("a".to_owned())), (None, None)]);
}
