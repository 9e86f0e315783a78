//! The check of an entry: a checksum, or with a signing key HMAC-SHA-256.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{CHECK, Unreadable, checksum};

/// Adds and verifies the check. With a signing key, unsigned entries are not accepted; without one,
/// signed entries are not.
#[derive(Clone, Default)]
pub(crate) enum Seal {
    #[default]
    Checksum,
    Signature(Box<Keys>),
}

#[derive(Clone)]
pub(crate) struct Keys {
    key: Signer,
    /// Still accepted while a new key is rolled out.
    previous: Option<Signer>,
}

type Signer = Hmac<Sha256>;

const SIGNATURE: usize = 32;

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Checksum => "Checksum",
            Self::Signature(_) => "Signature(secret)",
        })
    }
}

impl Seal {
    pub(crate) fn signature(key: &[u8], previous: Option<&[u8]>) -> Self {
        Self::Signature(Box::new(Keys {
            key: signer(key),
            previous: previous.map(signer),
        }))
    }

    pub(super) fn is_signature(&self) -> bool {
        matches!(self, Self::Signature(_))
    }

    pub(super) fn close(&self, mut body: Vec<u8>, under: &str) -> Vec<u8> {
        match self {
            Self::Checksum => {
                let check = checksum(&body, under);
                body.extend_from_slice(&check);
            }
            Self::Signature(keys) => {
                let tag = signed(&keys.key, &body, under).finalize().into_bytes();
                body.extend_from_slice(&tag);
            }
        }
        body
    }

    /// The record without its check, if the check is right.
    pub(super) fn open<'a>(&self, bytes: &'a [u8], under: &str) -> Result<&'a [u8], Unreadable> {
        let tail = if self.is_signature() {
            SIGNATURE
        } else {
            CHECK
        };
        let at = bytes.len().checked_sub(tail).ok_or(Unreadable::Length)?;
        let (body, tag) = bytes.split_at(at);
        match self {
            Self::Checksum if checksum(body, under) == *tag => Ok(body),
            Self::Checksum => Err(Unreadable::Check),
            Self::Signature(keys) => [Some(&keys.key), keys.previous.as_ref()]
                .into_iter()
                .flatten()
                // verify_slice compares in constant time.
                .any(|key| signed(key, body, under).verify_slice(tag).is_ok())
                .then_some(body)
                .ok_or(Unreadable::Signature),
        }
    }
}

fn signer(key: &[u8]) -> Signer {
    Signer::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn signed(key: &Signer, body: &[u8], under: &str) -> Signer {
    let mut mac = key.clone();
    // The key's length comes first, so that no byte can move from the key into the record.
    mac.update(&(under.len() as u64).to_be_bytes());
    mac.update(under.as_bytes());
    mac.update(body);
    mac
}
