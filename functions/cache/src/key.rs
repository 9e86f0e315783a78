//! The key of an entry: the function's name, and SHA-256 over its types and canonical arguments.
//!
//! The identity of a cached value, and its spelling on a server.
//!
//! ```text
//! digest = SHA-256("larder/key/2" · length of name 8 · name · version 4 · types · arguments)
//! types  = nothing, or "T" and a tuple: of generic functions and of methods only
//! ```

use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

mod canonical;
mod tags;
pub use canonical::KeyError;
pub(crate) use canonical::Tuple;
pub(crate) use tags::{Tags, check_tag};

/// The longest name of a function or namespace. With both at their longest, a key is shorter than
/// memcached's 250 bytes.
const NAME_MAX: usize = 64;

/// Hashed before everything else. A change of the key's layout must change it.
const LABEL: &[u8] = b"larder/key/2";

/// Writes the types that tell two instantiations of a function apart.
pub(crate) type WriteTypes = fn(&mut Tuple<'_>) -> Result<(), KeyError>;

/// The types as they are in a key: equal for two instantiations that share their entries.
pub(crate) fn encoded_types(types: WriteTypes) -> Result<Vec<u8>, KeyError> {
    let mut out = Vec::new();
    canonical::types(types, &mut out)?;
    Ok(out)
}

/// Whether two values have the same content, in any order; `true` if they are nested too deep to
/// compare.
pub(crate) fn same_content<T: Serialize + ?Sized>(one: &T, other: &T) -> bool {
    let (one, other) = (
        canonical::encode_content(one),
        canonical::encode_content(other),
    );
    one.is_err() || other.is_err() || one == other
}

/// The identity of one cached value: which function, which schema version, which arguments.
///
/// Two keys are equal if and only if name, version, types and canonical arguments are. A key does
/// not hold its namespace: that is the [`Cache`](crate::Cache)'s. What that means for a cached
/// function is said at [`cached`](macro@crate::cached#what-is-the-key).
///
/// ```
/// # use larder::Key;
/// let key = Key::new("user", &("ab", "c"))?;
/// assert_ne!(key, Key::new("user", &("a", "bc"))?);
/// assert_ne!(key, Key::new("client", &("ab", "c"))?);
/// # Ok::<_, larder::KeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Key {
    name: std::borrow::Cow<'static, str>,
    digest: [u8; 32],
    /// The function that the key is of, unless it was made by hand.
    owner: Option<&'static str>,
    tags: Tags,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.digest == other.digest
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.digest.hash(state);
    }
}

impl Key {
    /// The key of a call of `name` with `arguments`, usually a tuple.
    ///
    /// ```
    /// # use larder::Key;
    /// assert_eq!(Key::new("user", &(7_u8,))?, Key::new("user", &(7_i64,))?); // by value
    /// assert!(Key::new("two words", &(7,)).is_err());
    /// # Ok::<_, larder::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError`] if `name` is not 1 to 64 of `a-z A-Z 0-9 . _ -`, or if an argument cannot be
    /// serialised.
    pub fn new<A: Serialize + ?Sized>(
        name: impl Into<std::borrow::Cow<'static, str>>,
        arguments: &A,
    ) -> Result<Self, KeyError> {
        Self::versioned(name, 0, arguments)
    }

    /// As [`Key::new`], for a schema version other than 0. Each version has its own entries.
    ///
    /// ```
    /// # use larder::Key;
    /// assert_eq!(Key::versioned("user", 0, &(7,))?, Key::new("user", &(7,))?);
    /// assert_ne!(Key::versioned("user", 1, &(7,))?, Key::new("user", &(7,))?);
    /// # Ok::<_, larder::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn versioned<A: Serialize + ?Sized>(
        name: impl Into<std::borrow::Cow<'static, str>>,
        version: u32,
        arguments: &A,
    ) -> Result<Self, KeyError> {
        Self::hashed(name.into(), version, |out| {
            canonical::encode(arguments, out)
        })
    }

    /// As [`Key::versioned`], with the elements of the tuple of arguments written by `arguments`. A
    /// function that is more than one writes its types in front.
    pub(crate) fn of_elements(
        name: &'static str,
        version: u32,
        types: Option<WriteTypes>,
        owner: &'static str,
        arguments: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        let mut key = Self::hashed(name.into(), version, |out| {
            if let Some(types) = types {
                canonical::types(types, out)?;
            }
            canonical::tuple(arguments, out)
        })?;
        key.owner = Some(owner);
        Ok(key)
    }

    fn hashed(
        name: std::borrow::Cow<'static, str>,
        version: u32,
        arguments: impl FnOnce(&mut Vec<u8>) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        check_name(&name)?;
        let mut preimage = Vec::with_capacity(256);
        preimage.extend_from_slice(LABEL);
        preimage.extend_from_slice(&(name.len() as u64).to_be_bytes());
        preimage.extend_from_slice(name.as_bytes());
        preimage.extend_from_slice(&version.to_be_bytes());
        arguments(&mut preimage)?;
        Ok(Self {
            name,
            digest: Sha256::digest(&preimage).into(),
            owner: None,
            tags: Tags::default(),
        })
    }

    /// The same key with these tags, in place of those that it has. A flush of one of them
    /// ([`Scope::Tag`](crate::Scope::Tag)) removes its entry.
    ///
    /// A tag is any text of 1 to 256 bytes, and belongs to all functions of a namespace. Tags are
    /// no part of the key: two keys that differ in nothing else share one entry, and each caller
    /// replaces what the other has stored. So let the tags of a key follow from its arguments.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, Key, Policy, Scope};
    /// # const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cache = Cache::memory();
    /// let key = Key::new("name", &(7, "a")).unwrap().with_tags(["tenant:7"]).unwrap();
    /// let origin = || async { Ok::<_, Infallible>("Ada".to_owned()) };
    /// cache.get_or_fetch(&key, &NAME, origin).await.unwrap();
    /// assert!(cache.peek::<String>(&key, &NAME).await.is_some());
    /// cache.flush(Scope::Tag("tenant:7")).await.unwrap();
    /// assert!(cache.peek::<String>(&key, &NAME).await.is_none());
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`KeyError::TooManyTags`] if there are more than 8 different ones, [`KeyError::Tag`] if one
    /// is empty or too long.
    pub fn with_tags<T: AsRef<str>>(
        mut self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Self, KeyError> {
        self.tags = Tags::default();
        for tag in tags {
            self.tags.add(tag.as_ref())?;
        }
        Ok(self)
    }

    /// Its tags.
    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// The same with the tags that `write` writes.
    pub(crate) fn tagged(
        mut self,
        write: impl FnOnce(&mut Tags) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        write(&mut self.tags)?;
        Ok(self)
    }

    /// The name of a function's key, which the attribute has; nothing for a key that was made by
    /// hand.
    pub(crate) fn static_name(&self) -> &'static str {
        match self.name {
            std::borrow::Cow::Borrowed(name) => name,
            std::borrow::Cow::Owned(_) => "",
        }
    }

    /// The path of the function that the key is of; `None` for a key that was made by hand.
    pub(crate) fn owner(&self) -> Option<&'static str> {
        self.owner
    }

    /// The name of the function.
    ///
    /// ```
    /// # use larder::Key;
    /// assert_eq!(Key::new("user", &(7,))?.name(), "user");
    /// # Ok::<_, larder::KeyError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of name, version and canonical arguments.
    ///
    /// ```
    /// # use larder::Key;
    /// let (seven, eight) = (Key::new("user", &(7,))?, Key::new("user", &(8,))?);
    /// assert_ne!(seven.digest(), eight.digest());
    /// # Ok::<_, larder::KeyError>(())
    /// ```
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// # Errors
/// [`KeyError::Name`] unless `name` is 1 to 64 of `a-z A-Z 0-9 . _ -`: it is sent to servers as it
/// is.
pub(crate) fn check_name(name: &str) -> Result<(), KeyError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(KeyError::Name(name.to_owned()))
}

/// The keys of one call on a server. All of them are on the server of the first.
#[derive(Debug, Clone)]
pub(crate) struct CacheKeys {
    /// `namespace:name:digest:r`; without its last two bytes it is the item's own key.
    marker: Arc<str>,
    function: Arc<ScopeKeys>,
    namespace: Arc<ScopeKeys>,
    /// `None`: the call has no tags.
    tags: Option<Arc<[Scope]>>,
    digest: [u8; 16],
}

impl CacheKeys {
    /// `namespace` was checked when the cache was made, the key's name when the key was.
    pub(crate) fn new(namespace: &Namespace, key: &Key) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&key.digest[..16]);
        let namespace = namespace.part(&key.digest);
        Self {
            marker: marker(&namespace.prefix, key),
            function: namespace.of(&key.name),
            namespace: namespace.all.clone(),
            tags: namespace.tags(&key.tags),
            digest,
        }
    }

    /// The key of the item: an entry, a lease, or a freed lease. It decides the server.
    pub(crate) fn item(&self) -> &str {
        &self.marker[..self.marker.len() - 2]
    }

    /// The key of the refresh marker of a stale entry.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// The key of the namespace's generation.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.generation.key()
    }

    /// The key of the function's generation.
    pub(crate) fn function(&self) -> &str {
        self.function.generation.key()
    }

    /// The scopes of namespace and function.
    pub(crate) fn scopes(&self) -> [&Scope; 2] {
        [&self.namespace.generation, &self.function.generation]
    }

    /// The scopes of the tags, in the order of their digests.
    pub(crate) fn tags(&self) -> &[Scope] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// Whether both are of calls with the same tags.
    pub(crate) fn has_tags_of(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.tags().iter(), other.tags().iter());
        ours.map(Scope::digest).eq(theirs.map(Scope::digest))
    }

    /// The scopes of the two records that bound near copies: namespace and function.
    pub(crate) fn near(&self) -> [&Scope; 2] {
        [&self.namespace.near, &self.function.near]
    }

    /// All that is kept of the two scopes: namespace and function.
    pub(crate) fn both(&self) -> [&Arc<ScopeKeys>; 2] {
        [&self.namespace, &self.function]
    }

    /// The first half of the key's digest: what every record under this key must carry.
    pub(crate) fn digest(&self) -> [u8; 16] {
        self.digest
    }
}

/// Built on the stack first, so that the shared string needs only one allocation.
fn marker(namespace: &str, key: &Key) -> Arc<str> {
    let mut room = [0; 2 * NAME_MAX + 68 + TAG_MAX];
    let mut used = 0;
    let mut add = |part: &[u8]| {
        room[used..][..part.len()].copy_from_slice(part);
        used += part.len();
    };
    let mut hex = [0; 64];
    hex::encode_to_slice(key.digest, &mut hex).expect("64 characters hold 32 bytes");
    for part in [namespace, ":", &key.name, ":"] {
        add(part.as_bytes());
    }
    add(&hex);
    add(b":r");
    std::str::from_utf8(&room[..used])
        .expect("names and hex are ASCII")
        .into()
}

/// What is kept on every server for a namespace, or for a function of it.
#[derive(Debug)]
pub(crate) struct ScopeKeys {
    /// What a flush deletes.
    pub(crate) generation: Scope,
    /// What bounds near copies.
    pub(crate) near: Scope,
}

impl ScopeKeys {
    // No name contains "@", so none of these is the key of an item.
    fn namespace(namespace: &str) -> Self {
        Self {
            generation: Scope::new([namespace, ":@all"].concat()),
            near: Scope::new([namespace, ":@near"].concat()),
        }
    }

    fn function(namespace: &str, name: &str) -> Self {
        Self {
            generation: Scope::new([namespace, ":@fn:", name].concat()),
            near: Scope::new([namespace, ":@near:", name].concat()),
        }
    }
}

/// What is in front of a tag's digest, and in no other key.
pub(crate) const TAG: &str = ":@tag:";

/// The key of a scope's record, and the digest in the record there.
#[derive(Debug)]
pub(crate) struct Scope {
    key: String,
    digest: [u8; 16],
}

impl Scope {
    pub(crate) fn new(key: String) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(&key)[..16]);
        Self { key, digest }
    }

    /// A tag's, whose digest is in its key already.
    fn tag(namespace: &str, digest: tags::TagDigest) -> Self {
        let mut hex = [0; 32];
        hex::encode_to_slice(digest, &mut hex).expect("32 characters hold 16 bytes");
        let hex = std::str::from_utf8(&hex).expect("hex is ASCII");
        let key = [namespace, TAG, hex].concat();
        Self { key, digest }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn digest(&self) -> [u8; 16] {
        self.digest
    }
}

/// The prefix of every key, which keeps applications on one server apart.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    name: String,
    /// The name, behind the hash tag of a part.
    prefix: String,
    all: Arc<ScopeKeys>,
    /// The scopes of the functions that were called, so that their keys are hashed only once.
    functions: Arc<RwLock<HashMap<String, Arc<ScopeKeys>>>>,
    /// Behind a proxy: each has generations of its own and a hash tag, so that an item and its
    /// generations are on one server, whichever that is. Otherwise none.
    parts: Arc<[Self]>,
}

/// More than there are servers behind a proxy, as a rule. A flush deletes a generation of each.
const PARTS: usize = 64;
/// `{63}|#|`: twemproxy and memcached's own proxy can hash what is between the braces, mcrouter what
/// is before `|#|`.
const TAG_MAX: usize = 7;

/// The most functions that are remembered. A program that makes up names must not grow without
/// limit.
const FUNCTIONS: usize = 1024;

impl Namespace {
    pub(crate) fn new(name: &str) -> Result<Self, KeyError> {
        check_name(name)?;
        Ok(Self::prefixed(name, name.to_owned()))
    }

    fn prefixed(name: &str, prefix: String) -> Self {
        Self {
            name: name.to_owned(),
            all: Arc::new(ScopeKeys::namespace(&prefix)),
            prefix,
            functions: Arc::default(),
            parts: Arc::new([]),
        }
    }

    /// The same with parts, each under a hash tag.
    pub(crate) fn by_tags(&self) -> Self {
        let part = |tag| Self::prefixed(&self.name, format!("{{{tag}}}|#|{}", self.name));
        Self {
            parts: (0..PARTS).map(part).collect(),
            ..self.clone()
        }
    }

    /// What has generations of its own: this namespace, or its parts.
    pub(crate) fn parts(&self) -> &[Self] {
        match &*self.parts {
            [] => std::slice::from_ref(self),
            parts => parts,
        }
    }

    fn part(&self, digest: &[u8; 32]) -> &Self {
        match &*self.parts {
            [] => self,
            parts => &parts[usize::from(digest[0]) % parts.len()],
        }
    }

    /// What keys begin with that belong on one server, and are no item's.
    pub(crate) fn probe(&self) -> String {
        format!("{}:@probe:", self.parts()[0].prefix)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The scope of the whole namespace.
    pub(crate) fn whole(&self) -> &Arc<ScopeKeys> {
        &self.all
    }

    /// The scope of a tag, which was checked before.
    pub(crate) fn tag(&self, tag: &str) -> Scope {
        Scope::tag(&self.prefix, tags::digest(tag))
    }

    fn tags(&self, tags: &Tags) -> Option<Arc<[Scope]>> {
        let digests = tags.digests();
        let scope = |digest: &tags::TagDigest| Scope::tag(&self.prefix, *digest);
        (!digests.is_empty()).then(|| digests.iter().map(scope).collect())
    }

    /// The scope of a function.
    pub(crate) fn of(&self, name: &str) -> Arc<ScopeKeys> {
        let functions = self.functions.read();
        let functions = functions.unwrap_or_else(PoisonError::into_inner);
        if let Some(scope) = functions.get(name) {
            return scope.clone();
        }
        drop(functions);
        let scope = Arc::new(ScopeKeys::function(&self.prefix, name));
        let functions = self.functions.write();
        let mut functions = functions.unwrap_or_else(PoisonError::into_inner);
        if functions.len() < FUNCTIONS {
            functions.insert(name.to_owned(), scope.clone());
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_a_key_is_frozen() {
        let key = Key::versioned("heavy-op", 3, &("ñandú ☕\r\nflush_all",)).unwrap();
        let address = CacheKeys::new(&Namespace::new("larder").unwrap(), &key);
        assert_eq!(
            address.item(),
            "larder:heavy-op:fc627801d07a47da370f821f814e7dd24fcae41c1e6eeb8b43bf770e045c7334"
        );
        assert_eq!(address.marker(), format!("{}:r", address.item()));
        assert_eq!(address.namespace(), "larder:@all");
        assert_eq!(address.function(), "larder:@fn:heavy-op");
        let near = address.near().map(Scope::key);
        assert_eq!(near, ["larder:@near", "larder:@near:heavy-op"]);
        assert!(address.tags().is_empty());
        let tagged = key
            .with_tags(["tenant:7", "ñandú ☕\r\nflush_all"])
            .unwrap();
        let tagged = CacheKeys::new(&Namespace::new("larder").unwrap(), &tagged);
        assert_eq!(tagged.item(), address.item());
        let tags: Vec<_> = tagged.tags().iter().map(Scope::key).collect();
        assert_eq!(
            tags,
            [
                "larder:@tag:2623b4d4fe3815ca5096513b93510897",
                "larder:@tag:9e4c1313c8e52071b4f6220d558e8316",
            ]
        );
    }

    #[test]
    fn behind_a_proxy_the_keys_of_a_call_have_one_hash_tag() {
        let namespace = Namespace::new("larder").unwrap().by_tags();
        let mut tags = std::collections::HashSet::new();
        for n in 0..2000 {
            let key = Key::new("user", &(n,)).unwrap().with_tags(["all"]).unwrap();
            let keys = CacheKeys::new(&namespace, &key);
            let (tag, _) = keys.item().split_once("|#|").unwrap();
            let of_tag = keys.tags()[0].key();
            for key in [keys.marker(), keys.namespace(), keys.function(), of_tag] {
                assert!(key.starts_with(&format!("{tag}|#|larder:")), "{key}");
            }
            tags.insert(tag.to_owned());
        }
        assert_eq!((tags.len(), namespace.parts().len()), (PARTS, PARTS));
        assert_eq!(namespace.name(), "larder");
        assert_eq!(namespace.probe(), "{0}|#|larder:@probe:");
    }

    #[test]
    fn name_version_and_arguments_each_change_the_key() {
        let base = Key::new("user", &(1,)).unwrap();
        assert_eq!(base, Key::versioned("user", 0, &(1_u8,)).unwrap());
        assert_ne!(base, Key::new("user", &(2,)).unwrap());
        assert_ne!(base, Key::new("user", &("1",)).unwrap());
        assert_ne!(base.digest(), Key::new("users", &(1,)).unwrap().digest());
        assert_ne!(base, Key::versioned("user", 1, &(1,)).unwrap());
    }

    #[test]
    fn the_longest_key_is_one_token_below_the_limit_of_memcached() {
        let longest = "x".repeat(NAME_MAX);
        let key = Key::new(longest.clone(), &("a b\r\n\0☕".repeat(10_000),)).unwrap();
        let key = key.with_tags(["a b\r\n\0☕".repeat(20)]).unwrap();
        let namespace = Namespace::new(&longest).unwrap();
        for namespace in [namespace.by_tags(), namespace] {
            let address = CacheKeys::new(&namespace, &key);
            for key in [
                address.item(),
                address.marker(),
                address.namespace(),
                address.function(),
                address.near()[1].key(),
                address.tags()[0].key(),
            ] {
                assert!(
                    key.len() <= 250 && key.bytes().all(|b| b > b' ' && b < 0x7f),
                    "{key}"
                );
            }
        }
    }

    #[test]
    fn a_name_that_a_server_could_misread_is_refused() {
        for bad in [
            "",
            "a b",
            "a:b",
            "a\r\n",
            "@all",
            "ñ",
            "a\0",
            "a/b",
            &"x".repeat(NAME_MAX + 1),
        ] {
            assert_eq!(
                Key::new(bad.to_owned(), &()).unwrap_err(),
                KeyError::Name(bad.to_owned())
            );
            assert!(Namespace::new(bad).is_err());
        }
    }
}
