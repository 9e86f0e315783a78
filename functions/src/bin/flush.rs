//! The Lambda function `flush`.

use std::process::ExitCode;

use functions::routes::flush::Flush;

fn main() -> ExitCode {
    functions::runtime::lambda::run(Flush::new)
}
