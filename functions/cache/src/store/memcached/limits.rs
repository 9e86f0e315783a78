//! How much is read of a server at most, and sent to it in one line or exchange.

/// The longest line that a server may send: `VALUE`, a key of 250 bytes, four numbers.
pub(super) const MAX_LINE: usize = 512;
/// The largest item that is read: memcached's default limit.
pub(super) const MAX_ITEM: usize = 1 << 20;
/// The most that one read takes from the socket; a larger answer takes several.
pub(super) const READ_CHUNK: usize = 16 << 10;
/// What is read of settings and statistics.
pub(super) const MAX_REPLY: usize = 64 << 10;
/// The longest line that is sent. ElastiCache Serverless and some proxies take no more than 16 KB.
pub(super) const MAX_REQUEST_LINE: usize = 15 << 10;
/// The most items in one exchange. With more, a server's answers could fill both sockets while this
/// side still writes.
pub(super) const AT_ONCE: usize = 128;
/// The records are asked for in the same write as an effect of at most so many bytes. memcached
/// does not look at what TLS has already decrypted behind a value that it has read by itself, and
/// would wait for more.
pub(super) const TOGETHER: usize = 2048;
