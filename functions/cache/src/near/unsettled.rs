//! A verb whose caller does not wait until it is final everywhere.

use std::{cell::Cell, time::Duration};

tokio::task_local! {
    static FINAL_IN: Cell<Duration>;
}

/// Runs a verb without waiting for the near copies of other processes: it answers when the server
/// has acknowledged. Returns its answer and after which time it is final everywhere; in this
/// process it is final at once. Zero if no process can hold a copy.
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Cache, unsettled, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     let (acknowledged, is_final_in) = unsettled(square::invalidate(12)).await;
///     assert!(acknowledged.is_ok());
///     assert_eq!(is_final_in, Duration::ZERO); // there are no near copies of a cache in memory
/// })
/// .await;
/// # }
/// ```
pub async fn unsettled<F: Future>(verb: F) -> (F::Output, Duration) {
    let run = async {
        let answer = verb.await;
        (answer, FINAL_IN.with(Cell::get))
    };
    FINAL_IN.scope(Cell::new(Duration::ZERO), run).await
}

/// Whether the verb's caller does not wait. It is told how long it would have.
pub(super) fn is_final_in(wait: Duration) -> bool {
    let told = FINAL_IN.try_with(|longest| longest.set(longest.get().max(wait)));
    told.is_ok()
}
