//! Arguments that a program with a database has, and keys that are written as text.

use larder::{Cache, Key, with_cache};

struct Connection {
    queries: u64,
}

struct Transaction<'a>(&'a mut Connection);

#[larder::cached("by-connection", ttl = "60s", skip(connection))]
async fn by_connection(id: u64, connection: &mut Connection) -> Result<u64, String> {
    connection.queries += 1;
    Ok(id)
}

#[larder::cached("by-transaction", ttl = "60s", skip(transaction, names))]
async fn by_transaction<'a>(
    id: u64,
    transaction: &mut Transaction<'a>,
    names: &mut Vec<String>,
) -> Result<Option<u64>, String> {
    transaction.0.queries += 1;
    names.push("by-transaction".to_owned());
    Ok(Some(id))
}

impl Connection {
    #[larder::cached("of-connection", ttl = "60s", skip(self))]
    pub(crate) async fn load(&mut self, id: u64) -> u64 {
        self.queries += 1;
        id
    }

    #[larder::cached("of-two", ttl = "60s", skip(self, other))]
    pub(crate) async fn both(&mut self, id: u64, other: &mut Self) -> Result<u64, String> {
        self.queries += 1;
        other.queries += 1;
        Ok(id)
    }

    #[larder::cached("of-private", ttl = "60s", skip(self))]
    async fn private(&mut self, id: u64) -> u64 {
        self.queries += 1;
        id
    }
}

trait Query {
    async fn query(&mut self, id: u64, log: &mut Vec<u64>) -> u64;
}

impl Query for Connection {
    #[larder::cached("of-trait", ttl = "60s", skip(self, log))]
    async fn query(&mut self, id: u64, log: &mut Vec<u64>) -> u64 {
        log.push(id);
        self.queries += 1;
        id
    }
}

#[tokio::test]
async fn what_is_borrowed_to_be_changed_may_be_skipped() {
    let mut connection = Connection { queries: 0 };
    let mut other = Connection { queries: 0 };
    with_cache(Cache::memory(), async {
        for _ in 0..2 {
            assert_eq!(by_connection(1, &mut connection).await, Ok(1));
            let mut names = Vec::new();
            let mut transaction = Transaction(&mut connection);
            let found = by_transaction(2, &mut transaction, &mut names).await;
            assert_eq!(found, Ok(Some(2)));
            assert_eq!(connection.load(3).await, 3);
            assert_eq!(connection.both(4, &mut other).await, Ok(4));
            assert_eq!(connection.private(5).await, 5);
            assert_eq!(connection.query(6, &mut Vec::new()).await, 6);
        }
        assert_eq!((connection.queries, other.queries), (6, 1));
        by_connection::refresh(1, &mut connection).await.unwrap();
        assert_eq!(*connection.load_refresh(3).await, 3);
        by_connection::invalidate(1).await.unwrap();
        connection.load_invalidate(3).await.unwrap();
        assert!(by_connection::peek(1).await.is_none());
        assert!(by_connection::fetch(1, &mut connection).await.is_ok());
        assert_eq!(connection.load_uncached(3).await, 3);
    })
    .await;
    assert_eq!(connection.queries, 10);
}

#[larder::cached("as-text", ttl = "60s", key = format!("{tenant}/{id:04}"))]
async fn as_text(tenant: &str, id: u64, trace: u8) -> String {
    format!("{tenant} {id} {trace}")
}

#[larder::cached("as-more-text", ttl = "60s", key = (format!(r"{id:?} {{trace}}"), tenant.len()))]
async fn as_more_text(tenant: &str, id: Option<u64>, trace: u8) -> String {
    format!("{tenant} {id:?} {trace}")
}

#[tokio::test]
async fn a_key_may_be_a_text_that_names_arguments() {
    with_cache(Cache::memory(), async {
        assert_eq!(as_text("a", 7, 1).await, "a 7 1");
        assert_eq!(as_text("a", 7, 2).await, "a 7 1");
        assert_eq!(as_text("b", 7, 2).await, "b 7 2");
        as_text::invalidate("a", 7).await.unwrap();
        assert!(as_text::peek("a", 7).await.is_none());
        assert_eq!(as_text::key("a", 7), Key::new("as-text", &("a/0007",)));
        assert_eq!(as_more_text("a", Some(7), 1).await, "a Some(7) 1");
        assert_eq!(as_more_text("b", Some(7), 2).await, "a Some(7) 1");
    })
    .await;
    let key = Key::new("as-more-text", &(("Some(7) {trace}", 1),));
    assert_eq!(as_more_text::key("a", Some(7)), key);
}

/// A module and its function of one name, and both in one place.
mod names {
    pub(super) mod user {
        #[larder::cached("names-user", ttl = "60s", companions = user_cache)]
        pub(crate) async fn user(id: u64) -> u64 {
            id
        }

        pub(crate) struct Users;

        impl Users {
            #[larder::cached("names-users", ttl = "60s", skip(self), companions = cached)]
            pub(crate) async fn fetch(&self, id: u64) -> u64 {
                id
            }

            pub(crate) async fn fetch_fetch(&self) -> u64 {
                self.fetch(1).await
            }
        }
    }
    pub(super) use user::user;
}

#[tokio::test]
async fn companions_may_be_called_otherwise() {
    use names::user::{Users, user_cache};
    with_cache(Cache::memory(), async {
        assert_eq!(names::user(7).await, 7);
        assert!(user_cache::fetch(7).await.is_hit());
        user_cache::invalidate(7).await.unwrap();
        assert!(user_cache::peek(7).await.is_none());
        assert_eq!(Users.fetch_fetch().await, 1);
        assert!(Users.cached_fetch(1).await.is_hit());
    })
    .await;
}
