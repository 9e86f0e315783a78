//! One process of a stampede on `memcache::exp`'s `fetch`. It prints "ready" and reads lines of
//! `KEY SECONDS`. For each, all callers ask for the key at once, with an origin that takes so many
//! seconds; then it prints how often the origin was called here, and the time of the last answer in
//! seconds.

use std::{
    convert::Infallible,
    io::BufRead as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use memcache::exp::{AsyncMemcache, Memcache, Ttl};
use tokio::task::JoinSet;

use crate::Result;

pub(crate) async fn rounds(port: u16, callers: usize) -> Result<()> {
    let client = Memcache::builder()
        .connect_async([format!("127.0.0.1:{port}")])
        .await?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (key, seconds) = line.split_once(' ').ok_or("no order")?;
        let origin = Duration::from_secs_f64(seconds.parse()?);
        let calls = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let mut answers = JoinSet::new();
        for _ in 0..callers {
            answers.spawn(ask(
                client.clone(),
                key.to_owned(),
                origin,
                Arc::clone(&calls),
            ));
        }
        while let Some(answer) = answers.join_next().await {
            answer??;
        }
        let last = begun.elapsed().as_secs_f64();
        println!("{} {last}", calls.load(Ordering::Relaxed));
    }
    Ok(())
}

async fn ask(
    client: AsyncMemcache,
    key: String,
    took: Duration,
    calls: Arc<AtomicUsize>,
) -> memcache::exp::Result<String> {
    let origin = async move {
        calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(took).await;
        Ok::<_, Infallible>("an answer".to_owned())
    };
    client.fetch(key, Ttl::secs(600), origin).await
}
