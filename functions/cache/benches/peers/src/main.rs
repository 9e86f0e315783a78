//! Another client's `get`: `peers CLIENT PORT KEY` reads a number from each line, makes so many calls, and prints the median in
//! seconds.

use std::{error::Error, io::BufRead as _, time::Instant};

use async_memcached::AsciiProtocol as _;
use memcache::exp::Memcache;
use tokio::net::TcpStream;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, client, port, key] = words.as_slice() else {
        return Err("usage: peers CLIENT PORT KEY".into());
    };
    let address = format!("127.0.0.1:{port}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match client.as_str() {
            "memcache-async" => {
                let stream = TcpStream::connect(&address).await?;
                stream.set_nodelay(true)?;
                let mut client = memcache_async::ascii::Protocol::new(stream);
                turns(async || Ok(client.get(key).await?.len())).await
            }
            "async-memcached" => {
                let mut client = async_memcached::Client::new(format!("tcp://{address}")).await?;
                turns(async || {
                    let value = client.get(key).await?.and_then(|value| value.data);
                    Ok(value.map_or(0, |data| data.len()))
                })
                .await
            }
            "memcache::exp" => {
                let client = Memcache::builder().connect_async([address]).await?;
                turns(async || {
                    let value: Option<Vec<u8>> = client.get(key).await?;
                    Ok(value.map_or(0, |value| value.len()))
                })
                .await
            }
            other => Err(format!("{other} is no client that is known here").into()),
        }
    })
}

/// `get` gives the length of what it found.
async fn turns(mut get: impl AsyncFnMut() -> Result<usize>) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        let calls: usize = line?.trim().parse()?;
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            let length = get().await?;
            times.push(begun.elapsed().as_secs_f64());
            if length == 0 {
                return Err("nothing stands there".into());
            }
        }
        times.sort_by(f64::total_cmp);
        println!("{}", times[calls / 2]);
    }
    Ok(())
}
