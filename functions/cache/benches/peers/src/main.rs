//! Measures other caches for comparison. `peers CLIENT PORT KEY` prints "ready", reads a number
//! from each line, makes so many calls, and prints the median in seconds. `peers stampede PORT
//! CALLERS` is described in its own file.

use std::{error::Error, io::BufRead as _, time::Instant};

mod getters;
mod on_redis;
mod stampede;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, peer, port, about] = words.as_slice() else {
        return Err("usage: peers CLIENT PORT KEY | peers stampede PORT CALLERS".into());
    };
    let (port, key) = (port.parse()?, about.as_str());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match peer.as_str() {
            "memcache-async" => getters::memcache_async(port, key).await,
            "async-memcached" => getters::async_memcached(port, key).await,
            "memcache::exp" => getters::memcache_exp(port, key).await,
            "cached" => on_redis::cached(port, key.parse()?).await,
            "stampede" => stampede::rounds(port, about.parse()?).await,
            other => Err(format!("{other} is no peer that is known here").into()),
        }
    })
}

/// Makes as many calls as each line says. A call that is not a hit is an error.
async fn turns(mut hit: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let calls: usize = line?.trim().parse()?;
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            hit().await?;
            times.push(begun.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        println!("{}", times[calls / 2]);
    }
    Ok(())
}
