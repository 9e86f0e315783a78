//! What the runtime of the present task can do. Without tokio, or on a runtime whose builder was
//! not asked for time or I/O, tokio's timers and sockets panic: then a call goes to its origin.

use std::{
    cell::Cell,
    net::{Ipv4Addr, UdpSocket},
    panic::catch_unwind,
    time::Duration,
};

use tokio::runtime::{Handle, Id};

/// What a call cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Time,
    TimeAndIo,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missing {
    #[error("no tokio runtime")]
    Runtime,
    #[error("a tokio runtime without `enable_time`")]
    Time,
    #[error("a tokio runtime without `enable_io`")]
    Io,
}

/// The runtime of this thread's last call, and what it lacks.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: Id,
    time: bool,
    /// Not asked for yet: `None`.
    io: Option<bool>,
}

thread_local! {
    static KNOWN: Cell<Option<Known>> = const { Cell::new(None) };
}

/// What the present task lacks of what a call `needs`.
pub(crate) fn missing(needs: Needs) -> Option<Missing> {
    let Ok(runtime) = Handle::try_current() else {
        return Some(Missing::Runtime);
    };
    let id = runtime.id();
    let known = match KNOWN.get() {
        Some(known) if known.id == id && (known.io.is_some() || needs == Needs::Time) => known,
        _ => probe(id, needs),
    };
    match (known, needs) {
        (Known { time: false, .. }, _) => Some(Missing::Time),
        (
            Known {
                io: Some(false), ..
            },
            Needs::TimeAndIo,
        ) => Some(Missing::Io),
        _ => None,
    }
}

/// The runtime of this thread's last call. As a rule it is that of the present task; asking tokio
/// would cost more than what depends on it.
pub(crate) fn last_seen() -> Option<Id> {
    KNOWN.get().map(|known| known.id)
}

/// Tokio does not say what a runtime can do. So a timer or a socket is made, which panics if it
/// cannot: the panic hook shows that once for each thread of such a runtime.
#[cold]
fn probe(id: Id, needs: Needs) -> Known {
    let time = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok();
    let io = (time && needs == Needs::TimeAndIo).then(|| catch_unwind(register).is_ok());
    let known = Known { id, time, io };
    KNOWN.set(Some(known));
    known
}

/// Hands a socket over to the runtime. Every system has this kind.
fn register() {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else {
        return;
    };
    if socket.set_nonblocking(true).is_ok() {
        drop(tokio::net::UdpSocket::from_std(socket));
    }
}
