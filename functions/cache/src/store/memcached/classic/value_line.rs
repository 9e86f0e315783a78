//! The line in front of a value: `VALUE key flags length`, and the cas if that was asked for.

use super::super::limits::MAX_ITEM;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueLine<'a> {
    pub(super) key: &'a str,
    pub(super) length: usize,
    pub(super) cas: Option<u64>,
}

impl<'a> ValueLine<'a> {
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.strip_prefix("VALUE ")?.split(' ');
        let key = words.next()?;
        words.next()?.parse::<u32>().ok()?;
        let length = words.next()?.parse().ok();
        let length = length.filter(|length| *length <= MAX_ITEM)?;
        let cas = words.next().map(str::parse).transpose().ok()?;
        words.next().is_none().then_some(Self { key, length, cas })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_line_has_its_four_or_five_words_and_no_others() {
        let parsed = |cas| {
            let (key, length) = ("a", 5);
            Some(ValueLine { key, length, cas })
        };
        assert_eq!(ValueLine::parse("VALUE a 0 5 77"), parsed(Some(77)));
        assert_eq!(ValueLine::parse("VALUE a 0 5"), parsed(None));
        for line in [
            "VALUE a 0",
            "VALUE a 0 5 77 1",
            "VALUE a 0 1048577 77",
            "VALUE a 0 -1 77",
            "VALUE a x 1 77",
            "VALUE a 0 1 x",
            "VALUES a 0 1 77",
            "ERROR",
            "",
        ] {
            assert_eq!(ValueLine::parse(line), None, "{line:?}");
        }
    }
}
