//! Reads the durations of a `Server-Timing` header.

use std::time::Duration;

/// Durations by the server's own clock; absent if the server did not name them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ServerTiming {
    pub(crate) total: Option<Duration>,
    pub(crate) origin: Option<Duration>,
    pub(crate) cache: Option<Duration>,
}

/// Reads `name;dur=MILLISECONDS` members and skips everything else, as the specification asks.
pub(crate) fn parse(value: &str) -> ServerTiming {
    let mut timing = ServerTiming::default();
    for member in value.split(',') {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let duration = parts.find_map(milliseconds);
        match name {
            "total" => timing.total = duration,
            "origin" => timing.origin = duration,
            "cache" => timing.cache = duration,
            _ => {}
        }
    }
    timing
}

fn milliseconds(parameter: &str) -> Option<Duration> {
    let (name, value) = parameter.split_once('=')?;
    let ms: f64 = value.trim().trim_matches('"').parse().ok()?;
    let named = name.trim().eq_ignore_ascii_case("dur");
    named
        .then(|| Duration::try_from_secs_f64(ms / 1e3).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds_and_the_rest_is_skipped() {
        let timing = parse(
            "cache;dur=0.250, origin; desc=\"slow, really\" ;dur=3000, db, total;dur=\"3001.5\"",
        );
        assert_eq!(timing.cache, Some(Duration::from_micros(250)));
        assert_eq!(timing.total, Some(Duration::from_micros(3_001_500)));
        assert_eq!(
            parse("total;dur=-1, origin;dur=NaN"),
            ServerTiming::default()
        );
        assert_eq!(parse(""), ServerTiming::default());
    }
}
