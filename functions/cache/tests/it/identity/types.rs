//! The parameters of functions, of their `impl` and of their trait.

use super::*;

trait Repository<T> {
    async fn find(&self, id: u64) -> Result<T, String>;
    async fn count(&self) -> String;
}

impl<T: Entity> Repository<T> for Db {
    #[larder::cached("find", ttl = "60s", skip(self))]
    async fn find(&self, id: u64) -> Result<T, String> {
        Ok(T::make(id))
    }

    /// No type in its signature is the parameter that it depends on.
    #[larder::cached("count", ttl = "60s", skip(self))]
    async fn count(&self) -> String {
        T::TABLE.to_owned()
    }
}

#[tokio::test]
async fn two_impls_of_a_generic_trait_do_not_share() {
    let cache = twice(async || {
        let user: User = Db.find(7).await.unwrap();
        let order: Order = Db.find(7).await.unwrap();
        assert_eq!((user, order), (User::make(7), Order::make(7)));
        assert_eq!(Repository::<User>::count(&Db).await, "user");
        assert_eq!(Repository::<Order>::count(&Db).await, "order");
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().refused), (4, 0));
}

trait Table<T: Entity> {
    /// As every implementation has it.
    #[larder::cached("first", ttl = "60s", skip(self))]
    async fn first(&self) -> Result<T, String> {
        Ok(T::make(1))
    }

    #[larder::cached("first-name", ttl = "60s", skip(self))]
    async fn first_name(&self) -> String {
        T::TABLE.to_owned()
    }
}

impl<T: Entity> Table<T> for Db {}

#[tokio::test]
async fn a_default_method_of_a_generic_trait_is_one_function_for_each_of_its_types() {
    let cache = twice(async || {
        let user: User = Db.first().await.unwrap();
        let order: Order = Db.first().await.unwrap();
        assert_eq!((user, order), (User::make(1), Order::make(1)));
        assert_eq!(Table::<User>::first_name(&Db).await, "user");
        assert_eq!(Table::<Order>::first_name(&Db).await, "order");
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().refused), (4, 0));
}

trait Page<const N: usize> {
    async fn page(&self, n: usize) -> Vec<usize>;
}

impl<const N: usize> Page<N> for Db {
    #[larder::cached("page", ttl = "60s", skip(self))]
    async fn page(&self, n: usize) -> Vec<usize> {
        (n * N..(n + 1) * N).collect()
    }
}

#[tokio::test]
async fn a_constant_of_an_impl_is_in_the_key() {
    let cache = twice(async || {
        assert_eq!(Page::<2>::page(&Db, 1).await, [2, 3]);
        assert_eq!(Page::<3>::page(&Db, 1).await, [3, 4, 5]);
    })
    .await;
    assert_eq!(cache.stats().hit, 2);
}

/// An impl with parameters of all kinds, and a method with its own.
trait Convert<From, const SCALE: u32> {
    async fn convert<To: Entity>(&self, id: u64) -> Result<To, String>;
}

struct Wrapped<'a, T>(&'a T);

impl<'a, T: Entity, From, const SCALE: u32> Convert<From, SCALE> for Wrapped<'a, T> {
    #[larder::cached("convert", ttl = "60s", key = id)]
    async fn convert<To: Entity>(&self, id: u64) -> Result<To, String> {
        let _: &'a T = self.0;
        Ok(To::make(id * u64::from(SCALE) + size_of::<From>() as u64))
    }
}

#[tokio::test]
async fn lifetimes_constants_and_types_of_impl_trait_and_method_together() {
    let cache = twice(async || {
        let user = User::make(1);
        let wrapped = Wrapped(&user);
        let ids = [
            Convert::<u8, 1>::convert::<User>(&wrapped, 5)
                .await
                .unwrap()
                .id,
            Convert::<u8, 2>::convert::<User>(&wrapped, 5)
                .await
                .unwrap()
                .id,
            Convert::<u16, 1>::convert::<User>(&wrapped, 5)
                .await
                .unwrap()
                .id,
        ];
        assert_eq!(ids, [6, 11, 7]);
        let order: Order = Convert::<u8, 1>::convert(&wrapped, 5).await.unwrap();
        assert_eq!(order, Order::make(6));
        let order = Order::make(1);
        let user: User = Convert::<u8, 1>::convert(&Wrapped(&order), 5)
            .await
            .unwrap();
        assert_eq!(user, User::make(6));
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().refused), (5, 0));
}

struct Shelf<T>(T);

impl<T: Entity> Shelf<T> {
    #[larder::cached("shelf-label", ttl = "60s", skip(self))]
    pub(crate) async fn table(&self) -> String {
        T::TABLE.to_owned()
    }

    /// Private, so it looks like a trait's.
    #[larder::cached("shelf-private", ttl = "60s", skip(self))]
    async fn private(n: u64) -> String {
        format!("{} {n}", T::TABLE)
    }
}

#[tokio::test]
async fn a_generic_type_is_one_function_for_each_of_its_types() {
    let cache = twice(async || {
        assert_eq!(Shelf(User::make(1)).table().await, "user");
        assert_eq!(Shelf(Order::make(1)).table().await, "order");
        assert_eq!(Shelf::<User>::private(1).await, "user 1");
        assert_eq!(Shelf::<Order>::private(1).await, "order 1");
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().refused), (4, 0));
}

#[larder::cached("map", ttl = "60s", key = x)]
async fn map<F: Fn(u64) -> u64>(x: u64, f: F) -> u64 {
    f(x)
}

fn double(x: u64) -> u64 {
    x * 2
}

fn triple(x: u64) -> u64 {
    x * 3
}

#[tokio::test]
async fn closures_share_a_name_and_are_not_cached() {
    let cache = twice(async || {
        assert_eq!(map(1, |x| x + 1).await, 2);
        assert_eq!(map(1, |x| x * 10).await, 10);
        let fetched = map::fetch(1, |x| x - 1).await;
        assert_eq!((*fetched, fetched.outcome()), (0, BYPASSED));
    })
    .await;
    assert_eq!((cache.stats().hit, refused(&cache, "map")), (0, 6));
}

#[tokio::test]
async fn functions_have_names_and_are_cached() {
    let cache = twice(async || {
        assert_eq!(map(1, double).await, 2);
        assert_eq!(map(1, triple).await, 3);
    })
    .await;
    assert_eq!((cache.stats().hit, refused(&cache, "map")), (2, 0));
}

struct With<F>(F);

impl<F: Fn(u64) -> u64> With<F> {
    #[larder::cached("with", ttl = "60s", skip(self))]
    pub(crate) async fn call(&self, x: u64) -> u64 {
        (self.0)(x)
    }
}

trait Call {
    async fn call_it(&self, x: u64) -> u64;
}

impl<F: Fn(u64) -> u64> Call for With<F> {
    #[larder::cached("with-trait", ttl = "60s", skip(self))]
    async fn call_it(&self, x: u64) -> u64 {
        (self.0)(x)
    }
}

#[larder::cached("later", ttl = "60s", key = x)]
async fn later<F, Fut>(x: u64, f: F) -> u64
where
    F: Fn(u64) -> Fut,
    Fut: Future<Output = u64>,
{
    f(x).await
}

#[tokio::test]
async fn closures_within_types_and_those_that_return_futures_are_found_too() {
    let cache = twice(async || {
        assert_eq!(With(|x| x + 1).call(1).await, 2);
        assert_eq!(With(|x| x * 10).call(1).await, 10);
        assert_eq!(With(|x| x + 1).call_it(1).await, 2);
        assert_eq!(With(|x| x * 10).call_it(1).await, 10);
        assert_eq!(later(1, async |x| x + 1).await, 2);
        assert_eq!(later(1, |x| async move { x * 10 }).await, 10);
        assert_eq!(map(1, Box::new(|x| x + 5)).await, 6);
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().refused), (0, 14));
}

/// Of two types with one name, in blocks of one function, the first is cached.
#[tokio::test]
async fn local_types_of_one_name_do_not_share() {
    macro_rules! local {
        ($id:literal) => {{
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            struct Local(u64);
            impl Entity for Local {
                const TABLE: &'static str = "local";
                fn make(id: u64) -> Self {
                    Self(id * $id)
                }
            }
            let found: Local = Db.find(7).await.unwrap();
            found.0
        }};
    }
    let cache = twice(async || {
        assert_eq!(local!(1), 7);
        assert_eq!(local!(2), 14);
    })
    .await;
    assert_eq!((cache.stats().hit, refused(&cache, "find")), (1, 2));
}

#[larder::cached("labelled", ttl = "60s", key = id, types = T::TABLE)]
async fn labelled<T: Entity>(id: u64) -> Result<Vec<T>, String> {
    Ok(vec![T::make(id)])
}

#[larder::cached("one-label", ttl = "60s", key = x, types = "mine")]
async fn one_label<F: Fn(u64) -> u64>(x: u64, f: F) -> u64 {
    f(x)
}

#[larder::cached("two-labels", ttl = "60s", key = id, types = (A::TABLE, B::TABLE))]
async fn two_labels<A: Entity, B: Entity, const N: usize>(id: u64) -> String {
    format!("{} {} {N} {id}", A::TABLE, B::TABLE)
}

trait Named {
    async fn named(&self, id: u64) -> String;
}

impl<T: Entity> Named for Shelf<T> {
    #[larder::cached("labelled-method", ttl = "60s", skip(self), types = T::TABLE)]
    async fn named(&self, id: u64) -> String {
        format!("{} {id}", T::TABLE)
    }
}

#[tokio::test]
async fn a_label_stands_for_the_names_of_types() {
    let cache = twice(async || {
        assert_eq!(labelled::<User>(7).await, Ok(vec![User::make(7)]));
        assert_eq!(labelled::<Order>(7).await, Ok(vec![Order::make(7)]));
        assert_eq!(two_labels::<User, Order, 1>(7).await, "user order 1 7");
        assert_eq!(two_labels::<Order, User, 1>(7).await, "order user 1 7");
        assert_eq!(two_labels::<User, Order, 2>(7).await, "user order 2 7");
        assert_eq!(Shelf(User::make(1)).named(7).await, "user 7");
        assert_eq!(Shelf(Order::make(1)).named(7).await, "order 7");
    })
    .await;
    assert_eq!((cache.stats().hit, cache.stats().refused), (7, 0));
}

#[tokio::test]
async fn a_label_that_two_types_have_is_the_first_ones() {
    let cache = twice(async || {
        assert_eq!(one_label(1, |x| x + 1).await, 2);
        assert_eq!(one_label(1, |x| x * 10).await, 10);
    })
    .await;
    assert_eq!((cache.stats().hit, refused(&cache, "one-label")), (1, 2));
}
