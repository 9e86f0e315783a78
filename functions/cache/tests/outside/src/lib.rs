//! Cached functions as another crate writes them.

#![deny(warnings, missing_docs, unused, clippy::pedantic)]
// Lints of what these functions do, not of what the attribute makes of them.
#![allow(clippy::unused_async, clippy::implicit_hasher)]

use std::{collections::HashMap, fmt};

use larder::Policy;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The value that most of them return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The argument.
    pub of: String,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError;

/// Cached for a minute.
pub const MINUTE: Policy = Policy::ttl(std::time::Duration::from_mins(1));

/// A free function.
///
/// # Errors
/// For the id 0.
#[larder::cached(
    "outside-free",
    ttl = "60s",
    jitter = 10,
    stale_while_revalidate = "30s"
)]
pub async fn free(id: u64, name: String) -> Result<Report, LoadError> {
    if id == 0 {
        return Err(LoadError);
    }
    Ok(Report {
        of: format!("{id} {name}"),
    })
}

/// A type with methods.
#[derive(Debug)]
pub struct Tenant {
    /// Its entries are separate from those of other tenants.
    pub name: String,
}

impl Tenant {
    /// An inherent method, with companions.
    ///
    /// # Errors
    /// None yet.
    #[larder::cached("outside-inherent", policy = MINUTE, key = (self.name, id))]
    pub async fn report(&self, id: u64) -> Result<Report, LoadError> {
        Ok(Report {
            of: format!("{id} of {}", self.name),
        })
    }
}

/// A trait with an async method.
pub trait Load: Sync {
    /// As implementations write it with `async fn`.
    fn load(&self, id: u64) -> impl std::future::Future<Output = Result<Report, LoadError>> + Send;
}

impl Load for Tenant {
    #[larder::cached("outside-trait", ttl = "1m", skip(self))]
    async fn load(&self, id: u64) -> Result<Report, LoadError> {
        Ok(Report { of: id.to_string() })
    }
}

/// A generic function.
///
/// # Errors
/// For a text that is none of these.
#[larder::cached("outside-generic", ttl = "1h", key = text)]
pub async fn parsed<T>(text: &str) -> Result<T, T::Err>
where
    T: std::str::FromStr<Err: fmt::Debug> + Serialize + DeserializeOwned,
{
    text.parse()
}

/// An absence that is cached for a while.
#[larder::cached("outside-option", ttl = "60s", negative_ttl = "5s")]
pub async fn even(n: u32) -> Option<u32> {
    n.is_multiple_of(2).then_some(n)
}

/// An absence or a failure: only the absence is cached.
///
/// # Errors
/// For a negative id.
#[larder::cached("outside-both", ttl = "60s", negative_ttl = "5s", skip(users))]
pub async fn user(
    id: i64,
    users: &HashMap<i64, String>,
) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
    u64::try_from(id)?;
    Ok(users.get(&id).cloned())
}

/// Borrowed arguments of many kinds.
#[larder::cached("outside-borrowed", ttl = "250ms")]
pub async fn borrowed<'a>(
    text: &'a str,
    more: Option<&'a str>,
    numbers: &[i32],
    nested: &'a [(&'a str, u8)],
) -> String {
    format!("{text} {more:?} {numbers:?} {nested:?}")
}

/// A name that is already another's in the type namespace.
pub mod user_module {
    /// In a module of its own name.
    ///
    /// # Errors
    /// None yet.
    #[larder::cached("outside-user", ttl = "60s", companions = cached_user_module)]
    pub async fn user_module(id: u64) -> Result<u64, crate::LoadError> {
        Ok(id)
    }
}
pub use user_module::user_module;
