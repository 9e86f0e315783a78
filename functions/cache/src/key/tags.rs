//! The tags of a key: whose flush removes its entry, too.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use super::KeyError;

/// The most tags that a key may have.
pub(super) const MOST_TAGS: usize = 8;
/// The longest tag, in bytes.
pub(super) const LONGEST_TAG: usize = 256;

/// The first half of a tag's SHA-256: what is known of it on a server.
pub(super) type TagDigest = [u8; 16];

/// # Errors
/// [`KeyError::Tag`] unless `tag` has 1 to 256 bytes.
pub(crate) fn check_tag(tag: &str) -> Result<(), KeyError> {
    if (1..=LONGEST_TAG).contains(&tag.len()) {
        return Ok(());
    }
    Err(KeyError::Tag(tag.len()))
}

pub(super) fn digest(tag: &str) -> TagDigest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(tag)[..16]);
    digest
}

/// Tags in the order of their digests, each once: in which order they are given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<TagDigest>);

impl Tags {
    /// # Errors
    /// [`KeyError::Tag`] if it is empty or too long, [`KeyError::TooManyTags`] if it is the ninth.
    pub(crate) fn add(&mut self, tag: &str) -> Result<(), KeyError> {
        check_tag(tag)?;
        let digest = digest(tag);
        let Err(place) = self.0.binary_search(&digest) else {
            return Ok(());
        };
        if self.0.len() == MOST_TAGS {
            return Err(KeyError::TooManyTags);
        }
        self.0.insert(place, digest);
        Ok(())
    }

    /// As [`Tags::add`], for a tag that the attribute has put together.
    pub(crate) fn format(&mut self, tag: fmt::Arguments<'_>) -> Result<(), KeyError> {
        if let Some(tag) = tag.as_str() {
            return self.add(tag);
        }
        let mut text = String::with_capacity(64);
        let written = text.write_fmt(tag);
        written.map_err(|_| KeyError::Serialize("its `Display` failed".to_owned()))?;
        self.add(&text)
    }

    pub(super) fn digests(&self) -> &[TagDigest] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Result<Tags, KeyError> {
        let mut tags = Tags::default();
        all.iter().try_for_each(|tag| tags.add(tag))?;
        Ok(tags)
    }

    #[test]
    fn order_and_doubles_do_not_matter() {
        let one = tags(&["a", "b", "ñ ☕\r\n", "a"]).unwrap();
        let other = tags(&["ñ ☕\r\n", "b", "b", "a"]).unwrap();
        assert_eq!(one.digests(), other.digests());
        assert_eq!(one.digests().len(), 3);
        assert_ne!(
            one.digests(),
            tags(&["a", "b", "ñ ☕\n"]).unwrap().digests()
        );
    }

    #[test]
    fn a_ninth_tag_and_one_without_a_length_that_is_allowed_are_refused() {
        let names: Vec<_> = (0..9).map(|n| n.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let doubles = [&names[..8], &names[..8]].concat();
        assert_eq!(tags(&doubles).unwrap().digests().len(), 8);
        assert_eq!(tags(&names).unwrap_err(), KeyError::TooManyTags);
        assert_eq!(tags(&[""]).unwrap_err(), KeyError::Tag(0));
        assert!(tags(&[&"x".repeat(256)]).is_ok());
        assert_eq!(tags(&[&"x".repeat(257)]).unwrap_err(), KeyError::Tag(257));
    }
}
