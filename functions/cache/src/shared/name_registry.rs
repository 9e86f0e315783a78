//! Which function owns a name, and which types a key belongs to. Two functions with one name, or
//! two instantiations of a function whose types have one name, would read each other's entries: the
//! second is not cached, and an error is logged.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{
        Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    key::{KeyError, Tuple, WriteTypes, encoded_types},
    policy::Policy,
};

/// One memoised function in the source: made by the attribute, one `static` each.
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    /// What the function is called in the source.
    ident: &'static str,
    /// The name of a type within the function or a companion of it: the path of that, with its
    /// `impl` and its trait.
    within: fn() -> &'static str,
    path: OnceLock<String>,
    /// Where it is in the source, for messages.
    place: &'static str,
    policy: Policy,
    /// The id of the first cache that accepted this site, if it is one function; 0 is none.
    accepted: AtomicU64,
    /// Whether a cache has accepted the function of these types.
    instances: RwLock<BTreeMap<(u64, TypeId), bool>>,
}

/// A program that makes caches without end has their decisions made anew now and then.
const MOST_INSTANCES: usize = 4096;

impl Site {
    /// `within` names a type [`WITHIN`] that is local to the function `ident`, or to the companion
    /// [`ITS`] of it.
    #[must_use]
    pub const fn new(
        name: &'static str,
        ident: &'static str,
        within: fn() -> &'static str,
        place: &'static str,
        policy: Policy,
    ) -> Self {
        Self {
            name,
            ident,
            within,
            path: OnceLock::new(),
            place,
            policy,
            accepted: AtomicU64::new(0),
            instances: RwLock::new(BTreeMap::new()),
        }
    }

    /// Such as `app::users::user`, or `<app::Db as app::Repository<_>>::find`. The same for all of
    /// the site's functions, and, unlike the place, in every release in which the function is not
    /// moved: what its companions are called, and whether it has any, is no part of it.
    fn path(&self) -> &str {
        self.path.get_or_init(|| path((self.within)(), self.ident))
    }

    fn source(&self) -> String {
        format!("{} at {}", self.path(), self.place)
    }
}

/// What the attribute calls the type that shows where a function is.
const WITHIN: &str = "::LarderWithin";
/// What the attribute calls the companion that is the function's identity.
const ITS: &str = "__larder_identity";

/// The path of the function `ident` from that of a type `within` it or its companion: a function of
/// its own type, `user::__larder_identity`, or a method, `Db::find___larder_identity`.
fn path(within: &str, ident: &str) -> String {
    let mut path = within.strip_suffix(WITHIN).unwrap_or(within);
    while let Some(outer) = path.strip_suffix("::{{closure}}") {
        path = outer;
    }
    let Some((mut outer, last)) = path.rsplit_once("::") else {
        return path.to_owned();
    };
    if !last.ends_with(ITS) {
        return path.to_owned();
    }
    if last == ITS {
        outer = outer.rsplit_once("::").map_or("", |(module, _)| module);
    }
    let ident = ident.strip_prefix("r#").unwrap_or(ident);
    format!("{outer}::{ident}")
}

/// A memoised function as it is called: a site, and its types if the site has several functions.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    site: &'static Site,
    types: Option<Types>,
}

#[derive(Debug, Clone, Copy)]
struct Types {
    id: TypeId,
    write: WriteTypes,
}

impl Function {
    /// The only function of its site.
    #[must_use]
    pub const fn new(site: &'static Site) -> Self {
        Self { site, types: None }
    }

    /// One of several. `_marker` is a closure of the function's own: its type has all parameters of
    /// the function, of its `impl` and of its trait. `write` writes the types as
    /// they are in a key.
    #[must_use]
    pub fn of_types<M>(site: &'static Site, _marker: &M, write: WriteTypes) -> Self {
        let id = typeid::of::<M>();
        let types = Some(Types { id, write });
        Self { site, types }
    }

    /// A method of a trait, whose parameters only the marker's name has.
    #[must_use]
    pub fn method<M>(site: &'static Site, marker: &M) -> Self {
        Self::of_types(site, marker, write_method::<M>)
    }

    pub(crate) fn name(self) -> &'static str {
        self.site.name
    }

    /// The policy in the attribute.
    #[must_use]
    pub fn policy(self) -> &'static Policy {
        &self.site.policy
    }

    /// The policy of a call, with the version in the attribute: that is part of the key.
    #[must_use]
    pub fn with_version(self, policy: Policy) -> Policy {
        policy.version(self.site.policy.parts.version)
    }

    pub(crate) fn path(self) -> &'static str {
        self.site.path()
    }

    pub(crate) fn types(self) -> Option<WriteTypes> {
        self.types.map(|types| types.write)
    }
}

/// The name of the method that the closure `M` is in, such as `<Db as Repository<User>>::find`.
fn write_method<M>(parts: &mut Tuple<'_>) -> Result<(), KeyError> {
    let mut name = type_name::<M>();
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    parts.element(name)
}

/// Why a function is not cached.
#[derive(Debug)]
enum Refusal {
    /// The name is that of the function at this site.
    Name(&'static Site),
    /// Another instantiation has types of these names.
    Types(String),
    /// The name of a type is shared by others: it is a closure's.
    Unnamed(String),
    /// The value holds a `Result`, whose errors would be cached.
    Result(&'static str),
}

/// A name's function, and the types of its instantiations by how they are in keys.
#[derive(Debug)]
struct Owner {
    site: &'static Site,
    types: HashMap<Vec<u8>, TypeId>,
}

#[derive(Debug)]
pub(crate) struct Names {
    cache: u64,
    owners: Mutex<HashMap<&'static str, Owner>>,
}

impl Names {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            cache: NEXT.fetch_add(1, Ordering::Relaxed),
            owners: Mutex::default(),
        }
    }

    /// Whether `function`, whose value is of the type `value`, may be cached. The first function of
    /// a name may, and of it the first instantiation of each types' names; any other is refused,
    /// for good.
    pub(crate) fn accept(&self, function: Function, value: &'static str) -> bool {
        let Function { site, types } = function;
        if types.is_none() && site.accepted.load(Ordering::Relaxed) == self.cache {
            return true;
        }
        let id = (
            self.cache,
            types.map_or(TypeId::of::<()>(), |types| types.id),
        );
        let decided = site.instances.read();
        let decided = decided
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .copied();
        decided.unwrap_or_else(|| self.decide(function, id, value))
    }

    #[cold]
    fn decide(&self, function: Function, id: (u64, TypeId), value: &'static str) -> bool {
        let Function { site, types } = function;
        let instances = site.instances.write();
        let mut instances = instances.unwrap_or_else(PoisonError::into_inner);
        if let Some(accepted) = instances.get(&id) {
            return *accepted;
        }
        let refusal = self.refusal(function, value);
        if let Some(refusal) = &refusal {
            refusal.log(site);
        } else if types.is_none() {
            let (first, order) = (self.cache, Ordering::Relaxed);
            let _ = site.accepted.compare_exchange(0, first, order, order);
        }
        if instances.len() >= MOST_INSTANCES {
            instances.clear();
        }
        instances.insert(id, refusal.is_none());
        refusal.is_none()
    }

    fn refusal(&self, function: Function, value: &'static str) -> Option<Refusal> {
        let Function { site, types } = function;
        if value.contains("core::result::Result<") {
            return Some(Refusal::Result(value));
        }
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = owners.entry(site.name).or_insert_with(|| Owner {
            site,
            types: HashMap::new(),
        });
        // By their addresses: functions that one macro call emits have one place in the source.
        if !std::ptr::eq(owner.site, site) {
            return Some(Refusal::Name(owner.site));
        }
        let Types { id, write } = types?;
        // Without a key there is no entry to share.
        let encoded = encoded_types(write).ok()?;
        let shown = String::from_utf8_lossy(&encoded).into_owned();
        if has_unnamed(&shown) {
            return Some(Refusal::Unnamed(shown));
        }
        match owner.types.entry(encoded) {
            Entry::Occupied(other) if *other.get() != id => Some(Refusal::Types(shown)),
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(id);
                None
            }
        }
    }
}

/// Whether one of these names is that of a closure or an `async` block: all of a function's have
/// the same. What is merely within one, `main::{{closure}}::Local`, has a name of its own.
fn has_unnamed(names: &str) -> bool {
    let mut rest = names;
    while let Some((_, behind)) = rest.split_once("}}") {
        if !behind.starts_with("::") {
            return true;
        }
        rest = behind;
    }
    false
}

impl Refusal {
    fn log(&self, site: &Site) {
        let (name, function) = (site.name, site.source());
        match self {
            Self::Name(first) => tracing::error!(
                name,
                first = first.source(),
                second = function,
                "two functions have one name; the second is not cached"
            ),
            Self::Types(types) => tracing::error!(
                name,
                function,
                types = readable(types),
                "two types have one name; the function is not cached for the second: \
                 tell them apart with `types = …`"
            ),
            Self::Unnamed(types) => tracing::error!(
                name,
                function,
                types = readable(types),
                "a closure's type has no name of its own; the function is not cached for it: \
                 name it with `types = …`"
            ),
            Self::Result(value) => tracing::error!(
                name,
                function,
                value,
                "a `Result` within the value would have its errors cached; the function is not \
                 cached: give it a type of its own"
            ),
        }
    }
}

/// The names among encoded types.
fn readable(types: &str) -> String {
    let parts = types.split(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER);
    let names = parts.filter(|part| part.len() > 2);
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_functions_own_whatever_it_has_beside_it() {
        for (within, ident, expected) in [
            ("app::user::{{closure}}::LarderWithin", "user", "app::user"),
            (
                "app::user::__larder_identity::LarderWithin",
                "user",
                "app::user",
            ),
            (
                "app::user_cache::__larder_identity::LarderWithin",
                "user",
                "app::user",
            ),
            (
                "app::type::__larder_identity::LarderWithin",
                "r#type",
                "app::type",
            ),
            (
                "app::Db::find___larder_identity::LarderWithin",
                "find",
                "app::Db::find",
            ),
            (
                "app::Db::cached_find___larder_identity::LarderWithin",
                "find",
                "app::Db::find",
            ),
            (
                "<app::Db as app::Rows<u8>>::find::LarderWithin",
                "find",
                "<app::Db as app::Rows<u8>>::find",
            ),
        ] {
            assert_eq!(path(within, ident), expected, "{within}");
        }
    }

    #[test]
    fn caches_that_a_process_uses_in_turn_remember_what_they_decided() {
        const fn site(within: fn() -> &'static str) -> Site {
            let minute = Policy::ttl(std::time::Duration::from_secs(60));
            Site::new("user", "user", within, "src/user.rs:1", minute)
        }
        static FIRST: Site = site(|| "app::first::LarderWithin");
        static SECOND: Site = site(|| "app::second::LarderWithin");
        let caches = [Names::new(), Names::new()];
        for names in caches.iter().cycle().take(6) {
            assert!(names.accept(Function::new(&FIRST), "u8"));
            assert!(!names.accept(Function::new(&SECOND), "u8"));
        }
        assert_eq!(SECOND.instances.read().unwrap().len(), 2);
    }

    #[test]
    fn what_is_within_a_closure_has_a_name_and_the_closure_has_none() {
        for unnamed in [
            "a::f::{{closure}}",
            "a::With<a::f::{{closure}}>",
            "(u8, a::f::{{closure}})",
            "<a::With<a::f::{{closure}}> as a::T>::f",
        ] {
            assert!(has_unnamed(unnamed), "{unnamed}");
        }
        for named in [
            "u8",
            "a::f::{{closure}}::Local",
            "a::f::{{closure}}::{{closure}}::Local<u8>",
            "alloc::boxed::Box<dyn core::ops::function::Fn(u8) -> u8>",
        ] {
            assert!(!has_unnamed(named), "{named}");
        }
    }
}
