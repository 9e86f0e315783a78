//! Reads what the cache did from an answer, in one of three forms, as a [`CacheStatus`].

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::target::{cache_status, cache_status::CacheStatus, outcome::Outcome};

/// Where an answer says whether it was a hit or a miss.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutcomeSource {
    /// The member of this name in `Cache-Status` (RFC 9211): the only form that distinguishes all
    /// outcomes.
    CacheStatus(String),
    /// A header such as `X-Cache`, by the beginning of its value, ignoring case.
    Header(HitMissWords),
    /// A text in the JSON body, by its beginning, ignoring case; `in` is its JSON pointer.
    Json(HitMissWords),
}

/// Where to look, and the beginnings that mean a hit or a miss.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HitMissWords {
    #[serde(rename = "in")]
    pub(crate) place: String,
    pub(crate) hit: String,
    pub(crate) miss: String,
}

impl OutcomeSource {
    /// What the cache did; [`Outcome::Unknown`] with the reason as detail if the answer does not
    /// say.
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

    /// The place, for messages.
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
            let value = value.trim().to_lowercase();
            value.starts_with(&with.to_lowercase())
        };
        let outcome = match (begins(&self.hit), begins(&self.miss)) {
            (true, _) => Outcome::Hit,
            (_, true) => Outcome::Miss,
            _ => return unknown(format!("{} says {value:?}", self.place)),
        };
        CacheStatus {
            outcome,
            ..CacheStatus::default()
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn unknown(reason: String) -> CacheStatus {
    CacheStatus {
        detail: Some(reason),
        ..CacheStatus::default()
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
            let status = OutcomeSource::Header(words("x-cache")).read(&headers, None);
            assert_eq!(status.outcome, expected);
        }
    }

    #[test]
    fn a_json_body_may_be_the_witness() {
        let body = serde_json::json!({"from": {"store": "hit"}});
        let source = OutcomeSource::Json(words("/from/store"));
        let outcome = |body| source.read(&HeaderMap::new(), body).outcome;
        assert_eq!(outcome(Some(&body)), Outcome::Hit);
        assert_eq!(outcome(None), Outcome::Unknown);
    }

    #[test]
    fn two_header_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append("cache-status", "larder; fwd=miss".parse().unwrap());
        headers.append("cache-status", "edge; hit".parse().unwrap());
        let status = OutcomeSource::CacheStatus("edge".into()).read(&headers, None);
        assert_eq!(status.outcome, Outcome::Hit);
    }
}
