//! The deadline and the freshness of a call, set for a task.

use tokio::time::Instant;

use crate::outcome::Freshness;

tokio::task_local! {
    static DEADLINE: Option<Instant>;
    static FRESHNESS: Freshness;
}

/// Runs `future` with a deadline for its cache I/O and its waiting: cached calls that reach it go
/// to their origin at once. A deadline that has already passed is ignored, since the local Lambda
/// emulator sends the year 1970.
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Cache, Fill, Outcome, with_cache, with_deadline};
/// #[larder::cached("slow", ttl = "60s")]
/// async fn slow(n: u64) -> u64 {
///     tokio::time::sleep(Duration::from_secs(3)).await;
///     n
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     let soon = tokio::time::Instant::now() + Duration::from_secs(1);
///     // The second call waits for the first until its deadline, then makes its own origin call.
///     let (first, second) = tokio::join!(slow::fetch(7), with_deadline(soon, slow::fetch(7)));
///     assert_eq!(first.outcome(), Outcome::Miss(Fill::Stored));
///     assert_eq!(second.outcome(), Outcome::Miss(Fill::NotStored));
/// })
/// .await;
/// # }
/// ```
pub fn with_deadline<F: Future>(deadline: Instant, future: F) -> impl Future<Output = F::Output> {
    let deadline = (deadline > Instant::now()).then_some(deadline);
    DEADLINE.scope(deadline, future)
}

/// Runs `future` with `freshness` for its cached calls.
///
/// ```
/// # use larder::{Cache, Freshness, with_cache, with_freshness};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     square(12).await;
///     let fetched = with_freshness(Freshness::Bypass, square::fetch(12)).await;
///     assert!(!fetched.is_hit());
///     assert!(square::fetch(12).await.is_hit());
/// })
/// .await;
/// # }
/// ```
pub fn with_freshness<F: Future>(
    freshness: Freshness,
    future: F,
) -> impl Future<Output = F::Output> {
    FRESHNESS.scope(freshness, future)
}

pub(crate) fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok().flatten()
}

pub(crate) fn freshness() -> Freshness {
    FRESHNESS
        .try_with(|freshness| *freshness)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_passes_stays_one_and_one_that_had_passed_is_none() {
        let soon = Instant::now() + Duration::from_secs(1);
        let passes = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            deadline()
        };
        assert_eq!(with_deadline(soon, passes).await, Some(soon));
        assert_eq!(with_deadline(soon, async { deadline() }).await, None);
    }
}
