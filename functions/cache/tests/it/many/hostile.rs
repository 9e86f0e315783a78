//! Peers with answers that no memcached gives: they are not believed for any of the keys.

use larder::CacheFailure;
use larder_testing::{Peer, Script};

use super::*;

async fn check(protocol: &str, answer: &str, expected: CacheFailure) {
    let peer = Peer::start(Script::AnswerAndClose(answer.as_bytes().to_vec())).await;
    let url = format!("{}?protocol={protocol}", peer.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]);
    let values = tens(&cache, &MINUTE, &[1, 2], &Tens::default()).await;
    let outcome = Outcome::Miss(Fill::Failed(expected));
    assert_eq!(
        count(&values, outcome),
        2,
        "{protocol} {answer:?}: {values:?}"
    );
}

fn item(n: u64) -> String {
    format!("larder:tens:{}", hex::encode(key("tens", n).digest()))
}

#[tokio::test]
async fn classic_answers_that_lie_are_misses_for_all_keys() {
    let (one, two) = (item(1), item(2));
    for answer in [
        format!("VALUE {one} 0 18446744073709551615 1\r\n"),
        format!("VALUE {one} 0 1048577 1\r\n"),
        format!("VALUE {one} 0 1 0\r\nx\r\nEND\r\n"),
        format!("VALUE {one} 0 1\r\nx\r\nEND\r\n"),
        format!("VALUE {one} 0 1 1\r\nxyz\r\nEND\r\n"),
        format!("VALUE {one} 0 1 1\r\nx\r\nVALUE {one} 0 1 1\r\nx\r\nEND\r\n"),
        format!("VALUE {two} 0 1 1\r\nx\r\nVALUE other 0 1 1\r\nx\r\nEND\r\n"),
        "END\r\nEND\r\n".to_owned(),
        "ERROR Too many open connections\r\n".to_owned(),
        "x".repeat(600),
        "\n".to_owned(),
    ] {
        check("classic", &answer, CacheFailure::Protocol).await;
    }
    for cut in ["", "EN", "END\r", &format!("VALUE {one} 0 5 1\r\nab")] {
        check("classic", cut, CacheFailure::Closed).await;
    }
}

#[tokio::test]
async fn meta_answers_that_lie_are_misses_for_all_keys() {
    let (one, two) = (item(1), item(2));
    for answer in [
        format!("VA 18446744073709551615 k{one} O0 c1\r\n"),
        format!("VA 1 k{one} O1 c1\r\nx\r\nMN\r\n"),
        format!("VA 1 k{two} O0 c1\r\nx\r\nMN\r\n"),
        format!("VA 1 k{one} O0 c1\r\nx\r\nVA 1 k{one} O0 c1\r\nx\r\nMN\r\n"),
        format!("VA 1 k{one} O4 c1\r\nx\r\nMN\r\n"),
        format!("VA 1 k{one} c1\r\nx\r\nMN\r\n"),
        format!("HD k{one} O0\r\nMN\r\n"),
        "MN\r\nMN\r\n".to_owned(),
        "SERVER_ERROR out of memory\r\n".to_owned(),
        "x".repeat(600),
    ] {
        check("meta", &answer, CacheFailure::Protocol).await;
    }
    for cut in ["", "M", &format!("VA 5 k{one} O0 c1\r\nab")] {
        check("meta", cut, CacheFailure::Closed).await;
    }
}
