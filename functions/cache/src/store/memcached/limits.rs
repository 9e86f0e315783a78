//! How much is read of a server at most.

/// The longest line of a sane server: `VALUE`, a key of 250 bytes, four numbers.
pub(super) const MAX_LINE: usize = 512;
/// The largest item that is read: memcached's own default limit.
pub(super) const MAX_ITEM: usize = 1 << 20;
/// What one read asks the socket for; a larger answer takes several.
pub(super) const READ_CHUNK: usize = 16 << 10;
