//! The Lambda function `flush`.

use std::process::ExitCode;

use functions::flush::Flush;

#[tokio::main]
async fn main() -> ExitCode {
    functions::lambda::run(Flush::new).await
}
