//! The Lambda function `heavy-op`.

use std::process::ExitCode;

use functions::routes::heavy_op::HeavyOp;

fn main() -> ExitCode {
    functions::runtime::lambda::run(HeavyOp::new)
}
