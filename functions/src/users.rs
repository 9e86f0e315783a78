//! The users' database: the second origin. Owns the connection and the one query; must not know HTTP or the cache.
//! Opened at first use, so that a database that is down fails requests and not the start.

mod seed;
mod url;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::OnceCell;

pub use url::DatabaseUrl;

use crate::origin_calls;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// 1 and up.
    pub id: i64,
    /// Any Unicode.
    pub name: String,
    /// At example.com: nobody's.
    pub email: String,
    /// Where the user lives.
    pub city: String,
}

/// The database failed; what it said is for the log only.
#[derive(Debug, thiserror::Error)]
#[error("the users' database failed: {0}")]
pub struct DbError(#[from] sqlx::Error);

/// Access to the users.
#[derive(Debug)]
pub struct Users {
    url: DatabaseUrl,
    pool: OnceCell<SqlitePool>,
}

/// A Lambda environment serves one request at a time; `local` a few.
const CONNECTIONS: u32 = 4;
/// How long a request waits for a connection; a cached answer never does.
const ACQUIRE: Duration = Duration::from_secs(5);

impl Users {
    /// The users at `url`; does not connect.
    pub fn at(url: DatabaseUrl) -> Self {
        Self {
            url,
            pool: OnceCell::new(),
        }
    }

    /// The user with this id, if there is one.
    pub async fn find(&self, id: i64) -> Result<Option<User>, DbError> {
        origin_calls::count();
        let pool = self.pool.get_or_try_init(|| self.open()).await?;
        let row = sqlx::query_as("SELECT id, name, email, city FROM users WHERE id = ?").bind(id);
        let row: Option<(i64, String, String, String)> = row.fetch_optional(pool).await?;
        Ok(row.map(|(id, name, email, city)| User {
            id,
            name,
            email,
            city,
        }))
    }

    async fn open(&self) -> Result<SqlitePool, sqlx::Error> {
        let options = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE);
        let pool = options.connect_with(self.url.connect_options()).await?;
        seed::plant(&pool).await?;
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &std::path::Path) -> Users {
        Users::at(format!("sqlite://{}", path.display()).parse().unwrap())
    }

    #[tokio::test]
    async fn processes_that_start_together_make_one_full_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.sqlite");
        let starts = (0..8).map(|_| {
            let users = at(&path);
            tokio::spawn(async move {
                let found = (
                    users.find(1).await.unwrap(),
                    users.find(500).await.unwrap(),
                    users.find(501).await.unwrap(),
                );
                let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
                    .fetch_one(users.pool.get().unwrap())
                    .await
                    .unwrap();
                (
                    found.0.is_some(),
                    found.1.is_some(),
                    found.2.is_some(),
                    count,
                )
            })
        });
        for start in starts.collect::<Vec<_>>() {
            assert_eq!(start.await.unwrap(), (true, true, false, 500));
        }
    }

    #[tokio::test]
    async fn a_database_that_comes_up_late_is_used_then() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("later");
        let users = at(&place.join("users.sqlite"));
        assert!(users.find(1).await.is_err());
        std::fs::create_dir(&place).unwrap();
        assert!(users.find(1).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_table_that_is_there_already_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let users = at(&folder.path().join("users.sqlite"));
        users.find(1).await.unwrap();
        sqlx::query("DELETE FROM users WHERE id > 1")
            .execute(users.pool.get().unwrap())
            .await
            .unwrap();
        let again = at(&folder.path().join("users.sqlite"));
        assert!(again.find(1).await.unwrap().is_some());
        assert!(again.find(2).await.unwrap().is_none());
    }
}
