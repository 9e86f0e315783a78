//! Reads what the cache did from an answer, in one of three forms, as a [`CacheStatus`].

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::target::{cache_status, cache_status::CacheStatus, outcome::Outcome};

/// Where an answer says whether it was a hit or a miss.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutcomeSource {
    /// The member of this name in `Cache-Status` (RFC 9211): the only form that distinguishes all
    /// outcomes. `*` is the last one that says something.
    CacheStatus(String),
    /// A header such as `X-Cache`, by the beginning of its value, ignoring case.
    Header(HitMissWords),
    /// A text in the JSON body, by its beginning, ignoring case; `in` is its JSON pointer.
    Json(HitMissWords),
}

/// Where to look, and the beginnings that mean an outcome. The longest that fits decides.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HitMissWords {
    #[serde(rename = "in")]
    pub(crate) place: String,
    pub(crate) hit: Words,
    pub(crate) miss: Words,
    /// An entry had expired and was fetched again.
    #[serde(default)]
    expired: Words,
    /// An entry past its lifetime was served at once.
    #[serde(default)]
    stale: Words,
    /// An expired entry that the origin confirmed.
    #[serde(default)]
    revalidated: Words,
    /// The answer of another caller's request.
    #[serde(default)]
    collapsed: Words,
    /// The cache was not asked.
    #[serde(default)]
    bypass: Words,
    /// Which cache of a header that lists several.
    #[serde(default)]
    layer: Layer,
}

/// One word, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Words {
    One(String),
    Several(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Words {
    /// The length of the longest word that `value` begins with, ignoring case.
    fn fits(&self, value: &str) -> Option<usize> {
        let words = match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Several(words) => words,
        };
        let value = value.to_lowercase();
        let fit = words
            .iter()
            .filter(|word| value.starts_with(&word.to_lowercase()));
        fit.map(String::len).max()
    }
}

/// The caches in front of a service each add a word to the same header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layer {
    /// A hit if any of them has one: then the origin was not asked.
    #[default]
    Any,
    /// The one nearest the origin.
    First,
    /// The one nearest the user.
    Last,
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
                Some(value) => words.read_list(&value),
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
    /// Reads a header that may list several caches.
    fn read_list(&self, value: &str) -> CacheStatus {
        let members = value.split(',');
        let all: Vec<CacheStatus> = members.map(|member| self.read(member)).collect();
        let chosen = match self.layer {
            Layer::First => all.first(),
            Layer::Last => all.last(),
            Layer::Any => {
                let known = |one: &&CacheStatus| one.outcome != Outcome::Unknown;
                let hit = all.iter().find(|one| one.outcome.is_hit());
                hit.or_else(|| all.iter().find(known))
                    .or_else(|| all.first())
            }
        };
        chosen.cloned().unwrap_or_default()
    }

    fn read(&self, value: &str) -> CacheStatus {
        let value = value.trim();
        let words = [
            (&self.hit, Outcome::Hit),
            (&self.miss, Outcome::Miss),
            (&self.expired, Outcome::Expired),
            (&self.stale, Outcome::Stale),
            (&self.revalidated, Outcome::Revalidated),
            (&self.collapsed, Outcome::Collapsed),
            (&self.bypass, Outcome::Bypass),
        ];
        let fit = words
            .into_iter()
            .filter_map(|(words, outcome)| Some((words.fits(value)?, outcome)));
        let Some((_, outcome)) = fit.max_by_key(|(length, _)| *length) else {
            return unknown(format!("{} says {value:?}", self.place));
        };
        CacheStatus {
            outcome,
            ..CacheStatus::default()
        }
    }
}

/// The value of a header that is a list: over all its lines.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
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
    use std::collections::BTreeMap;

    use super::*;

    fn words(place: &str) -> HitMissWords {
        HitMissWords {
            place: place.into(),
            hit: Words::One("hit".into()),
            miss: Words::One("miss".into()),
            ..HitMissWords::default()
        }
    }

    /// nginx's $upstream_cache_status, and the header of a CDN with a shield.
    #[test]
    fn each_word_of_a_proxy_has_its_outcome_and_a_layer_is_chosen() {
        let text = r#"header = { in = "x-cache", hit = "hit", miss = "miss", expired = "expired",
            stale = ["stale", "updating"], revalidated = "revalidated", bypass = "bypass" }"#;
        let one_line = text.replace("\n", " ");
        let source: OutcomeSource = toml::from_str::<BTreeMap<String, OutcomeSource>>(&format!(
            "outcome = {{ {one_line} }}"
        ))
        .unwrap()
        .remove("outcome")
        .unwrap();
        let read = |source: &OutcomeSource, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-cache", line.parse().unwrap());
            }
            source.read(&headers, None).outcome
        };
        for (word, expected) in [
            ("HIT", Outcome::Hit),
            ("MISS", Outcome::Miss),
            ("EXPIRED", Outcome::Expired),
            ("UPDATING", Outcome::Stale),
            ("STALE", Outcome::Stale),
            ("REVALIDATED", Outcome::Revalidated),
            ("BYPASS", Outcome::Bypass),
            ("SCARCE", Outcome::Unknown),
        ] {
            assert_eq!(read(&source, &[word]), expected, "{word}");
        }
        for lines in [&["MISS, HIT"][..], &["MISS", "HIT"]] {
            assert_eq!(read(&source, lines), Outcome::Hit, "{lines:?}");
            let layered = |layer| {
                let layer = OutcomeSource::Header(HitMissWords {
                    layer,
                    ..words("x-cache")
                });
                read(&layer, lines)
            };
            assert_eq!(layered(Layer::First), Outcome::Miss);
            assert_eq!(layered(Layer::Last), Outcome::Hit);
        }
        assert_eq!(read(&source, &["MISS, MISS"]), Outcome::Miss);
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
