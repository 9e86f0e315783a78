//! The Lambda function `page`.

use std::process::ExitCode;

use functions::routes::page::PageHandler;

fn main() -> ExitCode {
    functions::runtime::lambda::run(PageHandler::new)
}
