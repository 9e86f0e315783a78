//! The settings that a cache uses, for start lines and logs. Shows no secret.

use std::fmt;

use super::{Lookup, names::Known};

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
pub struct Configuration(Vec<Setting>);

#[derive(Clone, PartialEq, Eq)]
struct Setting {
    known: Known,
    value: String,
    by: By,
}

/// Where a setting comes from. Each source overrides the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Builder,
    Environment,
    Default,
}

impl Configuration {
    pub(super) fn add(&mut self, known: Known, value: impl fmt::Display, lookup: &Lookup<'_>) {
        let (value, by) = (value.to_string(), By::of(known, lookup));
        self.0.push(Setting { known, value, by });
    }

    /// The URL, which may come from `MEMCACHED_HOST` and `MEMCACHED_PORT`.
    pub(super) fn url(&mut self, value: String, lookup: &Lookup<'_>) {
        let by = [Known::Url, Known::Host, Known::Port]
            .into_iter()
            .map(|known| By::of(known, lookup))
            .find(|by| *by != By::Default);
        self.0.push(Setting {
            known: Known::Url,
            value,
            by: by.unwrap_or(By::Default),
        });
    }
}

impl By {
    fn of(known: Known, lookup: &Lookup<'_>) -> Self {
        if lookup.builder.get(known).is_some() {
            Self::Builder
        } else if lookup.get(known).is_some() {
            Self::Environment
        } else {
            Self::Default
        }
    }
}

impl fmt::Display for By {
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
        for (place, Setting { known, value, by }) in self.0.iter().enumerate() {
            let line = if place == 0 { "" } else { "\n" };
            write!(f, "{line}{}={value} ({by})", known.name())?;
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
