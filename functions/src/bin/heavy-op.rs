//! The Lambda function `heavy-op`.

use std::process::ExitCode;

use functions::heavy_op::HeavyOp;

fn main() -> ExitCode {
    functions::lambda::run(HeavyOp::new)
}
