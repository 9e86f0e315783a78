//! The Lambda function `heavy-op`.

use std::process::ExitCode;

use functions::routes::heavy_op::HeavyOpHandler;

fn main() -> ExitCode {
    functions::runtime::lambda::run(HeavyOpHandler::new)
}
