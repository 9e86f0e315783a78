//! Functions of one name, and errors that would be cached.

use larder::CacheError;

use super::*;

macro_rules! rows {
    ($($function:ident: $row:ty),*) => {
        $(
            #[larder::cached("row", ttl = "60s")]
            async fn $function(id: u64) -> Result<$row, String> {
                Ok(<$row>::make(id))
            }
        )*
    };
}

rows!(user: User, order: Order);

#[tokio::test]
async fn functions_that_one_macro_call_makes_are_twins() {
    let cache = twice(async || {
        assert_eq!(user(7).await, Ok(User::make(7)));
        assert_eq!(order(7).await, Ok(Order::make(7)));
        let taken = CacheError::NameTaken("row");
        assert_eq!(order::put(7, &Order::make(8)).await, Err(taken));
    })
    .await;
    assert_eq!((cache.stats().hit, refused(&cache, "row")), (1, 4));
}

trait Rows<T> {
    async fn rows(&self, id: u64) -> Result<T, String>;
}

macro_rules! repositories {
    ($($row:ty),*) => {
        $(impl Rows<$row> for Db {
            #[larder::cached("rows", ttl = "60s", skip(self))]
            async fn rows(&self, id: u64) -> Result<$row, String> {
                Ok(<$row>::make(id))
            }
        })*
    };
}

repositories!(User, Order);

#[tokio::test]
async fn so_are_methods_of_impls_that_one_macro_call_makes() {
    let cache = twice(async || {
        let user = Rows::<User>::rows(&Db, 7).await.unwrap();
        let order = Rows::<Order>::rows(&Db, 7).await.unwrap();
        assert_eq!((user, order), (User::make(7), Order::make(7)));
    })
    .await;
    assert_eq!((cache.stats().hit, refused(&cache, "rows")), (1, 2));
}

type Loaded = Result<u64, String>;

/// The word `Result` is in none of these.
#[larder::cached("optional-result", ttl = "60s")]
async fn optional(n: u64) -> Option<Loaded> {
    Some(if n == 0 {
        Err("zero".to_owned())
    } else {
        Ok(n)
    })
}

#[larder::cached("boxed-result", ttl = "60s", key = n)]
async fn boxed<T>(n: u64) -> Box<Loaded> {
    Box::new(if n == 0 {
        Err("zero".to_owned())
    } else {
        Ok(n * size_of::<T>() as u64)
    })
}

macro_rules! loads {
    ($function:ident, $name:literal, $out:ty) => {
        #[larder::cached($name, ttl = "60s", key = n)]
        async fn $function<T: Send>(n: u64, _with: T) -> $out {
            if n == 0 {
                Err("zero".to_owned())
            } else {
                Ok(n)
            }
        }
    };
}

loads!(through_a_macro, "through-a-macro", Result<u64, String>);

#[tokio::test]
async fn an_error_is_cached_behind_no_alias_and_no_macro() {
    let cache = twice(async || {
        assert_eq!(optional(0).await, Some(Err("zero".to_owned())));
        assert_eq!(*boxed::<u8>(0).await, Err("zero".to_owned()));
        assert_eq!(through_a_macro(0, ()).await, Err("zero".to_owned()));
    })
    .await;
    let stats = cache.stats();
    assert_eq!((stats.hit, stats.stored, stats.origin_error), (0, 0, 2));
    assert_eq!(stats.refused, 4);
}
