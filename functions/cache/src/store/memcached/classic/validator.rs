//! Checks every answer between the socket and memcache-async, and only passes the expected one.
//!
//! Without it, that crate accepts any length (10^12 ends the process), any key, and any line that
//! begins like a known word; and after one cancelled read it returns the values of other keys from
//! then on. So every byte of an answer first passes [`ReplyValidator`], which follows the classic
//! protocol's grammar for the one command in flight. What does not fit is an error before the crate
//! sees it. The connection is only used again after an answer that ended exactly where it should.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    super::{super::StoreError, limits::MAX_LINE, refusal::refusal},
    value_line::ValueLine,
};

/// The valid answers to the command in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// No command is in flight, so every byte is an error.
    Nothing,
    /// The values of these keys in any order, each at most once, then `END`; with or without cas.
    Values { keys: String, with_cas: bool },
    /// To a write: one line of exactly one of these words, or one that refuses the item.
    Word(&'static [&'static str]),
    /// `VERSION …`
    Version,
}

#[derive(Debug)]
enum State {
    Line,
    /// How many bytes of a value and of the line end after it are still missing.
    Value(usize),
    Done,
    /// The server has sent an error, or the grammar was violated: the connection cannot be used
    /// again.
    Broken,
}

/// Follows one answer at a time.
#[derive(Debug)]
pub(super) struct ReplyValidator {
    expect: Expect,
    state: State,
    line: Vec<u8>,
    seen: u32,
    refusal: Option<StoreError>,
}

impl ReplyValidator {
    fn new() -> Self {
        let line = Vec::with_capacity(MAX_LINE);
        Self {
            expect: Expect::Nothing,
            state: State::Done,
            line,
            seen: 0,
            refusal: None,
        }
    }

    /// A command is about to be sent.
    pub(super) fn begin(&mut self, expect: Expect) {
        (self.expect, self.state, self.seen) = (expect, State::Line, 0);
        self.refusal = None;
        self.line.clear();
    }

    /// An answer that was read without this validator is complete.
    pub(super) fn mark_complete(&mut self) {
        self.state = State::Done;
    }

    /// Whether the last answer was complete and as expected, and nothing came after it.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Why the server has not stored the item, if it has refused it.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        self.refusal
    }

    /// The last line of the answer, without its end.
    pub(super) fn last_line(&self) -> &[u8] {
        &self.line[..self.line.len().saturating_sub(2)]
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some(&byte) = bytes.first() {
            match self.state {
                State::Value(left) => {
                    let n = left.min(bytes.len());
                    self.value(left, &bytes[..n])?;
                    bytes = &bytes[n..];
                }
                State::Line => {
                    if self.line.last() == Some(&b'\n') {
                        self.line.clear();
                    }
                    if self.line.len() == MAX_LINE {
                        return Err("an endless line");
                    }
                    self.line.push(byte);
                    bytes = &bytes[1..];
                    if byte == b'\n' {
                        self.state = self.line_end()?;
                    }
                }
                State::Done => return Err("more than was asked for"),
                State::Broken => return Ok(()),
            }
        }
        Ok(())
    }

    /// `part` is the next piece of a value and its line end, of which `left` bytes are outstanding.
    fn value(&mut self, left: usize, part: &[u8]) -> Result<(), &'static str> {
        let rest = left - part.len();
        for (i, byte) in part.iter().rev().enumerate().take(2) {
            match rest + i {
                0 if *byte != b'\n' => return Err("a value that is longer than announced"),
                1 if *byte != b'\r' => return Err("a value that is longer than announced"),
                _ => {}
            }
        }
        self.state = if rest == 0 {
            State::Line
        } else {
            State::Value(rest)
        };
        Ok(())
    }

    fn line_end(&mut self) -> Result<State, &'static str> {
        let line = self
            .line
            .strip_suffix(b"\r\n")
            .ok_or("a line without its end")?;
        let line = std::str::from_utf8(line).map_err(|_| "a line that is not text")?;
        if let Expect::Word(_) = self.expect {
            self.refusal = refusal(line);
            if self.refusal.is_some() {
                return Ok(State::Done);
            }
        }
        if ["ERROR", "CLIENT_ERROR ", "SERVER_ERROR "]
            .iter()
            .any(|word| line.starts_with(word))
        {
            return Ok(State::Broken);
        }
        match &self.expect {
            Expect::Values { .. } if line == "END" => Ok(State::Done),
            Expect::Values { keys, with_cas } => {
                let value = ValueLine::parse(line).ok_or("not a value line")?;
                if value.cas.is_some() != *with_cas {
                    return Err("not a value line");
                }
                let mut keys = keys.split(' ');
                let place = keys.position(|asked| asked == value.key);
                let place = place.ok_or("not a key that was asked for")?;
                if self.seen & (1 << place) != 0 {
                    return Err("a value twice");
                }
                self.seen |= 1 << place;
                Ok(State::Value(value.length + 2))
            }
            Expect::Word(words) if words.contains(&line) => Ok(State::Done),
            Expect::Version if line.starts_with("VERSION ") => Ok(State::Done),
            Expect::Nothing | Expect::Word(_) | Expect::Version => Err("not an answer to this"),
        }
    }
}

/// The stream that memcache-async reads from and writes to.
#[derive(Debug)]
pub(super) struct ValidatedStream<S> {
    stream: S,
    lock: Arc<Mutex<ReplyValidator>>,
}

/// The other end of a [`ValidatedStream`]'s watch.
#[derive(Debug, Clone)]
pub(super) struct Handle(Arc<Mutex<ReplyValidator>>);

impl Handle {
    pub(super) fn lock(&self) -> MutexGuard<'_, ReplyValidator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn validated<S>(stream: S) -> (ValidatedStream<S>, Handle) {
    let lock = Arc::new(Mutex::new(ReplyValidator::new()));
    (
        ValidatedStream {
            stream,
            lock: lock.clone(),
        },
        Handle(lock),
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for ValidatedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let mut validator = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(what) = validator.feed(&buf.filled()[before..]) {
            validator.state = State::Broken;
            // None of it reaches the crate.
            buf.set_filled(before);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ValidatedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn values(with_cas: bool) -> Expect {
        Expect::Values {
            keys: "a bb".to_owned(),
            with_cas,
        }
    }

    /// Feeds the answer as a whole, byte by byte, and in every split into two: all results must be
    /// equal.
    fn check(expect: &Expect, answer: &[u8], clean: bool) {
        let feed = |pieces: &[&[u8]]| {
            let mut validator = ReplyValidator::new();
            validator.begin(expect.clone());
            pieces.iter().all(|piece| validator.feed(piece).is_ok()) && validator.is_clean()
        };
        let text = String::from_utf8_lossy(answer);
        assert_eq!(feed(&[answer]), clean, "{text:?}");
        assert_eq!(
            feed(&answer.chunks(1).collect::<Vec<_>>()),
            clean,
            "{text:?}"
        );
        for at in 0..answer.len() {
            assert_eq!(
                feed(&[&answer[..at], &answer[at..]]),
                clean,
                "{text:?} cut at {at}"
            );
        }
    }

    #[test]
    fn sound_answers_pass() {
        check(&values(false), b"END\r\n", true);
        check(
            &values(false),
            b"VALUE bb 0 3\r\nx\r\n\r\nVALUE a 0 0\r\n\r\nEND\r\n",
            true,
        );
        check(&values(true), b"VALUE a 0 5 77\r\nEND\r\n\r\nEND\r\n", true);
        check(
            &Expect::Word(&["STORED", "NOT_STORED"]),
            b"NOT_STORED\r\n",
            true,
        );
        check(&Expect::Version, b"VERSION 1.6.18\r\n", true);
        for refused in [
            &b"SERVER_ERROR out of memory storing object\r\n"[..],
            b"SERVER_ERROR object too large for cache\r\n",
            b"CLIENT_ERROR bad command line format\r\n",
        ] {
            check(&Expect::Word(&["STORED"]), refused, true);
        }
    }

    #[test]
    fn everything_else_does_not() {
        for answer in [
            &b"VALUE a 0 18446744073709551615\r\n"[..],
            b"VALUE a 0 1000000000000\r\n",
            b"VALUE a 0 1048577\r\n",
            b"VALUE a 0 -1\r\n",
            b"VALUE c 0 1\r\nx\r\nEND\r\n",
            b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\nEND\r\n",
            b"VALUE a 0 1\r\nxx\r\nEND\r\n",
            b"VALUE a 0 3\r\nx\r\nEND\r\n",
            b"VALUE a 0 1 5\r\nx\r\nEND\r\n",
            b"VALUE a 0 1\r\nx\r\n",
            b"ENDLESS\r\n",
            b"END\n",
            b"END\r\nEND\r\n",
            b"ERROR\r\n",
            b"ERROR Too many open connections\r\n",
            b"SERVER_ERROR out of memory\r\n",
            b"STORED\r\n",
            b"\xff\xfe\r\n",
            b"\r\n",
        ] {
            check(&values(false), answer, false);
        }
        check(&values(true), b"VALUE a 0 1\r\nx\r\nEND\r\n", false);
        check(&Expect::Word(&["STORED"]), b"STORED \r\n", false);
        check(&Expect::Word(&["STORED"]), b"EXISTS\r\n", false);
        check(&Expect::Word(&["STORED"]), b"ERROR\r\n", false);
        let two = b"CLIENT_ERROR bad data chunk\r\nERROR\r\n";
        check(&Expect::Word(&["STORED"]), two, false);
        check(&Expect::Nothing, b"END\r\n", false);
        check(&values(false), &[b'x'; 4096], false);
    }
}
