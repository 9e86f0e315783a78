//! Why a cache cannot be made: which setting is wrong, and what would be right.

use super::names::Setting;

/// An invalid setting. The message shows its value, unless that is a secret.
///
/// ```
/// let error = larder::Cache::from_lookup(|name| match name {
///     "CACHE_BUDGET_MS" => Some("fast".to_owned()),
///     _ => None,
/// });
/// let error = error.unwrap_err();
/// assert_eq!(error.variable(), "CACHE_BUDGET_MS");
/// assert_eq!(
///     error.to_string(),
///     "CACHE_BUDGET_MS: \"fast\" is not a number of milliseconds from 1 to 10000"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{named}: {problem}")]
pub struct OptionsError {
    variable: String,
    /// The setting as the user gave it: a variable, or a method of the builder.
    named: String,
    problem: String,
}

impl OptionsError {
    pub(super) fn new(variable: &str, problem: impl Into<String>) -> Self {
        Self {
            variable: variable.to_owned(),
            named: variable.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn of_builder(setting: Setting, problem: String) -> Self {
        let named = format!("Cache::builder().{}(…)", setting.method());
        Self {
            variable: setting.name().to_owned(),
            named,
            problem,
        }
    }

    /// The name of the variable. For a setting of the builder: the variable of the same meaning.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }
}
