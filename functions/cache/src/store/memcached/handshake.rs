//! The handshake on a new connection: is this memcached, and which protocol does it support?
//!
//! A server above its connection limit sends an error without being asked, and a hung one sends
//! nothing. Both are detected here and not in the middle of a lookup.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{super::StoreError, tls::Stream};

/// Which protocol to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Protocol {
    /// Meta if the server supports all that is used of it, else classic.
    #[default]
    Auto,
    Classic,
    Meta,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Classic => "classic",
            Self::Meta => "meta",
        })
    }
}

/// The first release with everything that is used of the meta protocol, as an ElastiCache version.
const META: [u32; 3] = [1, 6, 12];
/// A server answers with two short lines.
const MAX_REPLY: usize = 1024;

/// The protocol that the server's answers decide, never [`Protocol::Auto`].
pub(super) async fn handshake(
    stream: &mut Stream,
    wanted: Protocol,
) -> Result<Protocol, StoreError> {
    let lines = if wanted == Protocol::Classic { 1 } else { 2 };
    let request = if lines == 1 {
        "version\r\n"
    } else {
        "version\r\nmn\r\n"
    };
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|_| StoreError::Closed)?;
    stream.flush().await.map_err(|_| StoreError::Closed)?;
    let answer = read(stream, lines).await?;
    match (choose(&answer).ok_or(StoreError::Protocol)?, wanted) {
        (_, Protocol::Classic) => Ok(Protocol::Classic),
        (Capability::MetaAsUsed, _) => Ok(Protocol::Meta),
        (Capability::SomeMeta, Protocol::Meta) => Ok(Protocol::Meta),
        (Capability::ClassicOnly, Protocol::Meta) => Err(StoreError::Protocol),
        (Capability::SomeMeta | Capability::ClassicOnly, _) => Ok(Protocol::Classic),
    }
}

async fn read(stream: &mut Stream, lines: usize) -> Result<String, StoreError> {
    let mut answer = Vec::with_capacity(64);
    while answer.iter().filter(|b| **b == b'\n').count() < lines {
        // Above the connection limit only one line comes.
        if answer.len() > MAX_REPLY || answer.starts_with(b"ERROR ") {
            return Err(StoreError::Protocol);
        }
        match stream.read_buf(&mut answer).await {
            Ok(0) | Err(_) => return Err(StoreError::Closed),
            Ok(_) => {}
        }
    }
    String::from_utf8(answer).map_err(|_| StoreError::Protocol)
}

#[derive(Debug, PartialEq, Eq)]
enum Capability {
    ClassicOnly,
    SomeMeta,
    MetaAsUsed,
}

fn choose(answer: &str) -> Option<Capability> {
    let (version, rest) = answer.strip_prefix("VERSION ")?.split_once("\r\n")?;
    match rest {
        "MN\r\n" if parse_version(version).is_some_and(|version| version >= META) => {
            Some(Capability::MetaAsUsed)
        }
        "MN\r\n" => Some(Capability::SomeMeta),
        "" | "ERROR\r\n" => Some(Capability::ClassicOnly),
        _ => None,
    }
}

fn parse_version(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut part = || parts.next()?.ok();
    Some([part()?, part()?, part()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_chooses() {
        let rows = [
            ("VERSION 1.6.18\r\nMN\r\n", Some(Capability::MetaAsUsed)),
            ("VERSION 1.6.22-aws\r\nMN\r\n", Some(Capability::MetaAsUsed)),
            ("VERSION 2.0.0\r\nMN\r\n", Some(Capability::MetaAsUsed)),
            ("VERSION 1.6.9\r\nMN\r\n", Some(Capability::SomeMeta)),
            ("VERSION 1.4.5\r\nERROR\r\n", Some(Capability::ClassicOnly)),
            ("VERSION 1.6.18\r\n", Some(Capability::ClassicOnly)),
            ("VERSION proxy\r\nMN\r\n", Some(Capability::SomeMeta)),
            ("VERSION 1.6.18\r\nMN\r\nMN\r\n", None),
            ("ERROR Too many open connections\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", None),
        ];
        for (answer, expected) in rows {
            assert_eq!(choose(answer), expected, "{answer:?}");
        }
    }
}
