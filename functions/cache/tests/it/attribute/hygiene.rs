//! A module in which every name that generated code could use means something else.

#![allow(dead_code, non_camel_case_types)]

mod larder {}
mod core {}
mod std {}
mod alloc {}
mod serde {}

struct Result;
struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct Box;
struct Send;
struct Sync;
struct Fn;
struct FnOnce;
struct Future;
struct Clone;
struct Default;
struct From;
struct Into;
struct String;
struct Vec;
struct bool;
struct Cache;
struct Policy;
struct Key;
struct Fetched;
struct Shape;
struct Plain;
struct Probe;
struct Site;

trait Everything {
    const KIND: () = ();
    const SHAPE: () = ();
    fn fetch(&self) {}
    fn clone(&self) {}
    fn into_result(self) -> Self
    where
        Self: Sized,
    {
        self
    }
    fn wrap(self) -> Self
    where
        Self: Sized,
    {
        self
    }
    fn unwrap(self) -> Self
    where
        Self: Sized,
    {
        self
    }
}
impl<T> Everything for T {}

/// Also the names that the generated code itself gives.
const POLICY: ::larder::Policy = ::larder::Policy::ttl(::core::time::Duration::from_secs(60));
const SITE: ::larder::Policy = POLICY;

#[::larder::cached("hygiene-free", policy = POLICY)]
pub(super) async fn free(
    site: u8,
    key: u8,
    value: u8,
    cache: u8,
) -> ::core::result::Result<u8, ()> {
    ::core::result::Result::Ok(site + key + value + cache)
}

#[::larder::cached("hygiene-plain", policy = SITE)]
pub(super) async fn plain(origin: u8) -> ::core::option::Option<u8> {
    ::core::option::Option::Some(origin)
}

#[::larder::cached("hygiene-generic", policy = POLICY, key = n)]
pub(super) async fn generic<T: ::core::marker::Send>(
    n: u8,
    _unused: T,
) -> ::core::result::Result<u8, ()> {
    ::core::result::Result::Ok(n)
}

pub(super) struct Type(pub(super) ::larder::Cache);

impl Type {
    #[::larder::cached("hygiene-inherent", policy = POLICY, skip(self), cache = self.0)]
    pub(super) async fn inherent(&self, site: u8, key: u8) -> ::core::result::Result<u8, ()> {
        ::core::result::Result::Ok(site + key)
    }

    #[::larder::cached("hygiene-private", policy = POLICY, skip(self), cache = self.0)]
    async fn private(&self, site: u8, key: u8) -> ::core::result::Result<u8, ()> {
        ::core::result::Result::Ok(site + key)
    }

    pub(super) async fn sum(&self) -> ::core::result::Result<u8, ()> {
        self.private(1, 2).await
    }
}
