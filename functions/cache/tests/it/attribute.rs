use larder::{Cache, Fetched, Fill, Key, Outcome, with_cache};
use serde::{Deserialize, Serialize};

mod arguments;
mod hygiene;
mod methods;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    param: String,
}

/// As users write it: a borrowed argument and a fallible origin.
#[larder::cached("report", ttl = "60s", jitter = 10)]
async fn report(param: &str) -> Result<Report, String> {
    if param.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(Report {
        param: param.to_owned(),
    })
}

#[tokio::test]
async fn the_function_keeps_its_signature_and_gains_companions() {
    with_cache(Cache::memory(), async {
        let text = "ñandú ☕\r\nflush_all";
        let expected = Report {
            param: text.to_owned(),
        };
        assert_eq!(report(text).await.as_ref(), Ok(&expected));
        let fetched: Fetched<Report> = report::fetch(text).await.unwrap();
        assert!(fetched.is_hit());
        assert_eq!(fetched.param, text);
        assert_eq!(report::peek(text).await.unwrap().into_inner(), expected);
        assert_eq!(report::uncached(text).await, Ok(expected));
        report::invalidate(text).await.unwrap();
        assert!(report::peek(text).await.is_none());
        let forged = Report {
            param: "put".to_owned(),
        };
        report::put(text, &forged).await.unwrap();
        assert_eq!(report(text).await, Ok(forged));
        assert_eq!(
            report::refresh(text).await.unwrap().outcome(),
            Outcome::Refreshed(Fill::Stored)
        );
        report::expire(text).await.unwrap();
        assert!(report::peek(text).await.is_none());
        assert_eq!(report::key(text).unwrap().name(), "report");
        assert_eq!(report("").await, Err("empty".to_owned()));
        assert_eq!(report("").await, Err("empty".to_owned()));
    })
    .await;
}

#[inline(never)]
fn stack_pointer() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

async fn plain_recursion(n: u32) -> usize {
    match n {
        0 => stack_pointer(),
        n => Box::pin(plain_recursion(n - 1)).await,
    }
}

#[larder::cached("recursion", ttl = "60s")]
async fn cached_recursion(n: u32) -> usize {
    match n {
        0 => stack_pointer(),
        n => Box::pin(cached_recursion(n - 1)).await,
    }
}

/// The bytes of stack that each level takes, on a thread with room for all.
fn stack_of_a_level<F: Future<Output = usize> + 'static>(call: fn(u32) -> F) -> usize {
    const LEVELS: u32 = 50;
    let measure = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let levels = async { stack_pointer() - call(LEVELS).await };
        runtime.block_on(with_cache(Cache::memory(), levels)) / LEVELS as usize
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    thread.spawn(measure).unwrap().join().unwrap()
}

/// A thread of tokio has 2 MiB: more than a hundred levels fit.
#[test]
fn recursion_takes_little_stack() {
    let plain = stack_of_a_level(plain_recursion);
    let cached = stack_of_a_level(cached_recursion);
    println!("a level takes {plain} bytes of stack, cached {cached}");
    assert!(cached < 16 << 10, "{cached}");
}

#[tokio::test]
async fn every_shape_of_return_type_is_told_apart() {
    type Alias = Result<u8, String>;
    #[larder::cached("plain", ttl = "60s")]
    async fn plain(n: u8) -> u8 {
        n
    }
    #[larder::cached("option", ttl = "60s", negative_ttl = "5s")]
    async fn option(n: u8) -> Option<u8> {
        (n > 0).then_some(n)
    }
    #[larder::cached("alias", ttl = "60s")]
    async fn alias(n: u8) -> Alias {
        if n == 0 {
            Err("zero".to_owned())
        } else {
            Ok(n)
        }
    }
    #[larder::cached("io", ttl = "60s")]
    async fn io(n: u8) -> std::io::Result<Option<u8>> {
        Ok(Some(n))
    }
    with_cache(Cache::memory(), async {
        for expected_hit in [false, true] {
            let fetched: Fetched<u8> = plain::fetch(1).await;
            assert_eq!((fetched.is_hit(), plain(1).await), (expected_hit, 1));
            let fetched: Fetched<Option<u8>> = option::fetch(0).await;
            assert_eq!((fetched.is_hit(), option(0).await), (expected_hit, None));
            let fetched: Result<Fetched<u8>, String> = alias::fetch(1).await;
            assert_eq!(
                (fetched.unwrap().is_hit(), alias(1).await),
                (expected_hit, Ok(1))
            );
            let fetched: Fetched<Option<u8>> = io::fetch(1).await.unwrap();
            assert_eq!(
                (fetched.is_hit(), io(1).await.unwrap()),
                (expected_hit, Some(1))
            );
            // An alias of `Result` does not hide the error.
            assert_eq!(alias::fetch(0).await, Err("zero".to_owned()));
        }
    })
    .await;
}

#[tokio::test]
async fn skipped_arguments_need_not_serialise_and_are_no_part_of_the_key() {
    struct Database;
    #[larder::cached("skips", ttl = "60s", skip(database))]
    async fn skips(id: i64, database: &Database) -> i64 {
        let Database = database;
        id
    }
    with_cache(Cache::memory(), async {
        skips(1, &Database).await;
        assert!(skips::fetch(1, &Database).await.is_hit());
        skips::invalidate(1).await.unwrap();
        assert!(skips::peek(1).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn without_a_cache_the_origin_answers() {
    #[larder::cached("alone", ttl = "60s")]
    async fn alone(n: u8) -> u8 {
        n
    }
    let fetched = alone::fetch(3).await;
    assert_eq!(
        (*fetched, fetched.outcome()),
        (3, Outcome::Bypassed(larder::Bypass::Disabled))
    );
    assert!(matches!(
        alone::invalidate(3).await,
        Err(larder::CacheError::NotInstalled)
    ));
}

#[tokio::test]
async fn arguments_may_have_any_name_and_aliases_are_told_apart_in_generic_functions_too() {
    #[larder::cached("any-name", ttl = "60s")]
    async fn any_name(key: &str, value: u8, site: u8, policy: u8) -> String {
        format!("{key} {value} {site} {policy}")
    }
    type Load = Result<u8, String>;
    #[larder::cached("generic-alias", ttl = "60s", key = n, skip(with))]
    async fn generic_alias<W: Send>(n: u8, with: W) -> Load {
        let _ = with;
        if n == 0 {
            Err("zero".to_owned())
        } else {
            Ok(n)
        }
    }
    with_cache(Cache::memory(), async {
        assert_eq!(any_name("a", 1, 2, 3).await, "a 1 2 3");
        any_name::put("a", 1, 2, 3, &"put".to_owned())
            .await
            .unwrap();
        assert_eq!(any_name("a", 1, 2, 3).await, "put");
        for _ in 0..2 {
            let failed: Result<Fetched<u8>, String> = generic_alias::fetch(0, "x").await;
            assert_eq!(failed, Err("zero".to_owned()));
        }
        assert_eq!(generic_alias(1, "x").await, Ok(1));
        assert!(generic_alias::fetch(1, "x").await.unwrap().is_hit());
    })
    .await;
}

#[tokio::test]
async fn owned_arguments_are_part_of_the_key_and_still_reach_the_origin() {
    #[larder::cached("owned", ttl = "60s")]
    async fn owned(name: String, mut tags: Vec<String>) -> String {
        tags.push(name);
        tags.join(" ")
    }
    #[larder::cached("owned-key", ttl = "60s", key = (name, tags.len()))]
    async fn owned_key(name: String, tags: Vec<String>, times: usize) -> String {
        name.repeat(times) + &tags.join(" ")
    }
    let (name, tags) = (|| "b".to_owned(), || vec!["a".to_owned()]);
    with_cache(Cache::memory(), async {
        assert_eq!(owned(name(), tags()).await, "a b");
        assert!(owned::fetch(name(), tags()).await.is_hit());
        assert_eq!(owned_key(name(), tags(), 2).await, "bba");
        // An argument that `key` does not name is not part of the key, nor an argument of the
        // companions that only need the key.
        assert!(owned_key::fetch(name(), tags(), 3).await.is_hit());
        owned_key::invalidate(name(), tags()).await.unwrap();
        assert!(owned_key::peek(name(), tags()).await.is_none());
    })
    .await;
}

/// It finds entries of earlier releases, and those that were stored without the attribute.
#[test]
fn a_key_is_that_of_the_tuple_of_its_arguments() {
    #[larder::cached("none", ttl = "60s")]
    async fn none() -> u8 {
        1
    }
    #[larder::cached("two", ttl = "60s", version = 3)]
    async fn two(name: &str, n: Option<u8>) -> u8 {
        n.unwrap_or_default() + u8::from(name.is_empty())
    }
    #[larder::cached("one-of-two", ttl = "60s", key = n)]
    async fn one_of_two(name: &str, n: u8) -> u8 {
        n + u8::from(name.is_empty())
    }
    #[larder::cached("nested", ttl = "60s", key = (n, (name, n)))]
    async fn nested(name: &str, n: u8) -> u8 {
        n + u8::from(name.is_empty())
    }
    #[larder::cached("constant", ttl = "60s", key = ())]
    async fn constant() -> u8 {
        1
    }
    #[larder::cached("generic", ttl = "60s", key = n)]
    async fn generic<T, const TIMES: usize>(n: usize) -> usize {
        n * size_of::<T>() * TIMES
    }
    assert_eq!(none::key(), Key::new("none", &()));
    assert_eq!(
        two::key("a", Some(7)),
        Key::versioned("two", 3, &("a", Some(7)))
    );
    assert_eq!(one_of_two::key(7), Key::new("one-of-two", &(7,)));
    assert_eq!(nested::key("a", 7), Key::new("nested", &((7, ("a", 7)),)));
    assert_eq!(constant::key(), Key::new("constant", &((),)));
    // Types are no arguments: the key of a generic function is that of no tuple.
    let generic = generic::key::<u8, 2>(7).unwrap();
    assert_ne!(generic, Key::new("generic", &("u8", 2, 7)).unwrap());
    assert_ne!(generic, Key::new("generic", &(7,)).unwrap());
}

#[tokio::test]
async fn two_instantiations_of_a_generic_function_never_share_an_entry() {
    #[larder::cached("sizes", ttl = "60s", key = n)]
    async fn sizes<T, const TIMES: usize>(n: usize) -> usize {
        n * size_of::<T>() * TIMES
    }
    with_cache(Cache::memory(), async {
        assert_eq!(sizes::<u8, 1>(3).await, 3);
        assert_eq!(sizes::<u64, 1>(3).await, 24);
        assert_eq!(sizes::<u64, 2>(3).await, 48);
        assert!(sizes::fetch::<u64, 1>(3).await.is_hit());
        assert_ne!(sizes::key::<u8, 1>(3), sizes::key::<u8, 2>(3));
    })
    .await;
}

#[tokio::test]
async fn the_attribute_may_name_the_cache() {
    struct App {
        sessions: Cache,
    }
    static PAGES: std::sync::LazyLock<Cache> = std::sync::LazyLock::new(Cache::memory);
    #[larder::cached("session", ttl = "60s", skip(app), cache = app.sessions)]
    async fn session(id: u8, app: &App) -> u8 {
        let _ = app;
        id
    }
    #[larder::cached("a-page", ttl = "60s", cache = PAGES)]
    async fn page(id: u8) -> u8 {
        id
    }
    let (app, other) = (
        App {
            sessions: Cache::memory(),
        },
        Cache::memory(),
    );
    with_cache(other.clone(), async {
        for _ in 0..2 {
            session(1, &app).await;
            page(1).await;
        }
        assert!(session::peek(1, &app).await.unwrap().is_hit());
        session::invalidate(1, &app).await.unwrap();
        assert!(session::peek(1, &app).await.is_none());
        assert_eq!(session::key(1).unwrap().name(), "session");
    })
    .await;
    assert_eq!((app.sessions.stats().hit, PAGES.stats().hit), (1, 1));
    assert_eq!(other.stats(), larder::Stats::default());
}

#[tokio::test]
async fn of_two_functions_with_one_name_the_second_goes_to_its_origin() {
    mod first {
        #[larder::cached("one-name", ttl = "60s")]
        pub(super) async fn f(n: u8) -> u8 {
            n
        }
    }
    mod second {
        #[larder::cached("one-name", ttl = "60s")]
        pub(super) async fn f(n: u8) -> u8 {
            n + 100
        }
    }
    with_cache(Cache::memory(), async {
        for _ in 0..2 {
            assert_eq!(first::f(1).await, 1);
            assert_eq!(second::f(1).await, 101);
        }
        assert!(first::f::fetch(1).await.is_hit());
        let refused = larder::CacheError::NameTaken("one-name");
        assert_eq!(second::f::put(1, &7).await, Err(refused));
    })
    .await;
}

#[tokio::test]
async fn generated_code_names_nothing_that_its_surroundings_could_mean_otherwise() {
    let (cache, own) = (Cache::memory(), Cache::memory());
    with_cache(cache.clone(), async {
        for _ in 0..2 {
            assert_eq!(hygiene::free(1, 2, 3, 4).await, Ok(10));
            assert_eq!(hygiene::plain(5).await, Some(5));
            assert_eq!(hygiene::generic(6, "x").await, Ok(6));
            let inside = hygiene::Type(own.clone());
            assert_eq!(inside.inherent(1, 2).await, Ok(3));
            assert_eq!(inside.sum().await, Ok(3));
        }
        hygiene::free::put(1, 2, 3, 4, &0).await.unwrap();
        assert_eq!(hygiene::free(1, 2, 3, 4).await, Ok(0));
    })
    .await;
    assert_eq!((cache.stats().hit, own.stats().hit), (4, 2));
}
