//! What a cache's settings came to, to be shown: never a secret.

use std::fmt;

use super::{Lookup, names::Setting};

/// The settings that a cache works with, each with who said so. Shown, it is one `NAME=value (who)` a line, in the names of the
/// environment; a signing key is only said to be set.
///
/// ```
/// let cache = larder::Cache::builder().memory().namespace("shop").build().unwrap();
/// let shown = cache.configuration().to_string();
/// assert!(shown.contains("CACHE_NAMESPACE=shop (builder)"));
/// assert!(shown.contains("CACHE_BUDGET_MS=50 (default)"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Configuration(Vec<Effective>);

#[derive(Clone, PartialEq, Eq)]
struct Effective {
    setting: Setting,
    value: String,
    source: SettingSource,
}

/// Who said so. Each is stronger than the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SettingSource {
    Builder,
    Environment,
    Default,
}

impl Configuration {
    pub(super) fn add(&mut self, setting: Setting, value: impl fmt::Display, lookup: &Lookup<'_>) {
        let (value, source) = (value.to_string(), SettingSource::of(setting, lookup));
        self.0.push(Effective {
            setting,
            value,
            source,
        });
    }

    /// The URL, which two other variables may have been taken for.
    pub(super) fn url(&mut self, value: String, lookup: &Lookup<'_>) {
        let source = [Setting::Url, Setting::Host, Setting::Port]
            .into_iter()
            .map(|setting| SettingSource::of(setting, lookup))
            .find(|source| *source != SettingSource::Default);
        self.0.push(Effective {
            setting: Setting::Url,
            value,
            source: source.unwrap_or(SettingSource::Default),
        });
    }
}

impl SettingSource {
    fn of(setting: Setting, lookup: &Lookup<'_>) -> Self {
        if lookup.builder.get(setting).is_some() {
            Self::Builder
        } else if lookup.get(setting).is_some() {
            Self::Environment
        } else {
            Self::Default
        }
    }
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Builder => "builder",
            Self::Environment => "environment",
            Self::Default => "default",
        })
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            place,
            Effective {
                setting,
                value,
                source,
            },
        ) in self.0.iter().enumerate()
        {
            let line = if place == 0 { "" } else { "\n" };
            write!(f, "{line}{}={value} ({source})", setting.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.to_string();
        f.debug_list().entries(lines.lines()).finish()
    }
}
