//! The Lambda function `user`.

use std::process::ExitCode;

use functions::config::context::{self as start, Start};
use functions::routes::user::User;
use functions::users::DatabaseUrl;

fn main() -> ExitCode {
    let make = |start: &Start| User::new(start, DatabaseUrl::from_lookup(start::environment)?);
    functions::runtime::lambda::run(make)
}
