//! Generations: what a flush deletes. Entries and leases carry those of the lookup that led to
//! them.

use sha2::{Digest as _, Sha256};

use super::{CHECK, HEAD, Millis, Unreadable, checked, field, finish, head, start};
use crate::key::Scope;

/// Hashed before everything else of a call with tags.
const TAGS: &[u8] = b"larder/tags/1";

/// The generation of one scope on one server: the time and 64 random bits, so that a lost one is
/// never created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation([u8; 16]);

/// The generations of a call as one lookup saw them: the stamp of what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generations {
    pub(crate) namespace: Generation,
    /// That of the function, or of a call with tags [`Generation::with_tags`].
    pub(crate) function: Generation,
}

impl Generation {
    #[cfg(test)]
    pub(super) const fn golden(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn mint(now: Millis, random: u64) -> Self {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&now.to_be_bytes());
        out[8..].copy_from_slice(&random.to_be_bytes());
        Self(out)
    }

    /// What stands for a function's generation and those of a call's tags: another one if any of
    /// them is another. `None` if one of the tags has none.
    pub(crate) fn with_tags<'a>(
        self,
        tags: impl ExactSizeIterator<Item = Option<(&'a Scope, Self)>>,
    ) -> Option<Self> {
        if tags.len() == 0 {
            return Some(self);
        }
        let mut hash = Sha256::new_with_prefix(TAGS);
        // A key has at most 8.
        hash.update([u8::try_from(tags.len()).unwrap_or(u8::MAX)]);
        hash.update(self.0);
        for tag in tags {
            let (scope, generation) = tag?;
            hash.update(scope.digest());
            hash.update(generation.0);
        }
        Some(Self(field(&hash.finalize(), 0)))
    }

    /// The record under the key of `scope`. Only a function has owners.
    pub(crate) fn write(self, scope: &Scope, owners: &[u8]) -> Vec<u8> {
        let mut out = start(b'G', scope.digest(), 16 + owners.len());
        out.extend_from_slice(&self.0);
        out.extend_from_slice(owners);
        finish(out, scope.key())
    }

    /// A generation, and the owners of its scope.
    pub(crate) fn read<'a>(
        bytes: &'a [u8],
        scope: &Scope,
    ) -> Result<(Self, Owners<'a>), Unreadable> {
        if head(bytes, scope.digest())? != b'G' {
            return Err(Unreadable::Kind);
        }
        let body = bytes.len().saturating_sub(CHECK);
        if !(HEAD + 16..=HEAD + 16 + Owners::LONGEST).contains(&body) {
            return Err(Unreadable::Length);
        }
        let body = checked(bytes, scope.key(), body)?;
        Ok((Self(field(body, HEAD)), Owners(&body[HEAD + 16..])))
    }
}

/// The functions that a name belongs to: one for each schema version, whose keys are its own. Each
/// is a version of 4 bytes, a length of 1, and a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Owners<'a>(pub(super) &'a [u8]);

impl<'a> Owners<'a> {
    /// More versions are not at work at once; the one that was claimed first gives way.
    const MOST: usize = 4;
    /// Of a longer path the end counts: there the function is.
    const LONGEST_PATH: usize = 200;
    const LONGEST: usize = Self::MOST * (5 + Self::LONGEST_PATH);

    /// A function's path as it is in a record.
    pub(crate) fn mark(path: &str) -> &[u8] {
        let path = path.as_bytes();
        &path[path.len().saturating_sub(Self::LONGEST_PATH)..]
    }

    /// The owner of the name with this version.
    pub(crate) fn of(self, version: u32) -> Option<&'a [u8]> {
        let mut owners = self.iter();
        owners.find_map(|(its, path)| (its == version).then_some(path))
    }

    /// The same, with the function at `path` as the owner of this version.
    pub(crate) fn claimed(self, version: u32, path: &str) -> Vec<u8> {
        let others: Vec<_> = self.iter().filter(|(its, _)| *its != version).collect();
        let kept = others.len().saturating_sub(Self::MOST - 1);
        let own = (version, Self::mark(path));
        let all = others[kept..].iter().copied().chain([own]);
        let mut out = Vec::new();
        for (version, path) in all {
            out.extend_from_slice(&version.to_be_bytes());
            // At most LONGEST_PATH, or what a byte said.
            out.push(u8::try_from(path.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(path);
        }
        out
    }

    fn iter(self) -> impl Iterator<Item = (u32, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (version, behind) = rest.split_first_chunk::<4>()?;
            let (length, behind) = behind.split_first()?;
            let (path, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some((u32::from_be_bytes(*version), path))
        })
    }
}

impl Generations {
    pub(super) const LEN: usize = 32;

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.namespace.0);
        out.extend_from_slice(&self.function.0);
    }

    pub(super) fn read(bytes: &[u8], at: usize) -> Self {
        Self {
            namespace: Generation(field(bytes, at)),
            function: Generation(field(bytes, at + 16)),
        }
    }
}
