//! Near copies: values that this process keeps for a short time, so that a call need not ask the
//! server. An acknowledged invalidation is final nevertheless: no process serves an older copy.
//!
//! ```text
//! reader                          server                       verb, in any process
//! notes the time s
//! get W_N W_F K … ──────────────▶ W allows 500 ms, K = v1
//! ◀── v1                                                  ◀─── delete K · get W_N W_F
//! a copy of v1, until s + 500 ms  K is gone, W: 500 ms    ───▶
//! answers from it                                              waits 1.25 × 500 ms + 0.1 s
//! the copy ends                                                acknowledges
//! ```
//!
//! * A copy is a lease on time: it ends a policy's `near` after its lookup was *sent*.
//! * A *record* W on the key's server says how long copies may live, one for the namespace (W_N)
//!   and one for the function (W_F). A lookup reads it before the key and makes a copy only if it
//!   allows one; a verb reads it after its effect, and waits for as long. It only grows. So either
//!   the verb sees what allowed the copy, or the record was lost in between.
//! * A record that was lost and added again is *unsettled*: verbs wait for the longest near there
//!   is until some process has known the new record for so long that all older copies have ended.
//! * No clock is compared with another machine's.
//!
//! [`copies`] keeps them, [`records`] says what a verb waits for, [`known`] and [`upkeep`] add,
//! raise and settle records, [`verbs`] waits. The page `guide::how_it_works` has the rules.

use std::time::Duration;

use crate::planted::{Fault, Planted};

mod clocks;
mod copies;
mod kept;
mod known;
mod records;
#[cfg(test)]
mod simulation;
mod unsettled;
mod upkeep;
mod verbs;
pub(crate) use clocks::{Clocks, Moment};
pub(crate) use copies::{Asked, Copies, Copy, LARGEST, Noted};
pub(crate) use kept::{AsBytes, Keep, Stored};
use known::Known;
pub(crate) use records::Answer;
pub use unsettled::unsettled;

/// What this process knows of near copies.
#[derive(Debug, Default)]
pub(crate) struct Near {
    /// `None`: this process makes none.
    copies: Option<Copies>,
    clocks: Clocks,
    known: Known,
    planted: Planted,
}

impl Near {
    /// Copies of at most `bytes`.
    pub(crate) fn on(bytes: usize) -> Self {
        Self {
            copies: Some(Copies::new(bytes)),
            ..Self::default()
        }
    }

    /// `None` if this process makes no copies.
    pub(crate) fn copies(&self) -> Option<&Copies> {
        self.copies.as_ref()
    }

    pub(crate) fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    pub(crate) fn planted(&self) -> &Planted {
        &self.planted
    }

    pub(crate) fn is_on(&self) -> bool {
        self.copies.is_some()
    }

    /// What a verb waits for, so that every copy that lives at most `bound` has ended: clocks may
    /// run at speeds that differ by a quarter, and a process may stop for a moment.
    pub(crate) fn wait(&self, bound: Duration) -> Duration {
        if bound.is_zero() || self.planted.has(Fault::NoWait) {
            Duration::ZERO
        } else if self.planted.has(Fault::NoMargin) {
            bound
        } else {
            bound * 5 / 4 + Duration::from_millis(100)
        }
    }

    /// Drops the copy of one key once the result is dropped: when the exchange of a verb has ended,
    /// however it has.
    pub(crate) fn forgetting<'a>(&'a self, digest: &'a [u8; 32]) -> Forgetting<'a> {
        if self.planted.has(Fault::DropsAtSending) {
            self.forget(Some(digest));
        }
        Forgetting {
            near: self,
            digest: Some(digest),
        }
    }

    /// The same for all copies.
    pub(crate) fn forgetting_all(&self) -> Forgetting<'_> {
        Forgetting {
            near: self,
            digest: None,
        }
    }

    /// Drops all copies, now; no lookup in flight brings one back.
    pub(crate) fn forget_all(&self) {
        self.forget(None);
    }

    fn forget(&self, digest: Option<&[u8; 32]>) {
        match (&self.copies, digest) {
            (None, _) => {}
            (Some(copies), Some(digest)) => copies.forget(digest),
            (Some(copies), None) => copies.forget_all(),
        }
    }
}

/// The duty of a verb towards the copies of its own process.
#[derive(Debug)]
pub(crate) struct Forgetting<'a> {
    near: &'a Near,
    digest: Option<&'a [u8; 32]>,
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        let planted = &self.near.planted;
        if planted.has(Fault::KeepsItsOwn) || planted.has(Fault::DropsAtSending) {
            return;
        }
        self.near.forget(self.digest);
    }
}
