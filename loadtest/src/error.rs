//! How a command ends: the exit codes that scripts rely on, and a failure with its sentence.

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    /// The target or the harness failed; there is no measurement.
    Failed = 1,
    /// The command line or a file named on it is wrong.
    Usage = 2,
    /// A `--fail-if` fired.
    RuleFired = 3,
    /// Worse than the baseline allows, or without a figure that it has of a function asked now.
    Regression = 4,
    /// The measurement contradicts itself or the target. It wins over a rule that fired and over a regression: a
    /// wrong number must neither pass nor fail a build.
    Invalid = 5,
    /// Stopped by the user; a partial report was written, if anything was measured.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why there is no measurement: a sentence for the user, and the exit code.
pub(crate) struct CommandError(pub(crate) Exit, pub(crate) String);
