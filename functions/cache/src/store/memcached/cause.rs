//! Why a server cannot be connected to: the text of what went wrong, for log lines and errors.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::super::StoreError;

/// Why no connection was made.
#[derive(Debug)]
pub(super) struct ConnectError {
    pub(super) kind: StoreError,
    pub(super) text: String,
}

impl ConnectError {
    pub(super) fn new(kind: StoreError, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }

    /// A socket could not be connected.
    pub(super) fn connect(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => StoreError::Refused,
            _ => StoreError::Unreachable,
        };
        Self::new(kind, error.to_string())
    }

    /// The peer closed the connection, or TLS failed while it was read.
    pub(super) fn lost(error: &io::Error) -> Self {
        if error.kind() != io::ErrorKind::InvalidData {
            return Self::new(StoreError::Closed, error.to_string());
        }
        Self::tls(error)
    }

    pub(super) fn tls(error: &io::Error) -> Self {
        let text = error.to_string();
        let hint = if text.contains("CertificateRequired") {
            ": the server asks for a client certificate, which CACHE_CLIENT_CERT_FILE and \
             CACHE_CLIENT_KEY_FILE name"
        } else {
            ""
        };
        Self::new(StoreError::Tls, text + hint)
    }
}

/// What was wrong with a server so far.
#[derive(Debug, Default)]
pub(super) struct Causes {
    /// A bit for each kind that was logged.
    logged: AtomicU32,
    last: Mutex<Option<Arc<str>>>,
}

impl Causes {
    /// Keeps the text, and logs it if it is the first of its kind.
    pub(super) fn note(&self, server: &dyn std::fmt::Display, error: ConnectError) -> StoreError {
        let ConnectError { kind, text } = error;
        let bit = 1 << kind as u32;
        if self.logged.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            tracing::warn!(
                %server,
                problem = %kind,
                reason = text,
                "the cache's server cannot be connected to; origins answer"
            );
        }
        *self.last() = Some(text.into());
        kind
    }

    /// A connection was made.
    pub(super) fn forget(&self) {
        *self.last() = None;
    }

    /// Why the last connect has failed, if it has.
    pub(super) fn present(&self) -> Option<Arc<str>> {
        self.last().clone()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Arc<str>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
