//! Reads `Cache-Status` (RFC 9211) as the structured field that it is. A substring search would be
//! wrong: `hit=?0` is not a hit.

use sfv::{BareItem, List, ListEntry, Parameters, Parser};

use crate::target::outcome::Outcome;

/// What one cache said about one answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CacheStatus {
    pub(crate) outcome: Outcome,
    /// Seconds of freshness left; below zero when the entry was stale.
    pub(crate) ttl_s: Option<i64>,
    /// The cache's reason, such as `timeout`.
    pub(crate) detail: Option<String>,
    /// Whether it says that it stored the answer; many caches never do.
    pub(crate) stored: bool,
}

/// Reads the member of the cache called `cache`.
///
/// The list runs from the cache nearest the origin to the one nearest the user; other caches may
/// have added members.
pub(crate) fn parse(value: &str, cache: &str) -> Result<CacheStatus, String> {
    let list: List = Parser::new(value)
        .parse()
        .map_err(|e| format!("is not a structured field list: {e}"))?;
    let members: Vec<(String, &Parameters)> = list.iter().filter_map(member).collect();
    match members.iter().find(|(name, _)| name == cache) {
        Some((_, parameters)) => Ok(read(parameters)),
        None => {
            let names: Vec<&String> = members.iter().map(|(name, _)| name).collect();
            Err(format!(
                "has no member named {cache:?} (it names {names:?})"
            ))
        }
    }
}

fn member(entry: &ListEntry) -> Option<(String, &Parameters)> {
    let ListEntry::Item(item) = entry else {
        return None;
    };
    Some((word(&item.bare_item)?, &item.params))
}

fn read(parameters: &Parameters) -> CacheStatus {
    let ttl_s = integer(parameters, "ttl");
    let detail = parameters.get("detail").and_then(word);
    let outcome = outcome(parameters, ttl_s, detail.as_deref());
    CacheStatus {
        outcome,
        ttl_s,
        detail,
        stored: flag(parameters, "stored"),
    }
}

fn outcome(parameters: &Parameters, ttl_s: Option<i64>, detail: Option<&str>) -> Outcome {
    if flag(parameters, "hit") {
        let stale = ttl_s.is_some_and(|ttl| ttl < 0);
        return if stale { Outcome::Stale } else { Outcome::Hit };
    }
    let Some(forwarded) = parameters.get("fwd").and_then(word) else {
        return Outcome::Unknown;
    };
    if flag(parameters, "collapsed") {
        return Outcome::Collapsed;
    }
    let confirmed = integer(parameters, "fwd-status") == Some(304);
    match forwarded.as_str() {
        "stale" if detail == Some("origin-error") => Outcome::StaleOnError,
        "stale" if confirmed => Outcome::Revalidated,
        "stale" => Outcome::Expired,
        "miss" | "uri-miss" | "vary-miss" | "partial" => Outcome::Miss,
        "bypass" | "request" | "method" => Outcome::Bypass,
        _ => Outcome::Unknown,
    }
}

fn integer(parameters: &Parameters, name: &str) -> Option<i64> {
    let value = parameters.get(name).and_then(BareItem::as_integer);
    value.map(i64::from)
}

fn flag(parameters: &Parameters, name: &str) -> bool {
    parameters.get(name).and_then(BareItem::as_boolean) == Some(true)
}

fn word(item: &BareItem) -> Option<String> {
    let token = item.as_token().map(|token| token.as_str().to_owned());
    token.or_else(|| item.as_string().map(|text| text.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_field_has_its_outcome() {
        let table = [
            ("larder; hit; ttl=57", Outcome::Hit),
            ("larder;hit", Outcome::Hit),
            ("larder; hit; ttl=-4", Outcome::Stale),
            ("larder; hit; detail=refresh-failed; ttl=-4", Outcome::Stale),
            ("larder; fwd=miss; detail=passed", Outcome::Miss),
            ("larder; fwd=miss; stored", Outcome::Miss),
            ("larder; fwd=uri-miss", Outcome::Miss),
            ("larder; fwd=miss; collapsed", Outcome::Collapsed),
            ("larder; fwd=miss; collapsed=?0; stored", Outcome::Miss),
            ("larder; fwd=stale; stored", Outcome::Expired),
            ("larder; fwd=stale; fwd-status=304", Outcome::Revalidated),
            (
                "larder; fwd=stale; detail=origin-error; ttl=-4",
                Outcome::StaleOnError,
            ),
            ("larder; fwd=request", Outcome::Bypass),
            ("larder; fwd=bypass; detail=breaker", Outcome::Bypass),
            ("larder; fwd=miss; detail=timeout", Outcome::Miss),
            ("larder; hit=?0; fwd=miss", Outcome::Miss),
            ("larder; hit=?0", Outcome::Unknown),
            ("larder; fwd=elsewhere", Outcome::Unknown),
            ("larder", Outcome::Unknown),
            ("edge; hit; ttl=9, larder; fwd=miss", Outcome::Miss),
            ("larder; hit; ttl=1, edge; fwd=miss", Outcome::Hit),
            ("\"larder\"; hit", Outcome::Hit),
        ];
        for (value, expected) in table {
            let status = parse(value, "larder").unwrap();
            assert_eq!(status.outcome, expected, "{value}");
        }
    }

    #[test]
    fn ttl_and_detail_are_read() {
        let status = parse("larder; fwd=miss; detail=\"timed out\"; ttl=3", "larder").unwrap();
        assert_eq!(
            (status.ttl_s, status.detail.as_deref()),
            (Some(3), Some("timed out"))
        );
    }

    #[test]
    fn stored_is_what_it_says_and_not_that_it_stands_there() {
        for (value, expected) in [
            ("larder; fwd=miss; stored", true),
            ("larder; fwd=miss; stored=?0", false),
            ("larder; fwd=miss", false),
        ] {
            assert_eq!(parse(value, "larder").unwrap().stored, expected, "{value}");
        }
    }

    #[test]
    fn a_field_that_is_not_one_is_an_error_that_says_why() {
        for (value, reason) in [
            ("HIT from cache!", "is not a structured field list"),
            (
                "edge; hit",
                "has no member named \"larder\" (it names [\"edge\"])",
            ),
        ] {
            let error = parse(value, "larder").unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
