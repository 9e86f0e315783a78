//! The largest item that the server takes. It removes what is under a key when it refuses a larger one,
//! a lease that others wait for, too: so such an item is not sent.

use memchr::memchr;

use super::{
    super::{
        super::StoreError,
        command::OwnedWrite,
        limits::{MAX_LINE, MAX_REPLY},
    },
    Meta,
};

/// Smaller items are sent without knowing: no server is set up to take less.
const ALWAYS_TAKEN: usize = 16 << 10;
/// What memcached adds to the key and the value: its header of 48 bytes, the cas, and three ends.
const OVERHEAD: usize = 59;

impl Meta {
    /// Whether the server takes the item of `write`.
    pub(super) async fn takes(&mut self, write: &OwnedWrite) -> Result<bool, StoreError> {
        let size = write.bytes.len() + write.key().len() + OVERHEAD;
        if size <= ALWAYS_TAKEN {
            return Ok(true);
        }
        let largest = match self.largest {
            Some(largest) => largest,
            None => {
                let asked = self.ask_for_largest().await?;
                *self.largest.insert(asked)
            }
        };
        Ok(size <= largest)
    }

    /// What the server says, or no limit.
    async fn ask_for_largest(&mut self) -> Result<usize, StoreError> {
        self.begin(0);
        self.output.extend_from_slice(b"stats settings\r\n");
        self.send().await?;
        let (mut largest, mut read) = (usize::MAX, 0);
        loop {
            let Some(end) = memchr(b'\n', &self.input) else {
                if self.input.len() > MAX_LINE {
                    return Err(StoreError::Protocol);
                }
                self.receive().await?;
                continue;
            };
            let line = self.input.split_to(end + 1);
            read += line.len();
            let line = line.strip_suffix(b"\r\n").ok_or(StoreError::Protocol)?;
            match line.strip_prefix(b"STAT ") {
                Some(stat) if read <= MAX_REPLY => {
                    let size = stat.strip_prefix(b"item_size_max ");
                    let size = size.and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                    largest = size.unwrap_or(largest);
                }
                Some(_) => return Err(StoreError::Protocol),
                // The end, or a word that this is not known here.
                None => {
                    self.end()?;
                    return Ok(largest);
                }
            }
        }
    }
}
