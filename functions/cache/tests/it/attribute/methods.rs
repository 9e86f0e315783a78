//! Methods: inherent ones have companions, those of traits have none; and how their entries are
//! kept apart.

use std::{collections::HashMap, sync::Arc};

use larder::{Cache, Fetched, with_cache};
use serde::{Serialize, de::DeserializeOwned};

struct Users {
    tenant: String,
    names: HashMap<i64, String>,
}

impl Users {
    const POLICY: larder::Policy = larder::Policy::ttl(std::time::Duration::from_secs(60));

    fn of(tenant: &str, name: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            names: HashMap::from([(1, name.to_owned())]),
        }
    }

    #[larder::cached("users-any", policy = Users::POLICY, skip(self))]
    pub(crate) async fn any(&self, id: i64) -> Result<Option<String>, String> {
        Ok(self.names.get(&id).cloned())
    }

    /// One entry for each tenant.
    #[larder::cached("users-own", ttl = "60s", key = (self.tenant, id))]
    pub(self) async fn own(&self, id: i64) -> Option<String> {
        self.names.get(&id).cloned()
    }

    #[larder::cached("users-private", ttl = "60s", skip(self))]
    async fn private(&self, mut id: i64) -> Result<String, String> {
        id += 1;
        if id == 0 {
            return Err("zero".to_owned());
        }
        let name = self.names.get(&id).ok_or("none")?;
        Ok(name.clone())
    }

    #[larder::cached("users-shared", ttl = "60s", skip(self))]
    pub(crate) async fn shared(self: Arc<Self>, id: i64) -> Result<String, String> {
        self.names
            .get(&id)
            .cloned()
            .ok_or_else(|| "none".to_owned())
    }

    #[larder::cached("users-whole", ttl = "60s", skip(self))]
    pub(crate) async fn whole(mut self, id: i64) -> Result<String, String> {
        self.names.remove(&id).ok_or_else(|| "none".to_owned())
    }
}

#[tokio::test]
async fn companions_stand_beside_an_inherent_method() {
    with_cache(Cache::memory(), async {
        let users = Users::of("a", "Ada");
        assert_eq!(users.any(1).await, Ok(Some("Ada".to_owned())));
        let fetched: Fetched<Option<String>> = users.any_fetch(1).await.unwrap();
        assert!(fetched.is_hit());
        assert_eq!(users.any_peek(1).await.unwrap().as_deref(), Some("Ada"));
        users.any_put(1, &Some("Eva".to_owned())).await.unwrap();
        assert_eq!(users.any(1).await, Ok(Some("Eva".to_owned())));
        assert_eq!(users.any_uncached(1).await, Ok(Some("Ada".to_owned())));
        users.any_expire(1).await.unwrap();
        assert!(users.any_peek(1).await.is_none());
        users.any_refresh(1).await.unwrap();
        users.any_invalidate(1).await.unwrap();
        assert!(users.any_peek(1).await.is_none());
        assert_eq!(users.any_key(1).unwrap().name(), "users-any");
    })
    .await;
}

#[tokio::test]
async fn what_is_skipped_of_self_is_shared_and_what_is_in_the_key_is_not() {
    with_cache(Cache::memory(), async {
        let (a, b) = (Users::of("a", "Ada"), Users::of("b", "Bob"));
        assert_eq!(a.any(1).await, b.any(1).await);
        assert_eq!(a.own(1).await.as_deref(), Some("Ada"));
        assert_eq!(b.own(1).await.as_deref(), Some("Bob"));
        assert!(a.own_fetch(1).await.is_hit() && b.own_fetch(1).await.is_hit());
        a.own_invalidate(1).await.unwrap();
        assert!(a.own_peek(1).await.is_none() && b.own_peek(1).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_private_method_is_cached_and_returns_early_as_it_did() {
    let cache = Cache::memory();
    with_cache(cache.clone(), async {
        let users = Users::of("a", "Ada");
        for _ in 0..2 {
            assert_eq!(users.private(0).await.as_deref(), Ok("Ada"));
            assert_eq!(users.private(-1).await, Err("zero".to_owned()));
            assert_eq!(users.private(7).await, Err("none".to_owned()));
        }
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().origin_error), (1, 4));
}

#[tokio::test]
async fn self_may_be_taken_in_any_way() {
    with_cache(Cache::memory(), async {
        let users = Arc::new(Users::of("a", "Ada"));
        for _ in 0..2 {
            assert_eq!(users.clone().shared(1).await.as_deref(), Ok("Ada"));
            assert_eq!(Users::of("a", "Ada").whole(1).await.as_deref(), Ok("Ada"));
        }
        assert!(users.clone().shared_fetch(1).await.unwrap().is_hit());
        users.shared_invalidate(1).await.unwrap();
        assert!(users.shared_peek(1).await.is_none());
    })
    .await;
}

/// As callers on a multi-threaded runtime need it.
trait Load: Send + Sync + 'static {
    fn load(&self, id: i64) -> impl Future<Output = Result<String, String>> + Send;

    #[larder::cached("load-twice", ttl = "60s", skip(self))]
    async fn twice(&self, id: i64) -> Result<String, String> {
        Ok(self.load(id).await?.repeat(2))
    }
}

struct Plain;
struct Loud;

impl Load for Plain {
    #[larder::cached("load-plain", ttl = "60s", skip(self))]
    async fn load(&self, id: i64) -> Result<String, String> {
        Ok(format!("user {id}"))
    }
}

impl Load for Loud {
    #[larder::cached("load-loud", ttl = "60s", skip(self))]
    async fn load(&self, id: i64) -> Result<String, String> {
        tokio::task::yield_now().await;
        Ok(format!("USER {id}"))
    }
}

#[tokio::test]
async fn methods_of_traits_are_cached_by_the_type_that_has_them() {
    let cache = Cache::memory();
    for hits in [0, 4] {
        with_cache(cache.clone(), async {
            assert_eq!(Plain.load(1).await.as_deref(), Ok("user 1"));
            assert_eq!(Loud.load(1).await.as_deref(), Ok("USER 1"));
            assert_eq!(Plain.twice(1).await.as_deref(), Ok("user 1user 1"));
            assert_eq!(Loud.twice(1).await.as_deref(), Ok("USER 1USER 1"));
        })
        .await;
        // The first two loads of `twice` found the entries that the calls before them had left.
        assert_eq!(cache.stats().hit, hits + 2);
    }
    assert_eq!(cache.stats().stored, 4);
}

#[tokio::test]
async fn a_cached_method_of_a_trait_can_be_spawned() {
    async fn spawned(from: impl Load) -> Result<String, String> {
        let call = async move { from.load(1).await };
        tokio::spawn(with_cache(Cache::memory(), call))
            .await
            .unwrap()
    }
    assert_eq!(spawned(Loud).await.as_deref(), Ok("USER 1"));
}

struct Shelf<T>(T);

impl<T: Clone + Serialize + DeserializeOwned> Shelf<T> {
    #[larder::cached("shelf", ttl = "60s", skip(self))]
    pub(crate) async fn take(&self, n: usize) -> Result<Vec<T>, String> {
        Ok(vec![self.0.clone(); n])
    }

    #[larder::cached("shelf-sized", ttl = "60s", skip(self))]
    pub(crate) async fn sized(n: usize) -> usize {
        n * size_of::<T>()
    }

    #[larder::cached("shelf-first", ttl = "60s", skip(self))]
    pub(crate) async fn first(&self) -> Option<T> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn two_types_of_a_generic_impl_never_share_an_entry() {
    with_cache(Cache::memory(), async {
        assert_eq!(Shelf(1_u8).take(1).await, Ok(vec![1]));
        assert_eq!(Shelf(2_u64).take(1).await, Ok(vec![2]));
        assert!(Shelf(9_u8).take_fetch(1).await.unwrap().is_hit());
        assert_eq!(Shelf(1_u8).first().await, Some(1));
        assert_eq!(Shelf(2_u64).first().await, Some(2));
        assert_eq!(Shelf::<u8>::sized(3).await, 3);
        assert_eq!(Shelf::<u64>::sized(3).await, 24);
        assert!(Shelf::<u8>::sized_fetch(3).await.is_hit());
    })
    .await;
}
