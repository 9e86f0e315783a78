//! The file `.env`: lines of `NAME=value`, in the syntax on which Compose, shells and cargo-lambda
//! agree. Reading it does not change the environment; the caller prefers the environment's value.

use std::collections::HashMap;
use std::path::Path;

/// An invalid `.env`. The message shows no line of it, because a line may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum DotenvError {
    /// The file exists but cannot be read.
    #[error("cannot read .env: {0}")]
    Io(#[from] std::io::Error),
    /// This line, counted from 1, is not `NAME=value`.
    #[error(".env, line {0}: not NAME=value")]
    Line(usize),
}

/// Reads the file at `path`. A missing file has no variables.
pub fn read(path: &Path) -> Result<HashMap<String, String>, DotenvError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(error.into()),
    }
}

fn parse(text: &str) -> Result<HashMap<String, String>, DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = without_export(line);
        let (name, value) = line
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|(name, _)| is_name(name))
            .ok_or(DotenvError::Line(index + 1))?;
        variables.insert(
            name.to_owned(),
            unquoted(value)
                .ok_or(DotenvError::Line(index + 1))?
                .to_owned(),
        );
    }
    Ok(variables)
}

fn without_export(line: &str) -> &str {
    match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => line,
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(is_part)
}

/// The value without its quotes, or without a trailing comment; `None` if a quote is not closed.
fn unquoted(value: &str) -> Option<&str> {
    let Some(quote) = value
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    else {
        return Some(without_comment(value));
    };
    let (inner, rest) = value[1..].split_once(quote)?;
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(inner)
}

/// Removes a trailing comment. A `#` starts one only after white space, so a URL keeps its
/// fragment.
fn without_comment(value: &str) -> &str {
    let mut hashes = value.match_indices('#').map(|(at, _)| &value[..at]);
    hashes
        .find(|before| before.ends_with(char::is_whitespace))
        .map_or(value, str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_compose_reads_them() {
        let text = "\u{feff}# comment\r\n\nA=0\nA=1\r\nexport\tB = two words\t# why\nC=\"x # y\" # z\nD='a\"b'\nE=\nF=p#q\nG=a=b\n";
        let got = parse(text).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x # y"),
            ("D", "a\"b"),
            ("E", ""),
            ("F", "p#q"),
            ("G", "a=b"),
        ];
        assert_eq!(
            got,
            expected
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        );
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_not_shown() {
        for text in [
            "A=1\nsecret",
            "A=1\n=secret",
            "A=1\n1B=secret",
            "A=1\nB C=secret",
            "A=1\nB=\"secret",
            "A=1\nB='a'secret",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert_eq!(error, ".env, line 2: not NAME=value");
        }
    }

    #[test]
    fn no_file_is_no_variables() {
        assert!(read(Path::new("/nonexistent/.env")).unwrap().is_empty());
    }
}
