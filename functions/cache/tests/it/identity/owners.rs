//! A name's owner is known to every process of a namespace: a function of another program with the
//! same name is neither served nor stored, in either order.

use std::process::Command;

use larder::{CacheError, Key, Scope};
use larder_testing::Memcached;

use super::*;
use crate::support::{MINUTE, at, logged};

mod first {
    #[larder::cached("owned", ttl = "60s", stale_while_revalidate = "60s")]
    pub(super) async fn twin(id: u64) -> String {
        format!("first {id}")
    }
}

mod second {
    #[larder::cached("owned", ttl = "60s", stale_while_revalidate = "60s")]
    pub(super) async fn twin(id: u64) -> String {
        format!("second {id}")
    }
}

const PATHS: [&str; 2] = [
    "it::identity::owners::first::twin",
    "it::identity::owners::second::twin",
];

/// A call in a cache of its own, as in another process: the value, whether it was a hit, and how
/// many calls were refused.
async fn call(url: &str, which: usize, id: u64) -> (String, bool, u64) {
    let cache = at(url);
    let fetched = match which {
        0 => with_cache(cache.clone(), first::twin::fetch(id)).await,
        _ => with_cache(cache.clone(), second::twin::fetch(id)).await,
    };
    let hit = fetched.is_hit();
    (fetched.into_inner(), hit, refused(&cache, "owned"))
}

/// Not a test of its own: what a process does that one of them has started.
#[test]
fn a_process() {
    let (Ok(url), Ok(which)) = (std::env::var("OWNED_URL"), std::env::var("OWNED_BY")) else {
        return;
    };
    let which = which.parse().unwrap();
    let log = logged(async {
        let (value, hit, refused) = call(&url, which, 7).await;
        println!("called: {value}, hit {hit}, refused {refused}");
    });
    for line in log
        .lines()
        .filter(|line| line.contains("belongs to another"))
    {
        println!("logged: {line}");
    }
}

/// What a process prints that calls one of the two.
fn process(url: &str, which: usize) -> String {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["identity::owners::a_process", "--exact", "--nocapture"])
        .env("OWNED_URL", url)
        .env("OWNED_BY", which.to_string())
        .output()
        .unwrap();
    assert!(ran.status.success());
    let out = String::from_utf8(ran.stdout).unwrap();
    let ours = |line: &&str| line.starts_with("called: ") || line.starts_with("logged: ");
    out.lines().filter(ours).collect::<Vec<_>>().join("\n")
}

#[test]
fn of_two_processes_with_one_name_one_is_served_in_either_order() {
    for protocol in ["classic", "meta"] {
        for owner in [0, 1] {
            let server = Memcached::start();
            let url = format!("{}?protocol={protocol}", server.url());
            let stranger = 1 - owner;
            let names = ["first", "second"];
            let own = |hit| format!("called: {} 7, hit {hit}, refused 0", names[owner]);
            assert_eq!(process(&url, owner), own(false), "{protocol}");
            for _ in 0..2 {
                let out = process(&url, stranger);
                let expected = format!("called: {} 7, hit false, refused 1", names[stranger]);
                assert!(out.starts_with(&expected), "{protocol}: {out}");
                // The error names both.
                let logged = out.lines().nth(1).unwrap_or_default();
                assert!(PATHS.iter().all(|path| logged.contains(path)), "{out}");
                assert_eq!(process(&url, owner), own(true), "{protocol}");
            }
            // The stranger has stored nothing, and took no other key either.
            assert_eq!(server.stat("curr_items"), 3, "{protocol}");
        }
    }
}

#[tokio::test]
async fn a_stranger_makes_no_caller_wait_and_none_of_its_verbs_writes() {
    for protocol in ["classic", "meta"] {
        let server = Memcached::start();
        let url = format!("{}?protocol={protocol}", server.url());
        assert_eq!(call(&url, 0, 1).await, ("first 1".to_owned(), false, 0));
        // The stranger asks first, and leaves no lease behind.
        for id in 2..20 {
            assert_eq!(call(&url, 1, id).await, (format!("second {id}"), false, 1));
            let before = std::time::Instant::now();
            assert_eq!(call(&url, 0, id).await, (format!("first {id}"), false, 0));
            assert!(
                before.elapsed() < std::time::Duration::from_secs(1),
                "{protocol}"
            );
            assert_eq!(call(&url, 0, id).await, (format!("first {id}"), true, 0));
        }
        let cache = at(&url);
        with_cache(cache.clone(), async {
            let taken = Err(CacheError::NameTaken("owned"));
            assert_eq!(second::twin::put(1, &"forged".to_owned()).await, taken);
            assert!(second::twin::peek(1).await.is_none());
            assert_eq!(*second::twin::refresh(1).await, "second 1");
            let keyed = [1, 99].map(|id| (second::twin::key(id).unwrap(), id));
            let origin = async |missing: Vec<u64>| {
                Ok::<_, ()>(missing.into_iter().map(|id| (id, format!("many {id}"))))
            };
            let many = cache
                .get_or_fetch_many(keyed, &MINUTE, origin)
                .await
                .unwrap();
            assert_eq!((&**many[&1], &**many[&99]), ("many 1", "many 99"));
        })
        .await;
        assert_eq!(refused(&cache, "owned"), 5, "{protocol}");
        assert_eq!(call(&url, 0, 1).await, ("first 1".to_owned(), true, 0));
    }
}

#[tokio::test]
async fn a_flushed_name_is_the_next_ones() {
    for protocol in ["classic", "meta"] {
        let server = Memcached::start();
        let url = format!("{}?protocol={protocol}", server.url());
        assert_eq!(call(&url, 0, 1).await, ("first 1".to_owned(), false, 0));
        at(&url).flush(Scope::Name("owned")).await.unwrap();
        assert_eq!(call(&url, 1, 1).await, ("second 1".to_owned(), false, 0));
        assert_eq!(call(&url, 1, 1).await, ("second 1".to_owned(), true, 0));
        assert_eq!(call(&url, 0, 1).await, ("first 1".to_owned(), false, 1));
    }
}

/// What is stored by hand, under a name that no function has claimed, is its function's once it
/// comes.
#[tokio::test]
async fn a_name_that_was_used_by_hand_is_claimed_and_keeps_its_entries() {
    for protocol in ["classic", "meta"] {
        let server = Memcached::start();
        let url = format!("{}?protocol={protocol}", server.url());
        let key = Key::new("owned", &(7,)).unwrap();
        at(&url).put(&key, &MINUTE, &"by hand").await.unwrap();
        let peeked = with_cache(at(&url), second::twin::peek(7)).await;
        assert_eq!(peeked.unwrap().as_str(), "by hand");
        assert_eq!(call(&url, 0, 7).await, ("by hand".to_owned(), true, 0));
        assert_eq!(call(&url, 1, 7).await, ("second 7".to_owned(), false, 1));
        // By hand it is still found.
        let found = at(&url).peek::<String>(&key, &MINUTE).await.unwrap();
        assert_eq!(found.into_inner(), "by hand");
        // A hit costs one exchange, the claim once two or three.
        let before = server.stat("cmd_get");
        assert_eq!(call(&url, 0, 7).await, ("by hand".to_owned(), true, 0));
        assert!(server.stat("cmd_get") - before <= 4, "{protocol}");
    }
}
