//! The Lambda function `flush`.

use std::process::ExitCode;

use functions::routes::flush::FlushHandler;

fn main() -> ExitCode {
    functions::runtime::lambda::run(FlushHandler::new)
}
