//! The start of a process. Owns the order: log, settings, cache; must not know which handlers follow.
//! Connects to nothing, so that no start depends on a cache or a database being up.

use larder::Cache;

use crate::config::host::Host;
use crate::config::settings::{Settings, SettingsError};

/// What handlers are made from.
#[derive(Clone)]
pub struct Context {
    /// Our own settings.
    pub settings: Settings,
    /// The cache that is installed for this process.
    pub cache: Cache,
    /// Where we run.
    pub host: Host,
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

impl Context {
    /// Reads all settings through `lookup` and installs the cache.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        host: impl FnOnce(&Settings) -> Host,
    ) -> Result<Self, StartError> {
        let settings = Settings::from_lookup(&lookup)?;
        let cache = Cache::from_lookup(|name| lookup(name).filter(|value| !value.is_empty()))?;
        larder::install(cache.clone())?;
        let host = host(&settings);
        Ok(Self {
            settings,
            cache,
            host,
        })
    }
}
