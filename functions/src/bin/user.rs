//! The Lambda function `user`.

use std::process::ExitCode;

use functions::config::context::Context;
use functions::config::environment;
use functions::routes::user::UserHandler;
use functions::users::DatabaseUrl;

fn main() -> ExitCode {
    let make = |context: &Context| {
        UserHandler::new(context, DatabaseUrl::from_lookup(environment::variable)?)
    };
    functions::runtime::lambda::run(make)
}
