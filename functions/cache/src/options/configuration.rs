//! The settings that a cache uses, for start lines and logs. Shows no secret.

use std::fmt;

use super::{Lookup, names::Setting};

/// The settings that a cache uses. `Display` writes a line `NAME=value (source)` for each, with the
/// name of the environment's variable; the source is `builder`, `environment` or `default`. Signing
/// keys are not shown.
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

/// Where a setting comes from. Each source overrides the next.
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

    /// The URL, which may come from `MEMCACHED_HOST` and `MEMCACHED_PORT`.
    pub(super) fn url(&mut self, value: String, lookup: &Lookup<'_>) {
        let settings = [
            Setting::Url,
            Setting::Host,
            Setting::Port,
            Setting::ServiceHost,
        ];
        let source = settings
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
