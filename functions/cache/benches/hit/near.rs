//! A near hit: an attribute call that a copy in this process answers, against moka's own `get` of
//! an `Arc` under the same hash of a key, and against a hit on memcached.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use larder::{Cache, with_cache};
use tokio::runtime::Runtime;

use crate::{
    alone::{key, runtime},
    contest::{Contender, Contest},
    layout::Layout,
    row::Limit,
    user::User,
    value::Decoded,
};

const ID: i64 = 7;

#[larder::cached("bench-near", ttl = "1h", near = "2s")]
async fn cloned(id: i64) -> User {
    User::sample(id)
}

#[larder::cached("bench-shared", ttl = "1h", near = "2s")]
async fn shared(id: i64) -> Arc<User> {
    Arc::new(User::sample(id))
}

#[larder::cached("bench-far", ttl = "1h")]
async fn far(id: i64) -> User {
    User::sample(id)
}

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    let server = Layout::CrossCore.memcached(&[])?;
    let cache = Cache::builder().url(server.url()).near(true);
    let cache = cache.budget(Duration::from_secs(10)).build()?;
    let near = |what| Near::new(&cache, what);
    let mut contest = Contest::new("in this process, over moka's get of an Arc", Moka::new());
    let what = "a near hit, decoded and cloned";
    contest.enter("P9", what, Limit::AtMost(3.0), near(What::Cloned)?);
    let what = "a near hit, an Arc";
    contest.enter("P9", what, Limit::AtMost(1.5), near(What::Shared)?);
    contest.report()?;
    let mut contest = Contest::new("over a memcached hit, cross-core", near(What::Far)?);
    let what = "a near hit, decoded and cloned";
    contest.enter("P9", what, Limit::AtMost(0.05), near(What::Cloned)?);
    let what = "a near hit, an Arc";
    contest.enter("P9", what, Limit::AtMost(0.05), near(What::Shared)?);
    contest.report()
}

/// The key is hashed as larder does it, and looked up by its digest.
struct Moka(moka::sync::Cache<[u8; 32], Arc<User>>);

impl Moka {
    fn new() -> Self {
        Self(moka::sync::Cache::new(10_000))
    }
}

impl Contender for Moka {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        self.0
            .insert(*key::<Decoded>(ID)?.digest(), Arc::new(User::sample(ID)));
        let begun = Instant::now();
        for _ in 0..calls {
            let key = key::<Decoded>(std::hint::black_box(ID))?;
            let user = self.0.get(key.digest()).ok_or("evicted")?;
            std::hint::black_box(&user);
        }
        Ok(begun.elapsed().as_secs_f64() / calls as f64)
    }
}

#[derive(Clone, Copy)]
enum What {
    Cloned,
    Shared,
    Far,
}

struct Near {
    cache: Cache,
    runtime: Runtime,
    what: What,
}

impl Near {
    fn new(cache: &Cache, what: What) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            cache: cache.clone(),
            runtime: runtime()?,
            what,
        })
    }
}

/// Whether a copy has answered.
async fn call(what: What) -> bool {
    let id = std::hint::black_box(ID);
    match what {
        What::Cloned => std::hint::black_box(cloned::fetch(id).await).is_near(),
        What::Shared => std::hint::black_box(shared::fetch(id).await).is_near(),
        What::Far => std::hint::black_box(far::fetch(id).await).is_hit(),
    }
}

impl Contender for Near {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        let run = with_cache(self.cache.clone(), async {
            // Until there is a copy, and a fresh one: it outlives the round.
            if let What::Cloned | What::Shared = self.what {
                self.cache.forget_near();
            }
            for _ in 0..3000 {
                if call(self.what).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let (begun, mut answered) = (Instant::now(), 0);
            for _ in 0..calls {
                answered += usize::from(call(self.what).await);
            }
            let took = begun.elapsed().as_secs_f64() / calls as f64;
            if answered < calls {
                return Err(format!("{answered} of {calls} calls are hits").into());
            }
            Ok(took)
        });
        self.runtime.block_on(run)
    }
}
