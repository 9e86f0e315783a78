//! The Lambda function `page`.

use std::process::ExitCode;

use functions::page::Page;

#[tokio::main]
async fn main() -> ExitCode {
    functions::lambda::run(Page::new).await
}
