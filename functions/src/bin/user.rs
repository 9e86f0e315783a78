//! The Lambda function `user`.

use std::process::ExitCode;

use functions::start::{self, Start};
use functions::user::User;
use functions::users::DatabaseUrl;

fn main() -> ExitCode {
    let make = |start: &Start| User::new(start, DatabaseUrl::from_lookup(start::environment)?);
    functions::lambda::run(make)
}
