//! The Lambda function `user`.

use std::process::ExitCode;

use functions::user::User;

#[tokio::main]
async fn main() -> ExitCode {
    functions::lambda::run(User::new).await
}
