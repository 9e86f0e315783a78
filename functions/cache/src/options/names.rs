//! The names of the settings, and suggestions for misspelt ones.

use super::OptionsError;

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Url,
    Host,
    Port,
    ServiceHost,
    ServicePort,
    CaFile,
    ClientCertFile,
    ClientKeyFile,
    Namespace,
    Budget,
    Disabled,
    Near,
    NearBytes,
    SigningKey,
    SigningKeyPrevious,
}

impl Setting {
    pub(super) const ALL: [Self; 15] = [
        Self::Url,
        Self::Host,
        Self::Port,
        Self::ServiceHost,
        Self::ServicePort,
        Self::CaFile,
        Self::ClientCertFile,
        Self::ClientKeyFile,
        Self::Namespace,
        Self::Budget,
        Self::Disabled,
        Self::Near,
        Self::NearBytes,
        Self::SigningKey,
        Self::SigningKeyPrevious,
    ];

    /// The variable of the environment.
    pub(super) fn name(self) -> &'static str {
        self.names().0
    }

    /// The method of the builder.
    pub(super) fn method(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Url => ("CACHE_URL", "url"),
            Self::Host => ("MEMCACHED_HOST", "url"),
            Self::Port => ("MEMCACHED_PORT", "url"),
            // Set by Kubernetes for a service that is named memcached.
            Self::ServiceHost => ("MEMCACHED_SERVICE_HOST", "url"),
            Self::ServicePort => ("MEMCACHED_SERVICE_PORT", "url"),
            Self::CaFile => ("CACHE_CA_FILE", "ca_file"),
            Self::ClientCertFile => ("CACHE_CLIENT_CERT_FILE", "client_certificate"),
            Self::ClientKeyFile => ("CACHE_CLIENT_KEY_FILE", "client_certificate"),
            Self::Namespace => ("CACHE_NAMESPACE", "namespace"),
            Self::Budget => ("CACHE_BUDGET_MS", "budget"),
            Self::Disabled => ("CACHE_DISABLED", "disabled"),
            Self::Near => ("CACHE_NEAR", "near"),
            Self::NearBytes => ("CACHE_NEAR_BYTES", "near_bytes"),
            Self::SigningKey => ("CACHE_SIGNING_KEY", "signing_key"),
            Self::SigningKeyPrevious => ("CACHE_SIGNING_KEY_PREVIOUS", "previous_signing_key"),
        }
    }
}

/// An error for the first of `names` that is almost one of larder's. Other names belong to other
/// programs.
pub(crate) fn check<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<(), OptionsError> {
    names.into_iter().try_for_each(|name| {
        let name = name.as_ref();
        match suggestion(name) {
            Some(suggestion) => {
                let problem = format!("no such setting: did you mean {suggestion}?");
                Err(OptionsError::new(name, problem))
            }
            None => Ok(()),
        }
    })
}

/// The setting that `name` was probably meant to be, unless it is one.
fn suggestion(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    // Compared without the prefix: with it, CACHE_TTL would be close to CACHE_URL.
    ["CACHE_", "MEMCACHED_"].into_iter().find_map(|prefix| {
        let word = upper.strip_prefix(prefix)?;
        let ours = Setting::ALL.into_iter().map(Setting::name);
        let mut ours = ours.filter_map(|setting| setting.strip_prefix(prefix));
        let closest = closest(word, ours.clone());
        let setting = ours.find(|setting| *setting == word);
        let suggestion = format!("{prefix}{}", setting.or(closest)?);
        (suggestion != name).then_some(suggestion)
    })
}

/// `: did you mean …?`, if one of `candidates` is close.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let suggestion = closest(word, candidates);
    suggestion.map_or_else(String::new, |suggestion| {
        format!(": did you mean {suggestion}?")
    })
}

/// The candidate that `word` is a misspelling of: at most a third of it differs, and at most three
/// letters; only one letter if `word` lacks the unit.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| {
            let most = (word.len().max(candidate.len()) / 3).min(3);
            let distance = strsim::osa_distance(word, candidate);
            // A short name without its unit is easily another word.
            let bare = candidate.strip_suffix("_MS").unwrap_or(candidate);
            let near = distance <= most || strsim::osa_distance(word, bare) <= 1;
            near.then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_named_with_what_was_meant() {
        for (closest, suggestion) in [
            ("CACHE_BUGDET_MS", "CACHE_BUDGET_MS"),
            ("CACHE_BUDGET", "CACHE_BUDGET_MS"),
            ("CACHE_BUGET", "CACHE_BUDGET_MS"),
            ("CACHE_url", "CACHE_URL"),
            ("cache_disabled", "CACHE_DISABLED"),
            ("CACHE_URI", "CACHE_URL"),
            ("CACHE_NAME_SPACE", "CACHE_NAMESPACE"),
            ("CACHE_SIGNINGKEY", "CACHE_SIGNING_KEY"),
            ("CACHE_DISABLE", "CACHE_DISABLED"),
            ("MEMCACHED_HOSTS", "MEMCACHED_HOST"),
        ] {
            let error = check(["PATH", closest]).unwrap_err();
            assert_eq!(error.variable(), closest);
            assert_eq!(
                error.to_string(),
                format!("{closest}: no such setting: did you mean {suggestion}?")
            );
        }
    }

    #[test]
    fn what_is_another_programs_is_left_alone() {
        let others = [
            "CACHE_DRIVER",
            "CACHE_DIR_PATH",
            "CACHE_BUCKET",
            "cache_bucket",
            "MEMCACHED_USERNAME",
            "MEMCACHED_PORT_11211_TCP",
            "MEMCACHED_PORT_11211_TCP_ADDR",
            "MEMCACHED_PORT_11211_TCP_PORT",
            "MEMCACHED_PORT_11211_TCP_PROTO",
            "MEMCACHED_SERVICE_PORT_MEMCACHED",
            "XDG_CACHE_HOME",
            "PATH",
        ];
        assert_eq!(check(others), Ok(()));
        assert_eq!(check(Setting::ALL.map(Setting::name)), Ok(()));
    }
}
