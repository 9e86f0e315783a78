//! `GET /user/{id}`, from the request to the answer. Must not know where users are kept or cached.

use std::time::{Duration, Instant};

use lambda_http::Request;
use larder::{Cache, Policy};
use percent_encoding::percent_decode_str;

use crate::config::context::Start;
use crate::config::host::Place;
use crate::config::settings::SettingsError;
use crate::http::cached_reply::Provenance;
use crate::http::endpoint::{Exchange, Methods};
use crate::http::path;
use crate::http::problem::Problem;
use crate::users::{DatabaseUrl, DbError, Tables, User as Row, Users};
use crate::{Handler, Response};

/// A user who does not exist may be made any moment, so that answer is kept for a shorter time.
const USER: Policy = Policy::ttl(Duration::from_secs(60)).negative_ttl(Duration::from_secs(5));

/// One user's row.
#[larder::cached("user", policy = USER, skip(db))]
async fn user(id: i64, db: &Users) -> Result<Option<Row>, DbError> {
    db.find(id).await
}

/// The handler.
#[derive(Debug)]
pub struct User {
    exchange: Exchange,
    users: Users,
    cache: Cache,
}

impl User {
    /// The handler with the settings of `start`, for the users in `database`. On Lambda a SQLite file would be another one in every
    /// environment.
    pub fn new(start: &Start, database: DatabaseUrl) -> Result<Self, SettingsError> {
        let tables = match (start.place, &database) {
            (Place::Lambda, DatabaseUrl::Sqlite(_)) => {
                return Err(SettingsError {
                    variable: "DATABASE_URL",
                    reason:
                        "SQLite is refused on Lambda: every environment would have its own file"
                            .to_owned(),
                });
            }
            (Place::Lambda, DatabaseUrl::Postgres(_)) => Tables::Migrated,
            _ => Tables::MadeAtFirstUse,
        };
        Ok(Self {
            exchange: Exchange::new(Methods::Read, start.settings.diagnostics),
            users: Users::at(database, tables),
            cache: start.cache.clone(),
        })
    }
}

impl Handler for User {
    async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let work = Box::pin(async {
            let id = id(path::of(&request))?;
            let row = user::fetch(id, &self.users)
                .await
                .map_err(|error| Problem::origin_failed("user", &error))?;
            let provenance = Provenance::of(&row, started);
            Ok(match &*row {
                Some(row) => provenance.reply(row),
                None => provenance.stamp(Problem::not_found("no such user").into_response()),
            })
        });
        self.exchange.answer(&request, work).await
    }

    /// Connects to the cache: what the first call's budget does not go into cannot keep its answer from being stored.
    async fn warm_up(&self) {
        self.cache.ping().await;
    }
}

/// The id in `/user/{id}`. Events may carry it undecoded, or only in the path, so only the path counts.
fn id(path: &str) -> Result<i64, Problem> {
    let bad = || {
        Problem::bad_request("the user's id is not a whole number from 1 to 9223372036854775807")
    };
    let segment = path
        .strip_prefix("/user/")
        .or_else(|| path.strip_prefix('/'))
        .unwrap_or(path);
    let digits = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| bad())?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    digits.parse().ok().filter(|id| *id > 0).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_positive_number_that_the_database_can_hold() {
        for (path, expected) in [
            ("/user/1", 1),
            ("/user/007", 7),
            ("/user/%37", 7),
            ("/7", 7),
            ("/user/9223372036854775807", i64::MAX),
        ] {
            assert_eq!(id(path).unwrap(), expected, "{path}");
        }
        for path in [
            "/user/0",
            "/user/-1",
            "/user/+1",
            "/user/1.0",
            "/user/x",
            "/user/",
            "/user/7/8",
            "/user/7/",
            "/user/%FF",
            "/user/%207",
            "/user/9223372036854775808",
            "/user/٣",
            "/",
        ] {
            assert!(id(path).is_err(), "{path}");
        }
    }
}
