//! Without the attribute: a key, a policy and a closure.
//!
//! `cargo run -p larder --example explicit`

use std::{convert::Infallible, time::Duration};

use larder::{Cache, Key, Policy, PolicyParts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::builder()
        .memory()
        .namespace("explicit")
        .budget(Duration::from_millis(20))
        .build()?;
    println!("{}\n", cache.configuration());
    // A ttl that is only known at run time: an impossible one is an error.
    let mut parts = PolicyParts::new(Duration::from_secs(60));
    parts.stale_if_error = Duration::from_secs(300);
    let policy = Policy::try_build(parts)?;
    for word in ["cupboard", "pantry", "cupboard"] {
        let key = Key::new("length", &(word,))?;
        let origin = || async { Ok::<_, Infallible>(word.len()) };
        let length = cache.get_or_fetch(&key, &policy, origin).await?;
        println!("{word}: {}, {:?}", *length, length.outcome());
    }
    Ok(())
}
