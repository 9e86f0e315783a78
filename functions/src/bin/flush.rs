//! The Lambda function `flush`.

use std::process::ExitCode;

use functions::flush::Flush;

fn main() -> ExitCode {
    functions::lambda::run(Flush::new)
}
