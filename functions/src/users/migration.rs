//! Prepares a database for the functions: the table with its users, and the role that may only read
//! it.

use serde::Serialize;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::url::PostgresUrl;
use super::{DbError, postgres, seed};

/// The role as which the function `user` logs in.
pub const ROLE: &str = "larder";

/// The state after a migration.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// The number of rows in the table.
    pub users: i64,
    /// The role that may read them.
    pub role: &'static str,
}

/// Migrates the database at `url`, whose user owns it. Migrations may be repeated and run at the
/// same time.
///
/// # Errors
/// The database refused a statement. Each step is one transaction, so none is half done.
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

/// Creates the role. It has no password and logs in by IAM; it may read the table and change
/// nothing.
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
