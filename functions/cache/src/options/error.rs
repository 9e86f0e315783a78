//! Why a cache is not made: which setting, and what would be right.

use super::names::Setting;

/// A setting that can not be understood. Its value is shown unless it is a secret.
///
/// ```
/// let error = larder::Cache::from_lookup(|name| match name {
///     "CACHE_BUDGET_MS" => Some("fast".to_owned()),
///     _ => None,
/// });
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "CACHE_BUDGET_MS: \"fast\" is not a number of milliseconds from 1 to 10000"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{named}: {problem}")]
pub struct OptionsError {
    variable: String,
    /// As its reader knows the setting: a variable, or a method of the builder.
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

    /// The name of the variable; of a builder's setting, the variable that it stands in for.
    ///
    /// ```
    /// let error = larder::Cache::builder().namespace("two words").build().unwrap_err();
    /// assert_eq!(error.variable(), "CACHE_NAMESPACE");
    /// ```
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }
}
