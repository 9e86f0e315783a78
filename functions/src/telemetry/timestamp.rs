//! The current time as text, in the two formats that AWS asks for.

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Now, in RFC 3339 and UTC: `2026-11-26T06:29:10.123456Z`.
pub(crate) fn rfc3339() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Now, as SigV4 writes it: `20261126T062910Z`.
pub(crate) fn sigv4() -> String {
    let now = rfc3339();
    let seconds = now.split('.').next().unwrap_or_default();
    seconds.replace(['-', ':'], "") + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_as_long_as_they_should_be() {
        let (long, short) = (rfc3339(), sigv4());
        assert!(
            long.len() == 27 && long.ends_with('Z') && &long[10..11] == "T",
            "{long}"
        );
        assert!(
            short.len() == 16 && short.ends_with('Z') && &short[8..9] == "T",
            "{short}"
        );
    }
}
