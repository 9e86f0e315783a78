//! How a command ends: the exit codes that scripts rely on, and an error message.

use std::fmt::Display;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    /// The target or this tool failed; there is no measurement.
    Failed = 1,
    /// The command line or a file named on it is wrong.
    Usage = 2,
    ThresholdFired = 3,
    /// A regression against the baseline, or a baseline figure that this run could not measure.
    Regression = 4,
    /// The measurement contradicts itself or the target. This wins over `RuleFired` and
    /// `Regression`: a wrong number must neither pass nor fail a build.
    Invalid = 5,
    /// Stopped by the user. A partial report was written if anything was measured.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed: the exit code and a sentence for the user.
pub(crate) struct CommandError(pub(crate) Exit, pub(crate) String);

impl CommandError {
    /// The command line or a file named on it is wrong.
    pub(crate) fn usage(reason: impl Display) -> Self {
        Self(Exit::Usage, reason.to_string())
    }
}

/// The target or this tool failed, and the text says how.
impl From<String> for CommandError {
    fn from(reason: String) -> Self {
        Self(Exit::Failed, reason)
    }
}
