//! `GET /user/{id}`, from the request to the response. Where users are stored and cached is not
//! known here.

use std::time::{Duration, Instant};

use lambda_http::Request;
use larder::{Cache, Policy};
use percent_encoding::percent_decode_str;

use crate::config::context::Context;
use crate::config::host::Host;
use crate::config::settings::SettingsError;
use crate::http::cached_reply::CachedReply;
use crate::http::endpoint::{Endpoint, Methods};
use crate::http::path;
use crate::http::problem::Problem;
use crate::users::{DatabaseUrl, DbError, Schema, User, Users};
use crate::{Handler, Response};

/// A missing user may be created at any moment, so a 404 is cached for a shorter time. After the
/// ttl one caller refreshes while the others are answered at once: each caller that waits would
/// keep an environment of Lambda busy.
const USER: Policy = Policy::ttl(Duration::from_secs(60))
    .negative_ttl(Duration::from_secs(5))
    .stale_while_revalidate(Duration::from_secs(30))
    .jitter(10);

/// One user's row.
#[larder::cached("user", policy = USER, skip(db))]
async fn user(id: i64, db: &Users) -> Result<Option<User>, DbError> {
    db.find(id).await
}

/// The handler of `/user/{id}`.
#[derive(Debug)]
pub struct UserHandler {
    endpoint: Endpoint,
    users: Users,
    cache: Cache,
}

impl UserHandler {
    /// The handler with the settings of `context`, for the users in `database`. SQLite is refused
    /// on Lambda: every environment would have its own file.
    pub fn new(context: &Context, database: DatabaseUrl) -> Result<Self, SettingsError> {
        let schema = match (context.host, &database) {
            (Host::Lambda, DatabaseUrl::Sqlite(_)) => {
                return Err(SettingsError {
                    variable: "DATABASE_URL",
                    reason:
                        "SQLite is refused on Lambda: every environment would have its own file"
                            .to_owned(),
                });
            }
            (Host::Lambda, DatabaseUrl::Postgres(_)) => Schema::Migrated,
            _ => Schema::CreatedOnFirstUse,
        };
        Ok(Self {
            endpoint: Endpoint::new(Methods::Read, context.settings.diagnostics),
            users: Users::new(database, schema),
            cache: context.cache.clone(),
        })
    }
}

impl Handler for UserHandler {
    async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let work = Box::pin(async {
            let id = match path::parameter(&request, "id") {
                Some(id) => parse_id(&id)?,
                None => parse_id(last_segment(&path::of(&request)))?,
            };
            let row = user::fetch(id, &self.users)
                .await
                .map_err(|error| Problem::origin_failed("user", &error))?;
            let reply = CachedReply::of(&row, started);
            Ok(match &*row {
                Some(row) => reply.json(row),
                None => reply.with_headers(Problem::not_found("no such user").into_response()),
            })
        });
        self.endpoint.respond(&request, work).await
    }

    /// Connects early: otherwise the handshake would use up the first call's 50 ms budget and its
    /// answer would not be stored.
    async fn warm_up(&self) {
        self.cache.ping().await;
    }
}

/// The id's segment of `/user/{id}`, for events of Function URLs and load balancers, which carry no
/// path parameters.
fn last_segment(path: &str) -> &str {
    path.strip_prefix("/user/")
        .or_else(|| path.strip_prefix('/'))
        .unwrap_or(path)
}

/// The id. Some events carry it undecoded.
fn parse_id(segment: &str) -> Result<i64, Problem> {
    let bad = || {
        Problem::bad_request("the user's id is not a whole number from 1 to 9223372036854775807")
    };
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
            assert_eq!(parse_id(last_segment(path)).unwrap(), expected, "{path}");
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
            assert!(parse_id(last_segment(path)).is_err(), "{path}");
        }
    }
}
