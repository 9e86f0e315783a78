use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use larder::{
    BreakerChange, BreakerState, Bypass, Cache, Event, Fill, Observer, Outcome, Policy, Scope,
};
use larder_testing::Memcached;
use tracing::{
    Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::{MINUTE, Origin, alone, every_store, key};

#[tokio::test]
async fn leases_bytes_and_time_saved_are_counted_for_each_function() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, one) = (Origin::default(), key("one", 1));
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            origin.call().await
        };
        let calls = (0..3).map(|_| cache.get_or_fetch(&one, &MINUTE, slow));
        futures_util::future::join_all(calls).await;
        let stats = cache.stats();
        let place = cache.location();
        assert_eq!(
            (stats.lease_won, stats.lease_waited, stats.lease_taken_over),
            (1, 2, 0),
            "{place}"
        );
        assert_eq!(
            (stats.miss, stats.stored, stats.collapsed),
            (1, 1, 2),
            "{place}"
        );
        assert!(stats.bytes_written > 100 && stats.origin_time >= Duration::from_millis(100));
        let (read, saved) = (stats.bytes_read, stats.origin_time_saved);
        assert!(
            cache
                .get_or_fetch(&one, &MINUTE, slow)
                .await
                .unwrap()
                .is_hit()
        );
        let stats = cache.stats();
        assert_eq!(stats.bytes_read - read, stats.bytes_written, "{place}");
        assert!(
            stats.origin_time_saved - saved >= Duration::from_millis(100),
            "{place}"
        );

        // The entry is from before the flush, and is taken over.
        cache.flush(Scope::Name("one")).await.unwrap();
        cache
            .get_or_fetch(&one, &MINUTE, || origin.call())
            .await
            .unwrap();
        let keyed = [1, 2].map(|n| (key("two", n), n));
        let two = |missing: Vec<u64>| async {
            Ok::<_, Infallible>(missing.into_iter().map(|n| (n, n)).collect::<Vec<_>>())
        };
        for _ in 0..2 {
            cache
                .get_or_fetch_many(keyed.clone(), &MINUTE, two)
                .await
                .unwrap();
        }
        let by_name = cache.stats_by_name();
        assert_eq!(by_name.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(
            (by_name["one"].lease_won, by_name["one"].lease_taken_over),
            (2, 1),
            "{place}"
        );
        let two = by_name["two"];
        assert_eq!(
            (two.lease_won, two.miss, two.stored, two.hit),
            (2, 2, 2, 2),
            "{place}"
        );
        assert_eq!(cache.stats().hit, by_name["one"].hit + two.hit);
        assert_eq!(two.bytes_read, two.bytes_written, "{place}");
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Option<Outcome>)>>);

impl Observer for Heard {
    fn ended(&self, event: &Event<'_>) {
        let mut heard = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        heard.push((event.name.to_owned(), event.outcome));
        assert_ne!(event.name, "panics", "an observer's own failure");
    }
}

#[tokio::test]
async fn an_observer_hears_of_every_call_and_its_failures_are_nobodys() {
    let heard = Arc::new(Heard::default());
    let cache = Cache::builder()
        .memory()
        .observer(heard.clone())
        .build()
        .unwrap();
    let origin = Origin::default();
    for name in ["quiet", "quiet", "panics"] {
        let value = cache
            .get_or_fetch(&key(name, 1), &MINUTE, || origin.call())
            .await;
        assert!(value.is_ok());
    }
    let failing = cache
        .get_or_fetch(&key("fails", 1), &MINUTE, || async {
            Err::<u64, _>("down")
        })
        .await;
    assert_eq!(failing.unwrap_err(), "down");
    let keyed = [1, 2].map(|n| (key("quiet", n), n));
    let ten = |missing: Vec<u64>| async {
        Ok::<_, Infallible>(missing.into_iter().map(|n| (n, n)).collect::<Vec<_>>())
    };
    cache.get_or_fetch_many(keyed, &MINUTE, ten).await.unwrap();
    let (miss, hit) = (Some(Outcome::Miss(Fill::Stored)), Some(Outcome::Hit));
    let expected = [
        ("quiet", miss),
        ("quiet", hit),
        ("panics", miss),
        ("fails", None),
        ("quiet", hit),
        ("quiet", miss),
    ];
    let heard: Vec<_> = heard
        .0
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    assert_eq!(
        heard,
        expected.map(|(name, outcome)| (name.to_owned(), outcome))
    );
}

#[derive(Default)]
struct Changes(Mutex<Vec<(String, BreakerState)>>);

impl Observer for Changes {
    fn ended(&self, _: &Event<'_>) {}

    fn breaker_changed(&self, change: &BreakerChange<'_>) {
        let change = (change.server.to_owned(), change.state);
        self.0.lock().unwrap().push(change);
    }
}

#[tokio::test]
async fn an_observer_hears_of_a_breaker_that_opens() {
    let changes = Arc::new(Changes::default());
    let url = "memcached://127.0.0.1:1";
    let cache = Cache::builder().url(url).observer(changes.clone());
    let (cache, origin) = (cache.build().unwrap(), Origin::default());
    assert_eq!(cache.breakers()[0].1, BreakerState::Closed);
    for n in 0..30 {
        let key = key("breaker", n);
        let call = cache.get_or_fetch(&key, &MINUTE, || origin.call());
        call.await.unwrap();
    }
    let opened = [("127.0.0.1:1".to_owned(), BreakerState::Open)];
    assert_eq!(cache.breakers(), opened);
    assert_eq!(*changes.0.lock().unwrap(), opened);
}

/// An argument that no key can be made of.
struct Unkeyable;

impl serde::Serialize for Unkeyable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no key"))
    }
}

#[larder::cached("unkeyable", ttl = "60s")]
async fn unkeyable(argument: Unkeyable) -> u64 {
    let Unkeyable = argument;
    7
}

#[tokio::test]
async fn a_call_without_a_key_is_an_event_with_a_reason() {
    let heard = Arc::new(Heard::default());
    let cache = Cache::builder().memory().observer(heard.clone());
    let cache = cache.build().unwrap();
    let fetched = larder::with_cache(cache.clone(), unkeyable::fetch(Unkeyable)).await;
    let outcome = Outcome::Bypassed(Bypass::Key);
    assert_eq!((*fetched, fetched.outcome()), (7, outcome));
    let stats = cache.stats();
    assert_eq!((stats.keyless, stats.refused, stats.disabled), (1, 0, 0));
    let expected = [("unkeyable".to_owned(), Some(outcome))];
    assert_eq!(*heard.0.lock().unwrap(), expected);
}

/// Records spans: their names and every field.
#[derive(Default)]
struct Spans(Mutex<Vec<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("larder")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut line = attributes.metadata().name().to_owned();
        attributes.record(&mut Fields(&mut line));
        let mut spans = self.0.lock().unwrap();
        spans.push(line);
        span::Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut spans = self.0.lock().unwrap();
        values.record(&mut Fields(&mut spans[span.into_u64() as usize - 1]));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// In a process of its own: tracing remembers for all threads whether anybody listens to a span,
/// and a test of another thread that meets the span first makes it remember that nobody does.
#[test]
fn spans_tell_name_and_outcome_and_no_value() {
    if alone("observed::spans_tell_name_and_outcome_and_no_value") {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build();
        runtime.unwrap().block_on(spans());
    }
}

async fn spans() {
    const SPAN: Policy = MINUTE;
    let (spans, cache) = (Arc::new(Spans::default()), Cache::memory());
    let _listening = tracing::subscriber::set_default(spans.clone());
    let origin = || async { Ok::<_, Infallible>("a secret value".to_owned()) };
    let key = larder::Key::new("spanned", &("a secret argument",)).unwrap();
    for _ in 0..2 {
        cache.get_or_fetch(&key, &SPAN, origin).await.unwrap();
    }
    let failing = || async { Err::<String, _>("a secret error") };
    let other = larder::Key::new("spanned", &("another",)).unwrap();
    cache
        .get_or_fetch(&other, &SPAN, failing)
        .await
        .unwrap_err();
    let seen = spans.0.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            "larder.call name=\"spanned\" outcome=Miss(Stored)",
            "larder.origin name=\"spanned\"",
            "larder.call name=\"spanned\" outcome=Hit",
            "larder.call name=\"spanned\" outcome=\"OriginError\"",
            "larder.origin name=\"spanned\"",
        ]
    );
}
