//! `DATABASE_URL`: which databases exist and what their URLs may say. Nothing here connects, and no
//! message shows a password.

use std::fmt;
use std::str::FromStr as _;

use percent_encoding::percent_decode_str;
use sqlx::postgres::PgSslMode;
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

use super::iam::Signer;
use super::roots::Roots;
use crate::config::host;
use crate::config::settings::SettingsError;

/// Where the users are stored.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A SQLite file, which is created on first use.
    Sqlite(SqliteFile),
    /// A Postgres server.
    Postgres(PostgresUrl),
}

/// A SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteFile(SqliteConnectOptions);

/// A Postgres server, one of its databases, and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) login: Login,
    pub(super) tls: Tls,
}

/// How a user proves its identity.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Password(Option<String>),
    /// By an IAM token, which is signed here for each connection.
    Iam(Signer),
}

/// How a connection is encrypted, and which certificates it trusts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: SslMode,
    pub(super) roots: Roots,
}

/// `sslmode`, without the modes that fall back to no encryption.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    /// Encrypted, without a check of the server's certificate.
    Require,
    VerifyFull,
}

/// In the working directory; `.gitignore` lists it.
const DEFAULT_FILE: &str = "users.sqlite";
const FORMS: &str = "is neither sqlite://FILE nor postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE";

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl DatabaseUrl {
    /// Reads `DATABASE_URL`. If it is unset or empty, a file in the working directory is used.
    ///
    /// # Errors
    /// The URL is invalid. The message does not repeat it, because it may hold a password.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let value = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let Some(text) = value("DATABASE_URL") else {
            return Ok(Self::default());
        };
        Self::parse(&text, &value).map_err(|reason| SettingsError {
            variable: "DATABASE_URL",
            reason,
        })
    }

    /// Reads the URL, and with `auth=iam` the credentials that Lambda puts into the environment.
    ///
    /// # Errors
    /// The URL is invalid; the message does not repeat it.
    fn parse(text: &str, lookup: Lookup<'_>) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("sqlite", _)) => SqliteFile::parse(text).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => {
                PostgresUrl::parse(text, lookup).map(Self::Postgres)
            }
            _ => Err(FORMS.to_owned()),
        }
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        let file = SqliteConnectOptions::new().filename(DEFAULT_FILE);
        Self::Sqlite(SqliteFile(file.create_if_missing(true)))
    }
}

impl SqliteFile {
    pub(super) fn options(&self) -> SqliteConnectOptions {
        self.0.clone()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let path = text
            .strip_prefix("sqlite://")
            .and_then(|rest| rest.split('?').next());
        if path.is_none_or(str::is_empty) {
            return Err("is not sqlite://FILE".to_owned());
        }
        let options =
            SqliteConnectOptions::from_str(text).map_err(|_| "is not sqlite://FILE".to_owned())?;
        // A `mode` of the URL, such as `?mode=ro`, is kept.
        Ok(Self(if text.contains("mode=") {
            options
        } else {
            options.create_if_missing(true)
        }))
    }
}

impl PostgresUrl {
    /// The same server and database with another login.
    pub(crate) fn with_login(&self, user: String, password: String) -> Self {
        Self {
            user,
            login: Login::Password(Some(password)),
            ..self.clone()
        }
    }

    fn parse(text: &str, lookup: Lookup<'_>) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        let authority = url.host_str().unwrap_or_default();
        let host = authority
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let user = decoded(url.username(), "the user")?;
        let database = decoded(url.path().trim_start_matches('/'), "the database")?;
        if host.is_empty() || user.is_empty() || database.is_empty() {
            return Err(FORMS.to_owned());
        }
        let password = url.password().map(|text| decoded(text, "the password"));
        let mut parameters = Parameters::default();
        for (name, value) in url.query_pairs() {
            parameters.set(&name, &value)?;
        }
        let login = match parameters.iam {
            false => Login::Password(password.transpose()?),
            true if password.is_some() => Err("has a password, which auth=iam excludes")?,
            true => Login::Iam(Signer::from_lookup(lookup)?),
        };
        let tls = parameters.tls(authority, lookup)?;
        if matches!(login, Login::Iam(_)) && tls.mode != SslMode::VerifyFull {
            return Err(
                "auth=iam sends a token that is a password: sslmode must be verify-full".into(),
            );
        }
        let port = url.port().unwrap_or(5432);
        Ok(Self {
            host,
            port,
            database,
            user,
            login,
            tls,
        })
    }
}

/// The parameters after the `?`.
#[derive(Default)]
struct Parameters {
    iam: bool,
    mode: Option<SslMode>,
    roots: Option<String>,
}

impl Parameters {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match (name, value) {
            ("auth", "iam") => self.iam = true,
            ("auth", "password") => self.iam = false,
            ("auth", _) => Err("auth is neither password nor iam")?,
            ("sslmode", "disable") => self.mode = Some(SslMode::Disable),
            ("sslmode", "require") => self.mode = Some(SslMode::Require),
            ("sslmode", "verify-full") => self.mode = Some(SslMode::VerifyFull),
            ("sslmode", _) => Err("sslmode is not one of disable, require, verify-full")?,
            ("sslrootcert", path) => self.roots = Some(path.to_owned()),
            _ => Err("has an unknown parameter; there are auth, sslmode, sslrootcert")?,
        }
        Ok(())
    }

    /// Without `sslmode`, only a connection within this machine is unencrypted.
    fn tls(self, authority: &str, lookup: Lookup<'_>) -> Result<Tls, String> {
        let mode = match self.mode {
            Some(mode) => mode,
            None if host::is_loopback(authority) => SslMode::Disable,
            None => SslMode::VerifyFull,
        };
        let roots = match self.roots {
            Some(_) if mode != SslMode::VerifyFull => {
                return Err("has an sslrootcert, which only sslmode=verify-full checks".into());
            }
            None => Roots::Public,
            Some(word) if word == "rds" => Roots::of_rds(lookup("AWS_REGION").as_deref())?,
            Some(path) => Roots::File(path),
        };
        Ok(Tls { mode, roots })
    }
}

impl From<SslMode> for PgSslMode {
    fn from(mode: SslMode) -> Self {
        match mode {
            SslMode::Disable => Self::Disable,
            SslMode::Require => Self::Require,
            SslMode::VerifyFull => Self::VerifyFull,
        }
    }
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text
        .map_err(|_| format!("{what} is not UTF-8"))?
        .into_owned())
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite://{}", file.0.get_filename().display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            database,
            user,
            ..
        } = self;
        write!(f, "postgres://{user}@{host}:{port}/{database}")
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
