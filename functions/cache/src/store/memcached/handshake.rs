//! The handshake on a new connection: is this memcached, and which protocol does it support?
//!
//! A server above its connection limit sends an error without being asked, and a hung one sends
//! nothing. Both are detected here and not in the middle of a lookup.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::{
    super::StoreError,
    cause::ConnectError,
    login::{ACCEPTED, Login},
    tls::Stream,
};

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
/// A server answers with two or three short lines.
const MAX_REPLY: usize = 1024;
/// A server that has said its version and then nothing for so long does not know the meta command.
const SECOND_LINE: Duration = Duration::from_millis(300);
/// How long the classic protocol is used with a server that has refused the meta command although
/// its version knows it: it may have been about to stop.
const DOUBTED: Duration = Duration::from_secs(60);

/// What a server has greeted with.
#[derive(Debug)]
pub(super) struct Greeted {
    /// Never [`Protocol::Auto`].
    pub(super) protocol: Protocol,
    pub(super) version: String,
}

/// A handshake that has failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ConnectError,
    /// The peer may speak the classic protocol, on a new connection: a proxy closes one on which it
    /// sees a command that it does not know, or answers with an error, or with nothing.
    pub(super) may_be_classic: bool,
}

impl From<ConnectError> for Failed {
    fn from(error: ConnectError) -> Self {
        let may_be_classic = false;
        Self {
            error,
            may_be_classic,
        }
    }
}

/// What the handshakes with a server have shown so far.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    classic: Mutex<Option<ClassicOnly>>,
    keys: OnceLock<Keys>,
}

/// Where the server, or a proxy in its place, keeps keys that should be on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    Together,
    Apart,
}

/// The server has refused the meta command.
#[derive(Debug)]
struct ClassicOnly {
    /// What it called itself. Once that changes, it is asked again.
    version: String,
    until: Option<Instant>,
}

impl Learnt {
    pub(super) fn is_classic(&self) -> bool {
        let mut learnt = self.classic.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |classic: &mut ClassicOnly| {
            let until = classic.until;
            until.is_some_and(|until| until <= Instant::now())
        };
        learnt.take_if(over);
        learnt.is_some()
    }

    /// `None` as long as it was not found out.
    pub(super) fn keys(&self) -> Option<Keys> {
        self.keys.get().copied()
    }

    /// Whether this is the first to find it out.
    pub(super) fn note_keys(&self, keys: Keys) -> bool {
        self.keys.set(keys).is_ok()
    }

    /// The server of this version greets on a connection on which it is asked for nothing else.
    pub(super) fn note_classic(&self, version: &str) {
        let mut learnt = self.classic.lock().unwrap_or_else(PoisonError::into_inner);
        match &*learnt {
            Some(classic) if classic.version == version => {}
            Some(_) => *learnt = None,
            None => {
                let knows_meta = parse_version(version).is_some_and(|version| version >= META);
                *learnt = Some(ClassicOnly {
                    version: version.to_owned(),
                    until: knows_meta.then(|| Instant::now() + DOUBTED),
                });
            }
        }
    }
}

/// Logs in, if `login` is set, and lets the server's answers decide the protocol.
pub(super) async fn handshake(
    stream: &mut Stream,
    wanted: Protocol,
    login: Option<&Login>,
) -> Result<Greeted, Failed> {
    let mut request = Vec::new();
    let mut lines = 1;
    if let Some(login) = login {
        login.write(&mut request);
        lines += 1;
    }
    request.extend_from_slice(b"version\r\n");
    if wanted != Protocol::Classic {
        request.extend_from_slice(b"mn\r\n");
        lines += 1;
    }
    let sent = async {
        stream.write_all(&request).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| ConnectError::lost(&error))?;
    let mut answer = Vec::with_capacity(64);
    let read = read(stream, lines, wanted, &mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let greeting = match login {
        Some(_) => answer.strip_prefix(ACCEPTED).unwrap_or_default(),
        None => &answer,
    };
    let unexpected = || {
        // A peer that is no memcached may repeat the login that it was sent.
        let shown = login.is_none();
        let start: String = answer.chars().take(100).collect();
        let text = if shown {
            format!("it greets with {start:?}")
        } else {
            "it greets as no memcached does".to_owned()
        };
        ConnectError::new(StoreError::Protocol, text)
    };
    let auto = wanted == Protocol::Auto;
    if let Err(error) = read {
        // A server that closes without a word may be one that is full, or a proxy.
        let classic = answer.is_empty() || answer == ACCEPTED || greeting.starts_with("VERSION ");
        let may_be_classic = auto && classic && error.kind == StoreError::Closed;
        return Err(Failed {
            error,
            may_be_classic,
        });
    }
    if let Some(mut error) = refused_login(&answer) {
        // To a wrong login and what follows it, the server answers as if there had been none.
        if login.is_some() {
            error.kind = StoreError::LoginRefused;
        }
        return Err(error.into());
    }
    let (capability, version) = choose(greeting).ok_or_else(unexpected)?;
    let version = version.to_owned();
    let greeted = |protocol| Ok(Greeted { protocol, version });
    match (capability, wanted) {
        (_, Protocol::Classic) => greeted(Protocol::Classic),
        (Capability::MetaAsUsed, _) => greeted(Protocol::Meta),
        (Capability::SomeMeta, Protocol::Meta) => greeted(Protocol::Meta),
        (Capability::ClassicOnly | Capability::RefusesMeta, Protocol::Meta) => {
            Err(unexpected().into())
        }
        // Behind an error there may be more, or the end of the connection.
        (Capability::RefusesMeta, _) => Err(Failed {
            error: unexpected(),
            may_be_classic: true,
        }),
        (Capability::SomeMeta | Capability::ClassicOnly, _) => greeted(Protocol::Classic),
    }
}

async fn read(
    stream: &mut Stream,
    lines: usize,
    wanted: Protocol,
    answer: &mut Vec<u8>,
) -> Result<(), ConnectError> {
    loop {
        let ends = answer.iter().filter(|byte| **byte == b'\n').count();
        // In place of the rest, a server above its connection limit or with a password has one
        // line.
        let error = answer.starts_with(b"ERROR ") && ends > 0;
        if ends >= lines || error || refused_login(&String::from_utf8_lossy(answer)).is_some() {
            return Ok(());
        }
        if answer.len() > MAX_REPLY {
            // No memcached, which the caller sees in its answer.
            return Ok(());
        }
        let waits_for_meta = wanted == Protocol::Auto && ends + 1 == lines;
        let read = stream.read_buf(answer);
        let read = if waits_for_meta {
            let silent = |_| ConnectError::new(StoreError::Closed, "the meta command is ignored");
            timeout(SECOND_LINE, read).await.map_err(silent)?
        } else {
            read.await
        };
        match read {
            Ok(0) => {
                let text = "closed in place of a greeting";
                return Err(ConnectError::new(StoreError::Closed, text));
            }
            Err(error) => return Err(ConnectError::lost(&error)),
            Ok(_) => {}
        }
    }
}

/// The answers of a server with passwords. They may come instead of the greeting.
fn refused_login(answer: &str) -> Option<ConnectError> {
    let mut lines = answer.split_inclusive("\r\n");
    lines.find_map(|line| {
        let kind = match line {
            "CLIENT_ERROR unauthenticated\r\n" => StoreError::LoginNeeded,
            "CLIENT_ERROR authentication failure\r\n" => StoreError::LoginRefused,
            _ => return None,
        };
        Some(ConnectError::new(kind, line.trim_end()))
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Capability {
    ClassicOnly,
    /// With an error, after which the connection should not be used.
    RefusesMeta,
    SomeMeta,
    MetaAsUsed,
}

/// What a greeting says, and the server's version.
fn choose(answer: &str) -> Option<(Capability, &str)> {
    let (version, rest) = answer.strip_prefix("VERSION ")?.split_once("\r\n")?;
    let capability = match rest {
        "MN\r\n" if parse_version(version).is_some_and(|version| version >= META) => {
            Capability::MetaAsUsed
        }
        "MN\r\n" => Capability::SomeMeta,
        "" | "ERROR\r\n" => Capability::ClassicOnly,
        error if error.starts_with("CLIENT_ERROR ") => Capability::RefusesMeta,
        error if error.starts_with("SERVER_ERROR ") => Capability::RefusesMeta,
        _ => return None,
    };
    Some((capability, version))
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
            (
                "VERSION mcrouter 41.0\r\nCLIENT_ERROR malformed request\r\n",
                Some(Capability::RefusesMeta),
            ),
        ];
        for (answer, expected) in rows {
            let capability = choose(answer).map(|(capability, _)| capability);
            assert_eq!(capability, expected, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learnt_of_a_server_lasts_until_it_calls_itself_otherwise() {
        let learnt = Learnt::default();
        assert!(!learnt.is_classic());
        learnt.note_classic("0.5.0");
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert!(learnt.is_classic());
        learnt.note_classic("1.6.22");
        assert!(!learnt.is_classic(), "another server: it is asked again");
        learnt.note_classic("1.6.22");
        assert!(learnt.is_classic());
        tokio::time::advance(DOUBTED).await;
        assert!(!learnt.is_classic(), "its version knows the meta protocol");
    }
}
