use std::time::{Duration, Instant};

use larder::{Bypass, CacheFailure, Fill, Outcome, Policy};
use larder_testing::{Memcached, Noise, Peer, Script};

use crate::support::{MINUTE, Origin, cache, key};

/// The budget, and a tolerance.
const BOUND: Duration = Duration::from_millis(50 + 25);

/// Calls three times and expects three misses with the same failure. The budget is large, so that a
/// busy machine does not turn one failure into another.
async fn check(protocol: &str, script: Script, expected: CacheFailure) {
    let peer = Peer::start(script.clone()).await;
    let url = format!("{}?protocol={protocol}", peer.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]);
    let origin = Origin::default();
    for n in 1..=3 {
        let key = key("hostile", 7);
        let fetched = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!(*fetched, n);
        assert_eq!(
            fetched.outcome(),
            Outcome::Miss(Fill::Failed(expected)),
            "{protocol} {script:?}"
        );
    }
}

/// Calls three times and expects no call to wait longer than the budget.
async fn check_time(protocol: &str, script: Script) {
    let peer = Peer::start(script.clone()).await;
    let cache = cache(&[("CACHE_URL", &format!("{}?protocol={protocol}", peer.url()))]);
    let (origin, noise) = (Origin::default(), Noise::start());
    for _ in 0..3 {
        let begun = Instant::now();
        let key = key("hostile", 7);
        let fetched = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        let took = begun.elapsed();
        assert_eq!(
            fetched.outcome(),
            Outcome::Miss(Fill::Failed(CacheFailure::Timeout))
        );
        assert!(
            took < noise.forgive(BOUND),
            "{protocol} {script:?}: {took:?}"
        );
    }
}

fn answer(text: &str) -> Script {
    Script::Answer(text.as_bytes().to_vec())
}

/// The keys of the call that [`check`] makes.
fn item() -> String {
    format!("larder:hostile:{}", hex::encode(key("hostile", 7).digest()))
}

#[tokio::test]
async fn classic_answers_that_lie_are_misses() {
    let item = item();
    let protocol = [
        format!("VALUE {item} 0 18446744073709551615\r\n"),
        format!("VALUE {item} 0 1000000000000\r\n"),
        format!("VALUE {item} 0 9007199254740993\r\n"),
        format!("VALUE {item} 0 -1\r\n"),
        format!("VALUE {item} 0 3\r\nabcd\r\nEND\r\n"),
        format!("VALUE {item} 0 3\r\nabc\r\nEND\r\nEND\r\n"),
        "VALUE other 0 5\r\nWRONG\r\nEND\r\n".to_owned(),
        "ENDLESS\r\n".to_owned(),
        "STORED\r\n".to_owned(),
        "ERROR\r\n".to_owned(),
        "CLIENT_ERROR bad command line format\r\n\r\n".to_owned(),
        "SERVER_ERROR out of memory\r\n".to_owned(),
        "\u{0}\u{1}\r\n".to_owned(),
        "\r\n".to_owned(),
        "x".repeat(1 << 20),
    ];
    for text in protocol {
        check("classic", answer(&text), CacheFailure::Protocol).await;
    }
    check(
        "classic",
        Script::Endless(b"x".repeat(65536)),
        CacheFailure::Protocol,
    )
    .await;
    check(
        "classic",
        Script::Endless(b"END\r\n".to_vec()),
        CacheFailure::Protocol,
    )
    .await;
    for half in ["", "VALUE", &format!("VALUE {item} 0 100\r\nabc")] {
        check(
            "classic",
            Script::AnswerAndClose(half.as_bytes().to_vec()),
            CacheFailure::Closed,
        )
        .await;
        check_time("classic", answer(half)).await;
    }
}

#[tokio::test]
async fn meta_answers_that_lie_are_misses() {
    let item = item();
    let protocol = [
        format!("VA 18446744073709551615 c1 k{item} O0\r\n"),
        format!("VA 1000000000000 c1 k{item} O0\r\n"),
        format!("VA -1 c1 k{item} O0\r\n"),
        format!("VA 3 c1 k{item} O0\r\nabcd\r\nMN\r\n"),
        format!("VA 3 c1 k{item} O1\r\nabc\r\nMN\r\n"),
        "VA 3 c1 kother O0\r\nabc\r\nMN\r\n".to_owned(),
        "VA 3 c1\r\nabc\r\nMN\r\n".to_owned(),
        format!("HD k{item} O0\r\nMN\r\n"),
        "MN\r\nMN\r\n".to_owned(),
        "END\r\n".to_owned(),
        "ERROR\r\n".to_owned(),
        "CLIENT_ERROR invalid flag\r\n".to_owned(),
        "\u{0}\u{1}\r\n".to_owned(),
        "x".repeat(1 << 20),
    ];
    for text in protocol {
        check("meta", answer(&text), CacheFailure::Protocol).await;
    }
    check(
        "meta",
        Script::Endless(b"x".repeat(65536)),
        CacheFailure::Protocol,
    )
    .await;
    for half in ["", "VA", &format!("VA 100 c1 k{item} O0\r\nabc")] {
        check(
            "meta",
            Script::AnswerAndClose(half.as_bytes().to_vec()),
            CacheFailure::Closed,
        )
        .await;
        check_time("meta", answer(half)).await;
    }
}

#[tokio::test]
async fn what_greets_like_no_memcached_is_a_miss() {
    for protocol in ["classic", "meta", "auto"] {
        let full = b"ERROR Too many open connections\r\n";
        let greetings: [&[u8]; 3] = [
            full,
            b"220 mail.example ESMTP\r\nready\r\n",
            b"\x15\x03\x03\x00\x02\x02\x0a\n\n\n",
        ];
        for greeting in greetings {
            check(
                protocol,
                Script::Greet(greeting.to_vec()),
                CacheFailure::Protocol,
            )
            .await;
        }
        check_time(protocol, Script::Greet(Vec::new())).await;
    }
}

/// Peak memory of this process, in KiB.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn an_endless_answer_does_not_grow_the_process() {
    let before = peak();
    for protocol in ["classic", "meta"] {
        for endless in [&b"x"[..], b"END\r\n", b"VALUE a 0 1\r\n"] {
            let peer = Peer::start(Script::Endless(endless.repeat(4096))).await;
            let url = format!("{}?protocol={protocol}", peer.url());
            let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "500")]);
            let origin = Origin::default();
            let _ = cache
                .get_or_fetch(&key("grow", 1), &MINUTE, || origin.call())
                .await;
        }
    }
    // Other tests of this binary run at the same time and store a few megabytes.
    let grown = peak().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
}

#[tokio::test]
async fn a_server_without_numbers_is_no_cache() {
    let server = Memcached::start_with(&["-C"]);
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ]);
        let origin = Origin::default();
        for n in 1..=3 {
            let key = key("numberless", 1);
            let fetched = cache
                .get_or_fetch(&key, &MINUTE, || origin.call())
                .await
                .unwrap();
            assert_eq!(*fetched, n, "{protocol}: nothing can be filled safely");
            let told = format!("{:?}", fetched.outcome());
            assert!(told.contains("Protocol"), "{protocol}: {told}");
        }
    }
}

/// The refused fill may leave the lease on the server. A record that says why takes its place, or
/// other callers would wait until it expires.
#[tokio::test]
async fn a_value_that_the_server_finds_too_large_keeps_nobody_waiting() {
    const PATIENT: Policy = MINUTE
        .lease(Duration::from_secs(60))
        .wait(Duration::from_secs(60));
    let server = Memcached::start_with(&["-I", "512k"]);
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let settings = [
            ("CACHE_URL", url.as_str()),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ];
        let oversize = Outcome::Miss(Fill::Failed(CacheFailure::Oversize));
        for expected in [oversize, Outcome::Passed] {
            let cache = cache(&settings);
            let large = || async {
                // Long enough for the placeholder to be replaced by a lease record.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, std::convert::Infallible>("x".repeat(600_000))
            };
            let key = key("large", 1);
            let call = cache.get_or_fetch(&key, &PATIENT, large);
            let fetched = tokio::time::timeout(Duration::from_secs(20), call).await;
            let outcome = fetched
                .expect("no wait for a lease of nobody")
                .unwrap()
                .outcome();
            assert_eq!(outcome, expected, "{protocol}");
        }
    }
}

/// Connects until the server refuses a connection, or lets it wait.
fn fill_up(port: u16) -> Vec<std::net::TcpStream> {
    use std::io::{Read as _, Write as _};
    let address = ([127, 0, 0, 1], port).into();
    let mut taken = Vec::new();
    while taken.len() < 200 {
        let connect = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1));
        let Ok(mut stream) = connect else { break };
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let mut answer = [0; 7];
        let answered = stream.write_all(b"version\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == *b"VERSION";
        taken.push(stream);
        if !answered {
            break;
        }
    }
    assert!(
        (20..200).contains(&taken.len()),
        "{} connections",
        taken.len()
    );
    taken
}

#[tokio::test]
async fn a_server_at_its_limit_of_connections_is_a_miss_in_time() {
    for option in ["maxconns_fast", "no_maxconns_fast"] {
        let server = Memcached::start_with(&["-c", "64", "-o", option]);
        let taken = fill_up(server.port());
        let cache = cache(&[("CACHE_URL", &server.url())]);
        let (origin, noise) = (Origin::default(), Noise::start());
        for n in 0..5 {
            let begun = Instant::now();
            let key = key("full", n);
            let fetched = cache
                .get_or_fetch(&key, &MINUTE, || origin.call())
                .await
                .unwrap();
            let took = begun.elapsed();
            let outcome = fetched.outcome();
            let failed = matches!(
                outcome,
                Outcome::Miss(Fill::Failed(_)) | Outcome::Bypassed(Bypass::Breaker)
            );
            assert!(failed, "{option}: {outcome:?}");
            assert!(took < noise.forgive(BOUND), "{option}: {took:?}");
        }
        drop(taken);
        let begun = Instant::now();
        loop {
            let key = key("full", 1);
            if cache
                .get_or_fetch(&key, &MINUTE, || origin.call())
                .await
                .unwrap()
                .is_hit()
            {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{option}: no hit came back"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn an_empty_item_that_is_nobodys_lease_is_replaced() {
    use std::io::{Read as _, Write as _};
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let settings = [
            ("CACHE_URL", url.as_str()),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ];
        let (cache, origin, key) = (cache(&settings), Origin::default(), key("empty", 1));
        cache.put(&key, &MINUTE, &7_u64).await.unwrap();
        let wire = format!("{protocol}:empty:{}", hex::encode(key.digest()));
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        write!(stream, "set {wire} 0 0 0\r\n\r\n").unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).unwrap();
        let call = || cache.get_or_fetch(&key, &MINUTE, || origin.call());
        let first = call().await.unwrap();
        assert_eq!(first.outcome(), Outcome::Miss(Fill::Stored), "{protocol}");
        assert!(call().await.unwrap().is_hit(), "{protocol}");
    }
}
