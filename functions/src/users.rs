//! The users' database, which is the second origin: what a user is, and the one query. It is opened
//! on first use, so that a database that is down fails requests and not the start.

mod iam;
pub mod migration;
mod postgres;
mod roots;
mod seed;
mod sqlite;
mod url;

use serde::{Deserialize, Serialize};

pub use url::{DatabaseUrl, PostgresUrl};

use crate::origin_calls;
use postgres::Postgres;
use sqlite::Sqlite;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// 1 and up.
    pub id: i64,
    /// Any Unicode.
    pub name: String,
    /// An address at example.com, which belongs to no person.
    pub email: String,
    /// Where the user lives.
    pub city: String,
}

const FIND: &str = "SELECT id, name, email, city FROM users WHERE id = $1";

type Row = (i64, String, String, String);

impl From<Row> for User {
    fn from((id, name, email, city): Row) -> Self {
        Self {
            id,
            name,
            email,
            city,
        }
    }
}

/// The database failed. Its own text is for the log only.
#[derive(Debug, thiserror::Error)]
#[error("the users' database failed: {0}")]
pub struct DbError(#[from] sqlx::Error);

/// Who creates the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// The first query creates it, with 500 sample users.
    CreatedOnFirstUse,
    /// The function `migrate` has created it; the role of `user` may only read.
    Migrated,
}

/// Access to the users.
#[derive(Debug)]
pub struct Users(Database);

#[derive(Debug)]
enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Users {
    /// The users at `url`. This does not connect. A SQLite file is always created on first use.
    pub fn new(url: DatabaseUrl, schema: Schema) -> Self {
        Self(match url {
            DatabaseUrl::Sqlite(file) => Database::Sqlite(Sqlite::new(file)),
            DatabaseUrl::Postgres(url) => Database::Postgres(Postgres::new(url, schema)),
        })
    }

    /// The user with this id, if there is one.
    pub async fn find(&self, id: i64) -> Result<Option<User>, DbError> {
        origin_calls::count();
        Ok(match &self.0 {
            Database::Sqlite(sqlite) => sqlite.find(id).await,
            Database::Postgres(postgres) => postgres.find(id).await,
        }?
        .map(User::from))
    }
}
