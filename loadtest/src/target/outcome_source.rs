//! Which part of an answer says what the cache did. Owns the three dialects that targets speak and turns each into a
//! [`CacheStatus`]; knows nothing of timing or of what the outcome proves.

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::target::cache_status::{self, CacheStatus};
use crate::target::outcome::Outcome;

/// Where a target tells hits from misses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutcomeSource {
    /// The member of this name in `Cache-Status` (RFC 9211): the one form that tells all outcomes apart.
    CacheStatus(String),
    /// A header such as `X-Cache`, by how its value begins, in any case.
    Header(HitMissWords),
    /// A text in the JSON body, by how it begins, in any case; `in` is its JSON pointer.
    Json(HitMissWords),
}

/// Where a word stands and what it means.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HitMissWords {
    #[serde(rename = "in")]
    pub(crate) place: String,
    pub(crate) hit: String,
    pub(crate) miss: String,
}

impl OutcomeSource {
    /// What the cache did, by this answer; [`Outcome::Unknown`] with the reason as detail where it does not say.
    pub(crate) fn read(&self, headers: &HeaderMap, body: Option<&Value>) -> CacheStatus {
        match self {
            Self::CacheStatus(cache) => match header(headers, "cache-status") {
                None => unknown("no Cache-Status header".into()),
                Some(value) => cache_status::parse(&value, cache)
                    .unwrap_or_else(|reason| unknown(format!("Cache-Status {value:?} {reason}"))),
            },
            Self::Header(words) => match header(headers, &words.place) {
                None => unknown(format!("no {} header", words.place)),
                Some(value) => words.read(&value),
            },
            Self::Json(words) => match body.and_then(|body| body.pointer(&words.place)?.as_str()) {
                None => unknown(format!("no text at {} of the body", words.place)),
                Some(value) => words.read(value),
            },
        }
    }

    /// Where to look, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::CacheStatus(cache) => format!("Cache-Status of {cache:?}"),
            Self::Header(words) => format!("header {}", words.place),
            Self::Json(words) => format!("JSON {}", words.place),
        }
    }
}

impl HitMissWords {
    fn read(&self, value: &str) -> CacheStatus {
        let begins = |with: &str| {
            value
                .trim()
                .to_lowercase()
                .starts_with(&with.to_lowercase())
        };
        let outcome = match (begins(&self.hit), begins(&self.miss)) {
            (true, _) => Outcome::Hit,
            (_, true) => Outcome::Miss,
            _ => return unknown(format!("{} says {value:?}", self.place)),
        };
        CacheStatus {
            outcome,
            ttl_s: None,
            detail: None,
            stored: false,
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn unknown(reason: String) -> CacheStatus {
    CacheStatus {
        outcome: Outcome::Unknown,
        ttl_s: None,
        detail: Some(reason),
        stored: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(place: &str) -> HitMissWords {
        HitMissWords {
            place: place.into(),
            hit: "hit".into(),
            miss: "miss".into(),
        }
    }

    #[test]
    fn a_cdn_header_is_read_by_how_it_begins() {
        let mut headers = HeaderMap::new();
        for (value, expected) in [
            ("Hit from cdn", Outcome::Hit),
            ("MISS", Outcome::Miss),
            ("-", Outcome::Unknown),
        ] {
            headers.insert("x-cache", value.parse().unwrap());
            assert_eq!(
                OutcomeSource::Header(words("x-cache"))
                    .read(&headers, None)
                    .outcome,
                expected
            );
        }
    }

    #[test]
    fn a_json_body_may_be_the_witness() {
        let body = serde_json::json!({"from": {"store": "hit"}});
        let witness = OutcomeSource::Json(words("/from/store"));
        assert_eq!(
            witness.read(&HeaderMap::new(), Some(&body)).outcome,
            Outcome::Hit
        );
        assert_eq!(
            witness.read(&HeaderMap::new(), None).outcome,
            Outcome::Unknown
        );
    }

    #[test]
    fn two_header_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append("cache-status", "larder; fwd=miss".parse().unwrap());
        headers.append("cache-status", "edge; hit".parse().unwrap());
        assert_eq!(
            OutcomeSource::CacheStatus("edge".into())
                .read(&headers, None)
                .outcome,
            Outcome::Hit
        );
    }
}
