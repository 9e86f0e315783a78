//! The query of `heavy-op`: exactly one `param`. The raw query is parsed, because a decoder that
//! replaces invalid bytes would let two different parameters share one cached answer.

use percent_encoding::percent_decode;

use crate::http::problem::Problem;

/// The longest decoded parameter, in bytes.
const MAX_BYTES: usize = 1024;

/// The value of `param`: UTF-8 of 1 to 1024 bytes after decoding, where `+` is a space.
pub(crate) fn param(query: Option<&str>) -> Result<String, Problem> {
    let mut found = None;
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| bad("a parameter's name is not UTF-8"))?;
        if name != "param" {
            return Err(bad("unknown parameter; the only one is `param`"));
        }
        let value = decode(value).ok_or_else(|| bad("`param` is not UTF-8"))?;
        if found.replace(value).is_some() {
            return Err(bad("`param` is given more than once"));
        }
    }
    match found {
        None => Err(bad("`param` is missing")),
        Some(value) if value.is_empty() => Err(bad("`param` is empty")),
        Some(value) if value.len() > MAX_BYTES => Err(bad("`param` is longer than 1024 bytes")),
        Some(value) => Ok(value),
    }
}

fn decode(raw: &str) -> Option<String> {
    let spaced = raw.replace('+', " ");
    let bytes: Vec<u8> = percent_decode(spaced.as_bytes()).collect();
    String::from_utf8(bytes).ok()
}

fn bad(detail: &str) -> Problem {
    Problem::bad_request(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Result<&str, &str>) {
        let got = param(Some(query)).map_err(|problem| problem.detail().to_owned());
        assert_eq!(
            got.as_deref(),
            expected.map_err(str::to_owned).as_deref(),
            "{query}"
        );
    }

    #[test]
    fn a_value_is_decoded_once_and_a_plus_is_a_space() {
        check("param=abc", Ok("abc"));
        check("param=a+b%20c", Ok("a b c"));
        check("param=1%2B1", Ok("1+1"));
        check("param=%C3%B1and%C3%BA", Ok("ñandú"));
        check("param=ñ", Ok("ñ"));
        check("param=%250d", Ok("%0d"));
        check("param=a=b", Ok("a=b"));
        check("param=%00", Ok("\0"));
        check("p%61ram=a", Ok("a"));
        check("&param=a&", Ok("a"));
        check("param=100%", Ok("100%"));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        assert_eq!(param(None).unwrap_err().detail(), "`param` is missing");
        check("", Err("`param` is missing"));
        check("param", Err("`param` is empty"));
        check("param=", Err("`param` is empty"));
        check("param=a&param=a", Err("`param` is given more than once"));
        check("param=&param=a", Err("`param` is given more than once"));
        check("param=%FF", Err("`param` is not UTF-8"));
        check("param=%C3", Err("`param` is not UTF-8"));
        check("%FF=a", Err("a parameter's name is not UTF-8"));
        check(
            "param=a&x=1",
            Err("unknown parameter; the only one is `param`"),
        );
        check("Param=a", Err("unknown parameter; the only one is `param`"));
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        let longest = "%C3%B1".repeat(512);
        assert_eq!(
            param(Some(&format!("param={longest}"))).unwrap().len(),
            1024
        );
        check(
            &format!("param={longest}a"),
            Err("`param` is longer than 1024 bytes"),
        );
    }
}
