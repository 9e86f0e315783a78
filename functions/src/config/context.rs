//! The start of a process: it reads the settings and installs the cache. It connects to nothing, so
//! a process starts whether or not a cache or a database is up.

use larder::Cache;

use crate::config::host::Host;
use crate::config::settings::{Settings, SettingsError};

/// What handlers are built from.
#[derive(Clone)]
pub struct Context {
    /// The functions' own settings.
    pub settings: Settings,
    /// The cache that is installed for this process.
    pub cache: Cache,
    /// Where the process runs.
    pub host: Host,
}

/// Why a process does not start. The message names the variable.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable of the functions is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A variable of the cache is invalid.
    #[error(transparent)]
    Cache(#[from] larder::OptionsError),
    /// The process has a cache already.
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
