//! One file a route, from the request to the response. Start reading here, with [`heavy_op`].

pub mod flush;
pub mod heavy_op;
pub mod page;
pub mod user;
