//! Where client and servers run. This process and every client that it starts stay on core 0.

use std::error::Error;

use larder_testing::Memcached;

use crate::cores;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// Client on core 0, servers on core 1: the cost of wake-ups across cores dominates.
    CrossCore,
    /// All on core 0: the cost of the library itself shows.
    SameCore,
}

impl Layout {
    pub(crate) const CLIENT: u32 = 0;

    pub(crate) fn server(self) -> u32 {
        match self {
            Self::CrossCore => 1,
            Self::SameCore => Self::CLIENT,
        }
    }

    /// A memcached on its core, with further options.
    pub(crate) fn memcached(self, options: &[&str]) -> Result<Memcached, Box<dyn Error>> {
        let server = Memcached::start_with(options);
        cores::pin(server.stat("pid"), self.server())?;
        Ok(server)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CrossCore => "cross-core",
            Self::SameCore => "same core",
        }
    }
}
