//! The messages between parent and workers: one line of words each.

use std::{fmt, time::Duration};

use larder::{Outcome, Policy, PolicyParts, Source};

/// One round's work, the same for every caller: ask for `keys` keys, `together` of them at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// How many keys, from 0 on.
    pub keys: u64,
    /// How many keys each caller asks for at a time.
    pub together: usize,
    /// What one origin call takes.
    pub origin: Duration,
    /// How it ends.
    pub ends: Ends,
    /// See [`Policy::ttl`].
    pub ttl: Duration,
    /// See [`Policy::stale_while_revalidate`].
    pub stale: Duration,
    /// See [`Policy::lease`].
    pub lease: Duration,
    /// See [`Policy::wait`].
    pub wait: Duration,
}

/// How origin calls end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With a value.
    Well,
    /// With an error.
    Failing,
}

/// An event of one key, as a worker reports it. Times are the worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its origin was called.
    Origin(u64),
    /// An origin call of its own has ended.
    Ended(u64),
    /// A caller has its answer.
    Answer {
        /// The key.
        key: u64,
        /// The value: each origin call returns a different number.
        value: u64,
        /// How long the caller waited.
        took: Duration,
        /// Where the value came from.
        source: Source,
        /// Whether this caller's own origin call was stored.
        stored: bool,
    },
    /// A caller has the error of its origin.
    Failed {
        /// The key.
        key: u64,
        /// How long the caller waited.
        took: Duration,
    },
}

/// Every message that the parent receives.
#[derive(Debug)]
pub(super) enum Heard {
    Event(Event),
    /// The round is over for this worker.
    Done,
    /// The worker is gone.
    Gone,
}

impl Order {
    /// The policy of the round's calls.
    ///
    /// # Panics
    /// If no policy can have these times.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let parts = PolicyParts {
            stale_while_revalidate: self.stale,
            lease: self.lease,
            wait: self.wait,
            jitter_percent: 0,
            ..PolicyParts::new(self.ttl)
        };
        Policy::try_build(parts).expect("a possible policy")
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let mut number = || numbers.next()?.ok();
        let (keys, together) = (number()?, usize::try_from(number()?).ok()?);
        let ends = match number()? {
            0 => Ends::Well,
            _ => Ends::Failing,
        };
        let mut time = || number().map(Duration::from_millis);
        Some(Self {
            keys,
            together,
            origin: time()?,
            ends,
            ttl: time()?,
            stale: time()?,
            lease: time()?,
            wait: time()?,
        })
    }
}

/// The line that `Order::parse` reads.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = u8::from(self.ends == Ends::Failing);
        write!(f, "{} {} {ends}", self.keys, self.together)?;
        for time in [self.origin, self.ttl, self.stale, self.lease, self.wait] {
            write!(f, " {}", time.as_millis())?;
        }
        writeln!(f)
    }
}

impl Event {
    pub(super) fn answer(key: u64, value: u64, took: Duration, outcome: Outcome) -> Self {
        use larder::Fill::Stored;
        let stored = matches!(outcome, Outcome::Miss(Stored) | Outcome::Expired(Stored));
        Self::Answer {
            key,
            value,
            took,
            source: outcome.source(),
            stored,
        }
    }
}

/// The line that `Heard::parse` reads.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(key) => writeln!(f, "origin {key}"),
            Self::Ended(key) => writeln!(f, "ended {key}"),
            Self::Answer {
                key,
                value,
                took,
                source,
                stored,
            } => {
                let (took, stored) = (took.as_micros(), u8::from(*stored));
                writeln!(f, "answer {key} {value} {took} {source:?} {stored}")
            }
            Self::Failed { key, took } => writeln!(f, "failed {key} {}", took.as_micros()),
        }
    }
}

pub(super) const DONE: &str = "done\n";

impl Heard {
    /// # Panics
    /// If it is not a worker's message.
    pub(super) fn parse(line: &str) -> Self {
        Self::understand(line).unwrap_or_else(|| panic!("a worker said {line:?}"))
    }

    fn understand(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |place: usize| words.get(place)?.parse::<u64>().ok();
        Some(Self::Event(match *words.first()? {
            "done" => return Some(Self::Done),
            "origin" => Event::Origin(number(1)?),
            "ended" => Event::Ended(number(1)?),
            "failed" => Event::Failed {
                key: number(1)?,
                took: Duration::from_micros(number(2)?),
            },
            "answer" => Event::Answer {
                key: number(1)?,
                value: number(2)?,
                took: Duration::from_micros(number(3)?),
                source: source(words.get(4)?)?,
                stored: number(5)? == 1,
            },
            _ => return None,
        }))
    }
}

fn source(word: &str) -> Option<Source> {
    let all = [Source::Origin, Source::Cache, Source::Stale];
    all.into_iter().find(|source| format!("{source:?}") == word)
}
