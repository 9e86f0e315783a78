//! The deadline of an invocation, from its Lambda context.

use std::time::{Duration, SystemTime};

use lambda_http::{Request, RequestExt};
use tokio::time::Instant;

/// Time that is reserved for sending the response.
const RESERVE: Duration = Duration::from_millis(200);

/// The instant by which the handler should be done. `None` off Lambda, and for a deadline in the
/// past, which is what the emulator sends.
pub(crate) fn of(request: &Request) -> Option<Instant> {
    let deadline =
        SystemTime::UNIX_EPOCH + Duration::from_millis(request.lambda_context_ref()?.deadline);
    let left = deadline
        .duration_since(SystemTime::now())
        .ok()
        .filter(|left| !left.is_zero())?;
    Instant::now().checked_add(usable(left))
}

/// The time left minus the reserve. Of a very short time, half is reserved and not all.
fn usable(left: Duration) -> Duration {
    left.saturating_sub(RESERVE).max(left / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::{Body, Context};

    fn with_deadline(ms: u64) -> Request {
        let mut context = Context::default();
        context.deadline = ms;
        Request::new(Body::Empty).with_lambda_context(context)
    }

    #[test]
    fn the_reserve_is_taken_off_and_something_always_left() {
        for (left, expected) in [(3000, 2800), (400, 200), (300, 150), (2, 1)] {
            assert_eq!(
                usable(Duration::from_millis(left)),
                Duration::from_millis(expected)
            );
        }
    }

    #[test]
    fn a_deadline_in_the_past_is_none() {
        assert_eq!(of(&with_deadline(600_000)), None);
        assert_eq!(of(&with_deadline(0)), None);
        assert_eq!(of(&Request::new(Body::Empty)), None);
    }

    #[test]
    fn an_absurd_deadline_does_not_panic() {
        of(&with_deadline(u64::MAX));
    }

    #[test]
    fn a_deadline_ahead_is_kept() {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let at = of(&with_deadline(now.as_millis() as u64 + 60_000)).unwrap();
        let left = at.duration_since(Instant::now());
        assert!(
            left > Duration::from_secs(50) && left < Duration::from_secs(60),
            "{left:?}"
        );
    }
}
