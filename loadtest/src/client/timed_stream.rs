//! When the first byte of a request left and the last byte of its answer came. Owns a stream that looks at the clock;
//! knows nothing of what passes through.
//!
//! A figure is taken here, at the socket, since what a client does with an answer is not the target's time: to hand it from
//! the connection's task to the user's and to read its head takes 10 µs, and three times that after a pause.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The moments of one exchange at a time; clones share them.
#[derive(Clone)]
pub(crate) struct Stamps {
    /// What the moments are counted from.
    epoch: Instant,
    moments: Arc<[AtomicU64; 2]>,
}

/// The places of the moments, in nanoseconds; 0 is none.
const SENT: usize = 0;
const READ: usize = 1;

impl Stamps {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            moments: Arc::default(),
        }
    }

    /// A new exchange begins.
    pub(crate) fn clear(&self) {
        self.moments
            .iter()
            .for_each(|moment| moment.store(0, Ordering::Relaxed));
    }

    /// When the first byte was about to be written.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.moment(SENT)
    }

    /// When the last bytes so far had been read.
    pub(crate) fn read(&self) -> Option<Instant> {
        self.moment(READ)
    }

    /// The first of a request's bytes is about to be written, if none was before.
    fn begin(&self) {
        if self.sent().is_none() {
            self.set(SENT, Instant::now());
        }
    }

    fn moment(&self, which: usize) -> Option<Instant> {
        let ns = self.moments[which].load(Ordering::Relaxed);
        (ns > 0).then(|| self.epoch + Duration::from_nanos(ns))
    }

    fn set(&self, which: usize, when: Instant) {
        let ns = u64::try_from((when - self.epoch).as_nanos()).unwrap_or(u64::MAX);
        self.moments[which].store(ns.max(1), Ordering::Relaxed);
    }
}

/// A stream that keeps stamps.
pub(crate) struct Stamped<S> {
    stream: S,
    stamps: Stamps,
}

impl<S> Stamped<S> {
    pub(crate) fn new(stream: S, stamps: Stamps) -> Self {
        Self { stream, stamps }
    }
}

impl<S: Read + Unpin> Read for Stamped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        // Also where the answer ends with its connection: that is its last byte.
        self.stamps.set(READ, Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for Stamped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.stamps.begin();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.stamps.begin();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
