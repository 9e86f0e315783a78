//! The database as the functions expect it: the table with its users, and the role that may only read it. Owns the
//! role and its rights; must not know where the master's password comes from.

use serde::Serialize;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::url::PostgresUrl;
use super::{DbError, postgres, seed};

/// As whom the function `user` logs in.
pub const ROLE: &str = "larder";

/// What is there afterwards.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// Rows of the table.
    pub users: i64,
    /// Who may read them.
    pub role: &'static str,
}

/// Brings the database at `url`, whose user owns it, to what the functions expect. May be repeated, and by several at once.
///
/// # Errors
/// What the database said; nothing is half done then.
pub async fn migrate(url: &PostgresUrl) -> Result<Migrated, DbError> {
    let mut connection = postgres::connect(url).await?;
    seed::into_postgres(&mut connection).await?;
    grant(&mut connection).await?;
    let users = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(Migrated { users, role: ROLE })
}

/// The role logs in by IAM alone: it has no password. It sees the table and can change nothing.
async fn grant(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for statement in [
        "SELECT pg_advisory_xact_lock(7105649)",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'larder') THEN CREATE ROLE larder LOGIN; END IF; END $$",
        "GRANT rds_iam TO larder",
        "GRANT USAGE ON SCHEMA public TO larder",
        "GRANT SELECT ON users TO larder",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
