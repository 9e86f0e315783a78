//! The Lambda function `page`.

use std::process::ExitCode;

use functions::routes::page::Page;

fn main() -> ExitCode {
    functions::runtime::lambda::run(Page::new)
}
