//! The process's environment.

/// The names of all environment variables.
pub fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// The value of an environment variable. A value that is not Unicode gets replacement characters,
/// so that it is refused and not ignored.
pub fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
