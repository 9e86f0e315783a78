//! The process's standard output. Owns keeping it clean: Goose prints "N users launched." to it in every mode, so what
//! is ours goes to a copy of it and Goose talks to nobody.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

/// The standard output that the process was started with.
pub(crate) struct Stdout(File);

impl Stdout {
    /// Takes the standard output away from everyone else in this process.
    pub(crate) fn claim() -> std::io::Result<Self> {
        let own = std::io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Ok(Self(own.into()))
    }

    /// Prints; a reader that went away (`| head`) is not an error.
    pub(crate) fn print(&mut self, text: &str) {
        _ = self
            .0
            .write_all(text.as_bytes())
            .and_then(|()| self.0.flush());
    }
}
