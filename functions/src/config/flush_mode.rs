//! The values of `FLUSH_AUTH` and `FLUSH_TOKEN_SHA256`. What they permit is decided in
//! [`flush_auth`](crate::flush_auth).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The value of `FLUSH_AUTH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlushMode {
    /// Every flush is refused.
    Deny,
    /// A caller with the token of this digest may flush.
    Token(TokenDigest),
    /// A caller that AWS has authenticated by IAM may flush.
    Iam,
    /// Every caller may flush, if only this machine can reach the server.
    Open,
}

/// The SHA-256 of the token, so that the environment holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether this is the digest of `token`; compared in constant time.
    pub(crate) fn is_of(&self, token: &[u8]) -> bool {
        Self::of(token).0.ct_eq(&self.0).into()
    }
}

impl FromStr for TokenDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest)
            .map_err(|_| "is not a SHA-256 digest of 64 hexadecimal digits".to_owned())?;
        Ok(Self(digest))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_in_either_case() {
        let text = hex::encode(Sha256::digest(b"right"));
        assert_eq!(text.parse(), Ok(TokenDigest::of(b"right")));
        assert_eq!(text.to_uppercase().parse(), Ok(TokenDigest::of(b"right")));
        assert!("".parse::<TokenDigest>().is_err());
    }
}
