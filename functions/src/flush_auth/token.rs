//! The check of a bearer token by its digest, and the cool-down after too many invalid ones.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::config::flush_mode::TokenDigest;

/// Invalid tokens in a row that have no consequence; a person's typing errors stay below it.
const FREE_FAILURES: u32 = 5;
/// How long further invalid tokens are refused with a pause after one more failure. A valid token
/// always passes: if it had to wait as well, any stranger could keep everyone from flushing.
const COOLDOWN: Duration = Duration::from_secs(10);

/// The result of one check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Refused,
    /// The token is invalid, and one of too many; the pause ends after this time.
    CoolingDown(Duration),
}

/// The check, with the failures that this process has seen.
#[derive(Debug)]
pub(super) struct TokenCheck {
    digest: TokenDigest,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    cooling_until: Option<Instant>,
}

impl TokenCheck {
    pub(super) fn new(digest: TokenDigest) -> Self {
        Self {
            digest,
            failures: Mutex::default(),
        }
    }

    pub(super) fn verdict(&self, token: Option<&[u8]>) -> Verdict {
        self.verdict_at(token, Instant::now())
    }

    fn verdict_at(&self, token: Option<&[u8]>, now: Instant) -> Verdict {
        let Some(token) = token else {
            return Verdict::Refused;
        };
        // Any two values of the fields are valid, so a poisoned lock does no harm.
        let mut failures = self
            .failures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.digest.is_of(token) {
            *failures = Failures::default();
            return Verdict::Accepted;
        }
        if let Some(until) = failures.cooling_until.filter(|until| *until > now) {
            return Verdict::CoolingDown(until - now);
        }
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        failures.cooling_until = (failures.in_a_row > FREE_FAILURES).then(|| now + COOLDOWN);
        Verdict::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_too_many_failures_only_wrong_tokens_have_to_wait() {
        let check = TokenCheck::new(TokenDigest::of(b"right"));
        let start = Instant::now();
        for _ in 0..=FREE_FAILURES {
            assert_eq!(check.verdict_at(Some(b"wrong"), start), Verdict::Refused);
        }
        assert_eq!(
            check.verdict_at(Some(b"wrong"), start),
            Verdict::CoolingDown(COOLDOWN)
        );
        assert_eq!(
            check.verdict_at(Some(b"wrong"), start + COOLDOWN),
            Verdict::Refused
        );
        assert_eq!(
            check.verdict_at(Some(b"wrong"), start + COOLDOWN),
            Verdict::CoolingDown(COOLDOWN)
        );
        assert_eq!(
            check.verdict_at(Some(b"right"), start + COOLDOWN),
            Verdict::Accepted
        );
        // It has proved who asks: the next slip is a first one again.
        assert_eq!(
            check.verdict_at(Some(b"wrong"), start + COOLDOWN),
            Verdict::Refused
        );
    }

    #[test]
    fn requests_without_a_token_lock_out_no_caller() {
        let check = TokenCheck::new(TokenDigest::of(b"right"));
        for _ in 0..100 {
            assert_eq!(check.verdict(None), Verdict::Refused);
        }
        assert_eq!(check.verdict(Some(b"right")), Verdict::Accepted);
    }
}
