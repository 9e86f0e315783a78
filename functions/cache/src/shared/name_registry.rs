//! Which function owns a name. Two functions with one name would read each other's entries.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::policy::Policy;

/// One cached function: a `static` that the attribute makes.
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    place: &'static str,
    policy: Policy,
    /// The id of the cache that last accepted this site, or 0.
    accepted: AtomicU64,
    /// The id of the cache that last refused this site and logged it.
    refused: AtomicU64,
}

impl Site {
    /// `place` is the position of the attribute, to distinguish two functions and for the message.
    #[must_use]
    pub const fn new(name: &'static str, place: &'static str, policy: Policy) -> Self {
        Self {
            name,
            place,
            policy,
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// The name in the attribute.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The policy in the attribute.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

#[derive(Debug)]
pub(crate) struct Names {
    cache: u64,
    places: Mutex<HashMap<&'static str, &'static str>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            cache: NEXT.fetch_add(1, Ordering::Relaxed),
            places: Mutex::default(),
        }
    }

    /// Whether `site` may use its name. The first function with a name may; any other never may.
    pub(crate) fn accept(&self, site: &Site) -> bool {
        if site.accepted.load(Ordering::Relaxed) == self.cache {
            return true;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = *places.entry(site.name).or_insert(site.place);
        drop(places);
        if place == site.place {
            site.accepted.store(self.cache, Ordering::Relaxed);
            return true;
        }
        if site.refused.swap(self.cache, Ordering::Relaxed) != self.cache {
            tracing::error!(
                name = site.name,
                first = place,
                second = site.place,
                "two functions have one name; the second is not cached"
            );
        }
        false
    }
}
