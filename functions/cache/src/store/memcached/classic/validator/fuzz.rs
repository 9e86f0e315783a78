//! What must hold for any bytes that a classic server sends: for the validator alone, and for
//! memcache-async behind it.

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use memcache_async::ascii::Protocol;

use super::*;
use crate::fuzzing::cuttings::cuttings;

const KEYS: [&str; 4] = ["a", "bb", "larder:@all", "larder:@fn:user"];
const ANSWERS: [&[&str]; 3] = [
    &["STORED", "NOT_STORED"],
    &["STORED", "EXISTS", "NOT_FOUND"],
    &["OK"],
];

pub(crate) fn reply(bytes: &[u8]) {
    for expect in expectations() {
        let [whole, singly, mixed] = cuttings(bytes).map(|pieces| judge(&expect, &pieces));
        assert_eq!(singly, whole, "{expect:?}");
        assert_eq!(mixed, whole, "{expect:?}");
    }
    for pieces in cuttings(bytes) {
        drive(bytes, &pieces);
    }
}

fn expectations() -> impl Iterator<Item = Expect> {
    let values = [false, true].map(|with_cas| Expect::Values {
        keys: KEYS.join(" "),
        with_cas,
    });
    let words = ANSWERS.map(Expect::Word);
    values
        .into_iter()
        .chain(words)
        .chain([Expect::Version, Expect::Nothing])
}

/// The validator's result: an error, or whether the answer is complete, with its last line.
#[derive(Debug, PartialEq)]
struct Judged {
    fed: Result<bool, &'static str>,
    refusal: Option<StoreError>,
    line: Vec<u8>,
}

fn judge(expect: &Expect, pieces: &[&[u8]]) -> Judged {
    let mut validator = ReplyValidator::new();
    validator.begin(expect.clone());
    let fed = pieces.iter().try_for_each(|piece| validator.feed(piece));
    assert!(validator.line.len() <= MAX_LINE);
    let (fed, refusal) = (fed.map(|()| validator.is_clean()), validator.refusal());
    let line = if fed == Ok(true) {
        validator.last_line().to_vec()
    } else {
        Vec::new()
    };
    Judged { fed, refusal, line }
}

/// The driver's commands, each answered with these pieces: no value of another key, and none that
/// was not sent.
fn drive(bytes: &[u8], pieces: &[&[u8]]) {
    let mut values = Vec::new();
    let (mut crate_, _) = answered(pieces, false, &KEYS);
    if let Some(Ok(found)) = crate_.get_multi(&KEYS).now_or_never() {
        assert!(found.keys().all(|key| KEYS.contains(&key.as_str())));
        values.extend(found.into_values());
    }
    let (mut crate_, _) = answered(pieces, true, &KEYS[..1]);
    if let Some(Ok((value, _))) = crate_.gets_cas(KEYS[0]).now_or_never() {
        values.push(value);
    }
    for value in values {
        let sent = [&value[..], b"\r\n"].concat();
        let mut windows = bytes.windows(sent.len());
        assert!(windows.any(|window| window == sent), "{value:?}");
    }
    for words in &ANSWERS[..2] {
        let (mut crate_, validator) = behind(pieces, Expect::Word(words));
        let done = if words.contains(&"EXISTS") {
            let done = crate_.cas("a", b"x", 1, 1).now_or_never();
            done.is_some_and(|done| done.is_ok_and(|stored| stored))
        } else {
            let done = crate_.add("a", b"x", 1).now_or_never();
            done.is_some_and(|done| done.is_ok())
        };
        assert!(!done || validator.lock().last_line() == b"STORED");
    }
}

fn answered<'a>(
    pieces: &[&'a [u8]],
    with_cas: bool,
    keys: &[&str],
) -> (Protocol<ValidatedStream<Replay<'a>>>, Handle) {
    let keys = keys.join(" ");
    behind(pieces, Expect::Values { keys, with_cas })
}

fn behind<'a>(
    pieces: &[&'a [u8]],
    expect: Expect,
) -> (Protocol<ValidatedStream<Replay<'a>>>, Handle) {
    let (validated, validator) = validated(Replay(pieces.iter().copied().collect()));
    validator.lock().begin(expect);
    (Protocol::new(validated), validator)
}

/// A socket that accepts everything, answers with its pieces, and closes.
struct Replay<'a>(VecDeque<&'a [u8]>);

impl AsyncRead for Replay<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.pop_front() {
            let (now, later) = piece.split_at(piece.len().min(buf.remaining()));
            buf.put_slice(now);
            if !later.is_empty() {
                self.0.push_front(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
