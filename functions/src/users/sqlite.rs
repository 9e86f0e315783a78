//! The users in a SQLite file, which is created and filled on first use.

use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::sync::OnceCell;

use super::url::SqliteFile;
use super::{Row, seed};

/// An emulated function serves one request at a time, the local server a few.
const MAX_CONNECTIONS: u32 = 4;
/// How long a query waits for a connection. A cached answer needs none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Sqlite {
    file: SqliteFile,
    pool: OnceCell<SqlitePool>,
}

impl Sqlite {
    pub(super) fn new(file: SqliteFile) -> Self {
        Self {
            file,
            pool: OnceCell::new(),
        }
    }

    pub(super) async fn find(&self, id: i64) -> Result<Option<Row>, sqlx::Error> {
        let pool = self.pool.get_or_try_init(|| self.open()).await?;
        sqlx::query_as(super::FIND)
            .bind(id)
            .fetch_optional(pool)
            .await
    }

    async fn open(&self) -> Result<SqlitePool, sqlx::Error> {
        let options = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = options.connect_with(self.file.options()).await?;
        seed::into_sqlite(&pool).await?;
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::{DatabaseUrl, Schema, Users};

    fn at(path: &std::path::Path) -> Users {
        let url = DatabaseUrl::from_lookup(|_| Some(format!("sqlite://{}", path.display())));
        Users::new(url.unwrap(), Schema::CreatedOnFirstUse)
    }

    async fn pool(path: &std::path::Path) -> SqlitePool {
        SqlitePool::connect(&format!("sqlite://{}", path.display()))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn processes_that_start_together_make_one_full_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.sqlite");
        let starts = (0..8).map(|_| {
            let users = at(&path);
            tokio::spawn(async move {
                [
                    users.find(1).await.unwrap().is_some(),
                    users.find(500).await.unwrap().is_some(),
                    users.find(501).await.unwrap().is_some(),
                ]
            })
        });
        for start in starts.collect::<Vec<_>>() {
            assert_eq!(start.await.unwrap(), [true, true, false]);
        }
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&pool(&path).await)
            .await
            .unwrap();
        assert_eq!(count, 500);
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
        let path = folder.path().join("users.sqlite");
        at(&path).find(1).await.unwrap();
        sqlx::query("DELETE FROM users WHERE id > 1")
            .execute(&pool(&path).await)
            .await
            .unwrap();
        let again = at(&path);
        assert!(again.find(1).await.unwrap().is_some());
        assert!(again.find(2).await.unwrap().is_none());
    }
}
