//! The process's standard output. Owns keeping it clean: Goose prints "N users launched." to it in every mode, so what
//! is ours goes to a copy of it and Goose talks to nobody.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

/// The standard output that the process was started with.
pub(crate) struct Stdout {
    own: File,
    failed: io::Result<()>,
}

impl Stdout {
    /// Takes the standard output away from everyone else in this process.
    pub(crate) fn claim() -> io::Result<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Ok(Self {
            own: own.into(),
            failed: Ok(()),
        })
    }

    /// Prints; what fails is told by [`Stdout::end`]. A reader that went away (`| head`) is not an error.
    pub(crate) fn print(&mut self, text: &str) {
        match self.own.write_all(text.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => self.failed = Err(error),
            _ => {}
        }
    }

    /// Whether all that was printed has arrived.
    pub(crate) fn end(self) -> io::Result<()> {
        self.failed
    }
}
