//! How to do what: one page a need. [`ladder`] is the place to begin. Its code is run by the tests.

#[doc = include_str!("guide/ladder.md")]
pub mod ladder {}
#[doc = include_str!("guide/invalidate.md")]
pub mod invalidate {}
#[doc = include_str!("guide/absence.md")]
pub mod absence {}
#[doc = include_str!("guide/testing.md")]
pub mod testing {}
#[doc = include_str!("guide/schema.md")]
pub mod schema {}
#[doc = include_str!("guide/tenants.md")]
pub mod tenants {}
#[doc = include_str!("guide/coming.md")]
pub mod coming {}
