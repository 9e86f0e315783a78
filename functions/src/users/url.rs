//! `DATABASE_URL`. Owns which databases there are; must not connect.

use std::fmt;
use std::str::FromStr;

use sqlx::sqlite::SqliteConnectOptions;

/// A SQLite file, made at first use.
#[derive(Clone, Debug)]
pub struct DatabaseUrl(SqliteConnectOptions);

/// In the working directory, and in `.gitignore`.
const DEFAULT_FILE: &str = "users.sqlite";

impl DatabaseUrl {
    pub(super) fn connect_options(&self) -> SqliteConnectOptions {
        self.0.clone()
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self(
            SqliteConnectOptions::new()
                .filename(DEFAULT_FILE)
                .create_if_missing(true),
        )
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text
            .strip_prefix("sqlite://")
            .map(|rest| rest.split('?').next().unwrap_or_default());
        // The text is not shown: another database's URL may hold a password.
        if path.is_none_or(str::is_empty) {
            return Err("is not sqlite://FILE".to_owned());
        }
        let options =
            SqliteConnectOptions::from_str(text).map_err(|_| "is not sqlite://FILE".to_owned())?;
        // `?mode=ro` is an operator's wish that stands.
        Ok(Self(if text.contains("mode=") {
            options
        } else {
            options.create_if_missing(true)
        }))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite://{}", self.0.get_filename().display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sqlite_file_is_accepted_and_a_password_never_shown() {
        assert_eq!(DatabaseUrl::default().to_string(), "sqlite://users.sqlite");
        assert_eq!(
            "sqlite:///tmp/a.sqlite"
                .parse::<DatabaseUrl>()
                .unwrap()
                .to_string(),
            "sqlite:///tmp/a.sqlite"
        );
        for text in [
            "",
            "users.sqlite",
            "sqlite://",
            "sqlite://?mode=ro",
            "postgres://u:secret@h/d",
            "sqlite://a?mode=secret",
        ] {
            let reason = text.parse::<DatabaseUrl>().unwrap_err();
            assert!(
                reason.contains("sqlite://") && !reason.contains("secret"),
                "{text}: {reason}"
            );
        }
    }
}
