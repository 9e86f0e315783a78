//! The heavy operation itself, which is the first origin. It knows neither HTTP nor the cache.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::yield_now;

/// What the heavy operation computes about its parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The parameter itself.
    pub param: String,
    /// The number of its UTF-8 bytes.
    pub bytes: usize,
    /// The number of its Unicode scalar values.
    pub characters: usize,
    /// The number of its words, which white space separates.
    pub words: usize,
    /// Shannon's entropy in bits per character.
    pub entropy_bits: f64,
    /// SHA-256 applied `rounds` times to the parameter, in hexadecimal.
    pub digest: String,
    /// How often SHA-256 was applied.
    pub rounds: u32,
}

/// A few milliseconds in an optimised build.
const ROUNDS: u32 = 10_000;
/// Rounds between two yields. They take well below 1 ms, so other requests of the thread do not
/// wait.
const ROUNDS_PER_YIELD: u32 = 500;

impl Report {
    /// Computes it.
    pub async fn about(param: &str) -> Self {
        Self {
            param: param.to_owned(),
            bytes: param.len(),
            characters: param.chars().count(),
            words: param.split_whitespace().count(),
            entropy_bits: entropy_bits(param),
            digest: hex::encode(chain(param).await),
            rounds: ROUNDS,
        }
    }
}

async fn chain(param: &str) -> [u8; 32] {
    let mut digest: [u8; 32] = Sha256::digest(param).into();
    for round in 1..ROUNDS {
        digest = Sha256::digest(digest).into();
        if round % ROUNDS_PER_YIELD == 0 {
            yield_now().await;
        }
    }
    digest
}

fn entropy_bits(text: &str) -> f64 {
    let mut counts = HashMap::new();
    for character in text.chars() {
        *counts.entry(character).or_insert(0_u32) += 1;
    }
    // Summed in order of size, so that rounding gives the same last digit every time.
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable();
    let total = f64::from(counts.iter().sum::<u32>());
    counts
        .into_iter()
        .map(|count| f64::from(count) / total)
        .map(|share| share * share.recip().log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_report_is_about_its_parameter() {
        let report = Report::about("ab ab ñ").await;
        assert_eq!((report.bytes, report.characters, report.words), (8, 7, 3));
        assert_ne!(report.digest, Report::about("ab ab n").await.digest);
        assert_eq!(report, Report::about("ab ab ñ").await);
    }

    #[tokio::test]
    async fn the_digest_is_a_real_chain() {
        // Computed in Python: hashlib.sha256, 10,000 times over the raw digest.
        let expected = "956667b3b1ac8a0d00a100c913fa578ed8ac08b460b3f807156f7e66bdadf4eb";
        assert_eq!(Report::about("abc").await.digest, expected);
    }

    #[test]
    fn entropy_counts_bits() {
        for (text, bits) in [
            ("aaaa", 0.0),
            ("abab", 1.0),
            ("abcd", 2.0),
            ("ñññ☕", 0.811_278_124_459_132_8),
        ] {
            assert!((entropy_bits(text) - bits).abs() < 1e-12, "{text}");
        }
    }
}
