//! Logging in to RDS without a password. The token is a request to `rds-db:connect` that is signed
//! here (SigV4, as for a presigned URL) and never sent; RDS checks the signature.
//!
//! Fifty lines, so that neither the AWS SDK nor its second TLS stack is part of every cold start.

use std::fmt;

use hmac::{Hmac, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// The credentials and the region for signing, which Lambda puts into the environment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Signer {
    region: String,
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

/// How long a token can open connections, in seconds: the longest that RDS allows. An open
/// connection outlives its token.
const EXPIRES_S: &str = "900";
const SERVICE: &str = "rds-db";
/// Every character except RFC 3986's unreserved ones.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Signer {
    /// Reads the credentials.
    ///
    /// # Errors
    /// The name of a variable that is not set.
    pub(super) fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let needed = |name| {
            lookup(name).ok_or_else(|| format!("says auth=iam, which needs {name}; Lambda sets it"))
        };
        Ok(Self {
            region: needed("AWS_REGION")?,
            access_key: needed("AWS_ACCESS_KEY_ID")?,
            secret_key: needed("AWS_SECRET_ACCESS_KEY")?,
            session_token: lookup("AWS_SESSION_TOKEN"),
        })
    }

    /// The token that replaces the password of `user` at `host:port` for 15 minutes from
    /// `timestamp` (`20261126T062910Z`).
    pub(super) fn token(&self, host: &str, port: u16, user: &str, timestamp: &str) -> String {
        let day = &timestamp[..8];
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let credential = format!("{}/{scope}", self.access_key);
        // SigV4 signs the parameters in the order of their names.
        let mut query = vec![
            ("Action", "connect"),
            ("DBUser", user),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", EXPIRES_S),
        ];
        query.extend(
            self.session_token
                .iter()
                .map(|token| ("X-Amz-Security-Token", token.as_str())),
        );
        query.push(("X-Amz-SignedHeaders", "host"));
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)))
            .collect();
        let query = query.join("&");
        let nothing = hex::encode(Sha256::digest(b""));
        let request = format!("GET\n/\n{query}\nhost:{host}:{port}\n\nhost\n{nothing}");
        let signature = signature(&self.secret_key, timestamp, &scope, &request);
        format!("{host}:{port}/?{query}&X-Amz-Signature={signature}")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The SigV4 signature of a canonical request; `scope` is `DAY/REGION/SERVICE/aws4_request`.
fn signature(secret_key: &str, timestamp: &str, scope: &str, request: &str) -> String {
    let key = scope
        .split('/')
        .fold(format!("AWS4{secret_key}").into_bytes(), |key, part| {
            hmac(&key, part)
        });
    let request = hex::encode(Sha256::digest(request));
    hex::encode(hmac(
        &key,
        &format!("AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{request}"),
    ))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The worked examples of AWS's documentation: a request to IAM with signed headers, and a
    /// presigned URL of an object in S3.
    #[test]
    fn the_documented_requests_have_the_documented_signatures() {
        let list_users = "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
            content-type:application/x-www-form-urlencoded; charset=utf-8\nhost:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
            content-type;host;x-amz-date\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            signature(
                SECRET,
                "20150830T123600Z",
                "20150830/us-east-1/iam/aws4_request",
                list_users
            ),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        let link = "GET\n/test.txt\n\
            X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\n\
            host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD";
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert_eq!(
            signature(
                secret,
                "20130524T000000Z",
                "20130524/us-east-1/s3/aws4_request",
                link
            ),
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    fn check(port: u16, user: &str, session: Option<&str>, expected: &str) {
        let signer = Signer {
            region: "eu-west-1".to_owned(),
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: SECRET.to_owned(),
            session_token: session.map(str::to_owned),
        };
        let host = "db.abc123.eu-west-1.rds.amazonaws.com";
        let token = signer.token(host, port, user, "20261126T062910Z");
        let (_, signature) = token.rsplit_once("&X-Amz-Signature=").unwrap();
        assert_eq!(signature, expected, "{token}");
        assert!(
            token.starts_with(&format!("{host}:{port}/?Action=connect&DBUser=")),
            "{token}"
        );
    }

    /// The expected signatures are those of botocore's `generate_db_auth_token` at the same time.
    #[test]
    fn tokens_are_those_of_the_aws_sdk() {
        let session = Some("IQoJb3JpZ2luX2VjEXAMPLE//////////+token==");
        check(
            5432,
            "larder",
            None,
            "0caca90651d748c6d7852c16b25da11f43aea0df5b4376bdc1dd3147d3769297",
        );
        check(
            5433,
            "app user+1@x",
            None,
            "3d91e233668fc3f8e210491c0b52969784a1b829825143cf772c6f3c796c4def",
        );
        check(
            5432,
            "larder",
            session,
            "3adf0d87703351843310ebe9708d27908964acbe1dfc19f970095db3c500cdc2",
        );
        check(
            5433,
            "app user+1@x",
            session,
            "10439ac934aa996977c6f340fa0893ad3af7fa7ce186a7c61d5243b65316f8c5",
        );
    }

    #[test]
    fn a_missing_credential_is_named_and_no_secret_shown() {
        let all = |name: &str| Some(format!("{name} secret"));
        assert!(!format!("{:?}", Signer::from_lookup(&all).unwrap()).contains("KEY secret"));
        for missing in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let lookup = |name: &str| (name != missing).then(|| all(name)).flatten();
            assert!(Signer::from_lookup(&lookup).unwrap_err().contains(missing));
        }
    }
}
