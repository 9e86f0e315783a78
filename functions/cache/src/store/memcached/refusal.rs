//! Lines with which a server refuses to store one item. It has read the item to its end, and goes
//! on: the connection and the other items are well.

use super::super::StoreError;

/// What `line` refuses; `None` if it is not such a line.
pub(super) fn refusal(line: &str) -> Option<StoreError> {
    if line.starts_with("SERVER_ERROR object too large") {
        return Some(StoreError::Oversize);
    }
    let text = line.strip_prefix("SERVER_ERROR ");
    if text.is_some_and(|text| text.to_ascii_lowercase().starts_with("out of memory")) {
        return Some(StoreError::Full);
    }
    let refused = text.is_some() || line.starts_with("CLIENT_ERROR ");
    refused.then_some(StoreError::Rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_line() {
        for (line, expected) in [
            (
                "SERVER_ERROR object too large for cache",
                Some(StoreError::Oversize),
            ),
            (
                "SERVER_ERROR out of memory storing object",
                Some(StoreError::Full),
            ),
            (
                "SERVER_ERROR Out of memory allocating new item",
                Some(StoreError::Full),
            ),
            (
                "SERVER_ERROR Connection refused",
                Some(StoreError::Rejected),
            ),
            (
                "CLIENT_ERROR bad command line format",
                Some(StoreError::Rejected),
            ),
            ("SERVER_ERROR", None),
            ("ERROR", None),
            ("STORED", None),
        ] {
            assert_eq!(refusal(line), expected, "{line}");
        }
    }
}
