//! Finds out whether a proxy spreads keys over several servers. A server counts all that it stores with
//! one number after the other, so the cas values of what is stored in turn grow on one server, and
//! hardly ever on several.

use super::{Classic, StoreError};
use crate::random;

/// So many keys are on one of two servers once in four billion times.
const KEYS: u64 = 32;
/// Seconds. They are read at once.
const LIFE: u32 = 10;

impl Classic {
    /// Whether all keys that begin with `prefix` are on one server. `None` if it stores none.
    pub(in super::super) async fn keeps_together(
        &mut self,
        prefix: &str,
    ) -> Result<Option<bool>, StoreError> {
        let run = random::u64();
        let keys: Vec<_> = (0..KEYS)
            .map(|n| format!("{prefix}{run:016x}:{n}"))
            .collect();
        let sets = keys
            .iter()
            .map(|key| format!("set {key} 0 {LIFE} 0\r\n\r\n"));
        let mut answers = self.send(sets.collect::<String>().as_bytes()).await?;
        let mut stored = true;
        for _ in &keys {
            stored &= answers.line().await? == "STORED";
        }
        answers.end()?;
        self.validator.lock().mark_complete();
        if !stored {
            return Ok(None);
        }
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let found = self.get_with_cas(&keys).await?.into_iter();
        let cas: Option<Vec<_>> = found.map(|item| item?.cas).collect();
        Ok(cas.map(|cas| cas.is_sorted_by(|one, next| one < next)))
    }
}
