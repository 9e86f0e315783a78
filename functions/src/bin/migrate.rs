//! The Lambda function `migrate`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    functions::runtime::migrate::run().await
}
