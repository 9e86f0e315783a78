//! How to do what, one page for each need: begin with [`getting_started`]. [`how_it_works`]
//! explains what happens in memcached. The tests run the code of all pages.

#[doc = include_str!("guide/getting_started.md")]
pub mod getting_started {}
#[doc = include_str!("guide/invalidate.md")]
pub mod invalidate {}
#[doc = include_str!("guide/tags.md")]
pub mod tags {}
#[doc = include_str!("guide/near.md")]
pub mod near {}
#[doc = include_str!("guide/absence.md")]
pub mod absence {}
#[doc = include_str!("guide/testing.md")]
pub mod testing {}
#[doc = include_str!("guide/schema.md")]
pub mod schema {}
#[doc = include_str!("guide/tenants.md")]
pub mod tenants {}
#[doc = include_str!("guide/how_it_works.md")]
pub mod how_it_works {}
#[doc = include_str!("guide/migrating.md")]
pub mod migrating {}
