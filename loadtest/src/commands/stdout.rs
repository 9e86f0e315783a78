//! The process's standard output. Goose prints "N users launched." to it in every mode, so this
//! tool prints to a copy, and Goose prints to /dev/null.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

/// The original standard output.
pub(crate) struct Stdout {
    own: File,
    failed: io::Result<()>,
}

impl Stdout {
    /// Takes the standard output away from the rest of this process.
    pub(crate) fn claim() -> io::Result<Self> {
        let own = io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Ok(Self {
            own: own.into(),
            failed: Ok(()),
        })
    }

    /// Prints. A failure is returned by [`Stdout::end`]; a reader that went away (`| head`) is not
    /// one.
    pub(crate) fn print(&mut self, text: &str) {
        match self.own.write_all(text.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => self.failed = Err(error),
            _ => {}
        }
    }

    /// Whether everything was printed.
    pub(crate) fn end(self) -> io::Result<()> {
        self.failed
    }
}
