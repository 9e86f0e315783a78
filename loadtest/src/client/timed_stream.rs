//! A stream that notes when the first byte of a request left and when the last byte of its answer
//! came.
//!
//! The clock is here, at the socket, because what a client does with an answer is not the target's
//! time: to hand it from the connection's task to the user's and to parse its head takes 10 µs, and
//! three times that after a pause.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The timestamps of one request at a time, shared by clones.
#[derive(Clone)]
pub(crate) struct Timestamps {
    /// The start of the clock.
    epoch: Instant,
    instants: Arc<[AtomicU64; 2]>,
}

/// The index of each timestamp in `instants`, in nanoseconds; 0 is none.
const SENT: usize = 0;
const READ: usize = 1;

impl Timestamps {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            instants: Arc::default(),
        }
    }

    /// Begins a new request.
    pub(crate) fn clear(&self) {
        self.instants
            .iter()
            .for_each(|instant| instant.store(0, Ordering::Relaxed));
    }

    /// When the first byte was about to be written.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.instant(SENT)
    }

    /// When the latest bytes had been read.
    pub(crate) fn read(&self) -> Option<Instant> {
        self.instant(READ)
    }

    /// Notes that bytes are about to be written, unless some were before.
    fn begin(&self) {
        if self.sent().is_none() {
            self.set(SENT, Instant::now());
        }
    }

    fn instant(&self, which: usize) -> Option<Instant> {
        let ns = self.instants[which].load(Ordering::Relaxed);
        (ns > 0).then(|| self.epoch + Duration::from_nanos(ns))
    }

    fn set(&self, which: usize, when: Instant) {
        let ns = u64::try_from((when - self.epoch).as_nanos()).unwrap_or(u64::MAX);
        self.instants[which].store(ns.max(1), Ordering::Relaxed);
    }
}

/// A stream that keeps timestamps.
pub(crate) struct TimedStream<S> {
    stream: S,
    timestamps: Timestamps,
}

impl<S> TimedStream<S> {
    pub(crate) fn new(stream: S, timestamps: Timestamps) -> Self {
        Self { stream, timestamps }
    }
}

impl<S: Read + Unpin> Read for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        // Also if the answer ends with its connection: that is its last byte.
        self.timestamps.set(READ, Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + Unpin> Write for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.timestamps.begin();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
