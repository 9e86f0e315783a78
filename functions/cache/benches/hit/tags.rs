//! A hit with tags beside one without, and a flush by tag of many entries.

use std::{convert::Infallible, error::Error, time::Instant};

use larder::{Cache, Key, KeyError, Scope};
use larder_testing::Memcached;
use tokio::runtime::Runtime;

use crate::{
    alone::{self, POLICY},
    contest::{Contender, Contest},
    growth,
    layout::Layout,
    row::{Limit, Rounds, Row, Unit, median},
    user::User,
};

const LAYOUT: Layout = Layout::CrossCore;
const EIGHT: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const ENTRIES: i64 = 100_000;
const TAGS: i64 = 100;
/// So many entries of each tag are asked for after a flush.
const ASKED: usize = 20;

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    for layout in [Layout::CrossCore, Layout::SameCore] {
        let server = layout.memcached(&[])?;
        for protocol in ["meta", "classic"] {
            let url = format!("{}?protocol={protocol}", server.url());
            let with = |tags| Tagged::new(&url, protocol, tags);
            let mut contest = Contest::new(layout.name(), with(0)?);
            for tags in [1, 8] {
                let what = format!("a hit with tags: {tags}, {protocol}, over none");
                contest.enter("P1", what, Limit::NoTarget, with(tags)?);
            }
            contest.report()?;
        }
    }
    flushes()
}

/// One entry, and how many tags it has.
pub(crate) struct Tagged {
    cache: Cache,
    runtime: Runtime,
    key: Key,
}

impl Tagged {
    pub(crate) fn new(url: &str, namespace: &str, tags: usize) -> Result<Self, Box<dyn Error>> {
        let (cache, runtime) = (alone::cache(url, namespace)?, alone::runtime()?);
        let key = Key::new("tagged", &(tags,))?.with_tags(&EIGHT[..tags])?;
        runtime.block_on(cache.put(&key, &POLICY, &User::sample(7)))?;
        Ok(Self {
            cache,
            runtime,
            key,
        })
    }
}

impl Contender for Tagged {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            let origin = || async { Ok::<_, Infallible>(User::sample(7)) };
            let fetched = self.cache.get_or_fetch(&self.key, &POLICY, origin);
            let fetched = self.runtime.block_on(fetched)?;
            times.push(begun.elapsed().as_secs_f64());
            if !fetched.is_hit() {
                return Err(format!("no hit but {:?}", fetched.outcome()).into());
            }
        }
        Ok(median(times))
    }
}

/// Flushes each of the tags of many entries, and looks at what is left.
fn flushes() -> Result<(), Box<dyn Error>> {
    let server = LAYOUT.memcached(&["-m", "1024"])?;
    let (cache, runtime) = (alone::cache(&server.url(), "tags")?, alone::runtime()?);
    runtime.block_on(growth::fill(&cache, POLICY, ENTRIES, key, |n| n))?;
    let before = deletes(&server);
    let mut rounds = Rounds::of(Unit::Seconds);
    for n in 0..TAGS {
        let base = Instant::now();
        runtime.block_on(cache.flush(Scope::Name("another")))?;
        let base = base.elapsed().as_secs_f64();
        let begun = Instant::now();
        runtime.block_on(cache.flush(Scope::Tag(&tag(n))))?;
        let took = begun.elapsed().as_secs_f64();
        rounds.add(took, took / base);
        let of_others = (n + 1) % TAGS;
        for (tag, flushed) in [(n, true), (of_others, of_others <= n)] {
            runtime.block_on(check(&cache, tag, flushed))?;
        }
    }
    let commands = deletes(&server) - before - TAGS.unsigned_abs();
    let what = "a flush by tag of 1,000 entries, over one by name";
    Row::new("P8", what, LAYOUT.name(), &rounds, Limit::NoTarget).report()?;
    println!("    {ENTRIES} entries in {TAGS} tags: {commands} commands that delete");
    Ok(())
}

/// Whether the first entries of `tag` are there.
async fn check(cache: &Cache, tag: i64, flushed: bool) -> Result<(), Box<dyn Error>> {
    for n in (tag..ENTRIES).step_by(TAGS as usize).take(ASKED) {
        let there = cache.peek::<i64>(&key(n)?, &POLICY).await;
        if there.is_some() == flushed {
            return Err(format!("entry {n} of tag {tag}: {there:?}").into());
        }
    }
    Ok(())
}

fn key(n: i64) -> Result<Key, KeyError> {
    Key::new("flushed", &(n,))?.with_tags([tag(n % TAGS)])
}

fn tag(n: i64) -> String {
    format!("group {n}")
}

fn deletes(server: &Memcached) -> u64 {
    server.stat("delete_hits") + server.stat("delete_misses")
}
