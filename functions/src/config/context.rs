//! The start of a process. Owns the order: log, settings, cache; must not know which handlers follow.
//! Connects to nothing, so that no start depends on a cache or a database being up.

use larder::Cache;

use crate::config::host::Place;
use crate::config::settings::{Settings, SettingsError};

/// What handlers are made from.
#[derive(Clone)]
pub struct Start {
    /// Our own settings.
    pub settings: Settings,
    /// The cache that is installed for this process.
    pub cache: Cache,
    /// Where we run.
    pub place: Place,
}

/// Why a process does not start; names the variable.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of our own.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// One of the cache's.
    #[error(transparent)]
    Cache(#[from] larder::OptionsError),
    /// A second start in one process.
    #[error(transparent)]
    Installed(#[from] larder::AlreadyInstalled),
}

impl Start {
    /// Reads all settings through `lookup` and installs the cache.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        place: impl FnOnce(&Settings) -> Place,
    ) -> Result<Self, StartError> {
        let settings = Settings::from_lookup(&lookup)?;
        let cache = Cache::from_lookup(|name| lookup(name).filter(|value| !value.is_empty()))?;
        larder::install(cache.clone())?;
        let place = place(&settings);
        Ok(Self {
            settings,
            cache,
            place,
        })
    }
}

/// The names of the environment's variables.
pub fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// The environment. A value that is not Unicode comes with replacement characters, so that it is refused and not ignored.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
