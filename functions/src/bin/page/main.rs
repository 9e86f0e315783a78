//! The Lambda function `page`.

use std::process::ExitCode;

use functions::page::Page;

fn main() -> ExitCode {
    functions::lambda::run(Page::new)
}
