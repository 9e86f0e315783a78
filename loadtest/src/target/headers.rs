//! Headers of requests, whose values may come from the environment. They are never shown: they may
//! be secrets.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

/// Names and values as they are in the target file; `${NAME}` in a value is the environment
/// variable of this name.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Headers(BTreeMap<String, String>);

/// Only names: a value may hold a password.
impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Headers {
    /// The headers with their values; `setting` looks up a variable. An error names the header and
    /// not its value.
    pub(crate) fn resolve(
        &self,
        setting: &dyn Fn(&str) -> Option<String>,
    ) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        for (name, text) in &self.0 {
            let wrong = |what: String| format!("header {name:?}: {what}");
            let parsed: HeaderName = name
                .parse()
                .map_err(|_| wrong("is not a header's name".into()))?;
            let value = fill_in(text, setting).map_err(wrong)?;
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| wrong("its value has characters that a header cannot have".into()))?;
            value.set_sensitive(true);
            map.insert(parsed, value);
        }
        Ok(map)
    }
}

/// Replaces each `${NAME}`.
fn fill_in(text: &str, setting: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or("its value has a ${ without a }")?;
        let value =
            setting(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(value: &str) -> Result<HeaderMap, String> {
        let headers = Headers(BTreeMap::from([("authorization".into(), value.into())]));
        headers.resolve(&|name| (name == "TOKEN").then(|| "s3cr3t".to_owned()))
    }

    #[test]
    fn a_value_comes_from_the_environment_and_is_never_shown() {
        let map = resolve("Bearer ${TOKEN}").unwrap();
        assert_eq!(map["authorization"], "Bearer s3cr3t");
        assert!(!format!("{map:?}").contains("s3cr3t"), "{map:?}");
        let headers = Headers(BTreeMap::from([("a".into(), "s3cr3t".into())]));
        assert_eq!(format!("{headers:?}"), "{\"a\"}");
        assert_eq!(
            resolve("Bearer ${OTHER}").unwrap_err(),
            "header \"authorization\": the environment variable OTHER is not set"
        );
        assert!(resolve("${TOKEN").unwrap_err().contains("without a }"));
        let broken = resolve("s3cr3t\n").unwrap_err();
        assert!(!broken.contains("s3cr3t"), "{broken}");
    }
}
