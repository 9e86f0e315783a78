//! The options of `memory:`.

use crate::store::memory::DEFAULT_MAX;

/// Less would not hold one entry of the largest size.
const LEAST: u64 = 1 << 20;

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

/// The most bytes that the cache may hold, from what follows `memory:`.
pub(super) fn max(options: &str) -> Result<u64, String> {
    let problem = || {
        "memory: takes ?max= with a number of bytes or of KiB, MiB or GiB, 1 MiB at least: \
         memory:?max=256MiB"
            .to_owned()
    };
    if options.is_empty() {
        return Ok(DEFAULT_MAX);
    }
    let text = options.strip_prefix("?max=").ok_or_else(problem)?;
    let bytes = UNITS.into_iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(bytes)
    });
    bytes.filter(|bytes| *bytes >= LEAST).ok_or_else(problem)
}

/// The URL of a cache that holds this much.
pub(crate) fn format(max: u64) -> String {
    let shown = UNITS
        .into_iter()
        .find(|(_, bytes)| max.is_multiple_of(*bytes));
    let (unit, bytes) = shown.unwrap_or(("", 1));
    match max {
        DEFAULT_MAX => "memory:".to_owned(),
        max => format!("memory:?max={}{unit}", max / bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_none() {
        for (options, expected) in [
            ("", Some(DEFAULT_MAX)),
            ("?max=256MiB", Some(256 << 20)),
            ("?max=1GiB", Some(1 << 30)),
            ("?max=2048KiB", Some(2 << 20)),
            ("?max=1048576", Some(1 << 20)),
            ("?max=1048575", None),
            ("?max=64", None),
            ("?max=64MB", None),
            ("?max=-1MiB", None),
            ("?max=99999999999GiB", None),
            ("?max=", None),
            ("?x=1", None),
            ("x", None),
        ] {
            assert_eq!(max(options).ok(), expected, "{options}");
            if let Some(bytes) = expected {
                let shown = format(bytes);
                assert_eq!(max(&shown["memory:".len()..]), Ok(bytes));
            }
        }
        assert_eq!(format(256 << 20), "memory:?max=256MiB");
        assert_eq!(format(1500 << 20), "memory:?max=1500MiB");
    }
}
