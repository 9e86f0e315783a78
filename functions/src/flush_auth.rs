//! Who may flush: the four modes, and the refusal of requests from other sites' pages. A missing,
//! unreadable or unexpected credential is refused.

mod browser;
mod token;

use lambda_http::http::{HeaderMap, HeaderValue, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use crate::config::flush_mode::FlushMode;
use crate::config::host::{Exposure, Host};
use crate::http::problem::Problem;
use token::{TokenCheck, Verdict};

/// `FLUSH_AUTH` as it applies where the process runs.
#[derive(Debug)]
pub struct FlushAuth(Rule);

#[derive(Debug)]
enum Rule {
    Deny(&'static str),
    Token(TokenCheck),
    Iam,
    Open,
}

impl FlushAuth {
    /// The rule for `mode` on `host`. `open` applies only where no other machine can reach the
    /// process.
    pub fn new(mode: FlushMode, host: Host) -> Self {
        Self(match (mode, host) {
            (FlushMode::Deny, _) => Rule::Deny("flushing is switched off (FLUSH_AUTH=deny)"),
            (FlushMode::Token(digest), _) => Rule::Token(TokenCheck::new(digest)),
            (FlushMode::Iam, _) => Rule::Iam,
            (
                FlushMode::Open,
                Host::Emulator(Exposure::Loopback) | Host::Local(Exposure::Loopback),
            ) => Rule::Open,
            (FlushMode::Open, _) => Rule::Deny(
                "FLUSH_AUTH=open is refused: it needs a server that only its own machine can reach",
            ),
        })
    }

    /// Admits the request, or says why not: 401 without a valid token, 429 after too many invalid
    /// ones, 403 otherwise.
    pub fn check(&self, request: &Request) -> Result<(), Problem> {
        let origin = browser::refuse_other_sites(request.headers())?;
        match &self.0 {
            Rule::Deny(why) => Err(forbidden(why)),
            Rule::Token(check) => check_token(check, request.headers()),
            Rule::Iam if iam_caller(request).is_some() => Ok(()),
            Rule::Iam => Err(forbidden("flushing needs an IAM caller")),
            // DNS rebinding: an attacker's name that resolves to 127.0.0.1 is "same-origin" too.
            Rule::Open if origin.is_none_or(crate::config::host::is_loopback) => Ok(()),
            Rule::Open => Err(forbidden("the page's own host is not a loopback address")),
        }
    }
}

fn check_token(check: &TokenCheck, headers: &HeaderMap) -> Result<(), Problem> {
    match check.verdict(bearer(headers)) {
        Verdict::Accepted => Ok(()),
        Verdict::Refused => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "flushing needs a valid bearer token",
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        Verdict::CoolingDown(wait) => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many invalid tokens; try again later",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1))),
    }
}

/// The token of exactly one `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case(b"bearer ")).then_some(token)
}

/// The caller that AWS has put into the event's request context. A header never counts.
fn iam_caller(request: &Request) -> Option<&str> {
    let arn = match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context
            .authorizer
            .as_ref()?
            .iam
            .as_ref()?
            .user_arn
            .as_deref(),
        RequestContext::ApiGatewayV1(context) => context.identity.user_arn.as_deref(),
        _ => None,
    };
    arn.filter(|arn| arn.starts_with("arn:"))
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::flush_mode::TokenDigest;

    fn asked(auth: &FlushAuth, headers: &[(&str, &str)]) -> u16 {
        let mut request =
            lambda_http::http::Request::post("/flush").header("host", "localhost:9000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match auth.check(&request.body(lambda_http::Body::Empty).unwrap()) {
            Ok(()) => 200,
            Err(problem) => problem.into_response().status().as_u16(),
        }
    }

    #[test]
    fn open_holds_only_where_no_other_machine_reaches_us() {
        for (host, expected) in [
            (Host::Local(Exposure::Loopback), 200),
            (Host::Emulator(Exposure::Loopback), 200),
            (Host::Local(Exposure::Network), 403),
            (Host::Emulator(Exposure::Network), 403),
            (Host::Lambda, 403),
        ] {
            assert_eq!(
                asked(&FlushAuth::new(FlushMode::Open, host), &[]),
                expected,
                "{host:?}"
            );
        }
    }

    #[test]
    fn iam_never_believes_a_header() {
        let auth = FlushAuth::new(FlushMode::Iam, Host::Lambda);
        for header in [
            "x-amzn-request-context",
            "x-amzn-iam-user-arn",
            "authorization",
        ] {
            let forged = r#"{"authorizer":{"iam":{"userArn":"arn:aws:iam::1:user/a"}}}"#;
            assert_eq!(asked(&auth, &[(header, forged)]), 403, "{header}");
        }
    }

    #[test]
    fn a_rebound_name_is_not_loopback() {
        let auth = FlushAuth::new(FlushMode::Open, Host::Local(Exposure::Loopback));
        let mut request = lambda_http::http::Request::post("/flush")
            .body(lambda_http::Body::Empty)
            .unwrap();
        request
            .headers_mut()
            .insert("host", "evil.example:5000".parse().unwrap());
        request
            .headers_mut()
            .insert("origin", "http://evil.example:5000".parse().unwrap());
        assert!(auth.check(&request).is_err());
    }

    #[test]
    fn the_bearer_scheme_is_read_in_any_case_and_only_once() {
        let auth = FlushAuth::new(FlushMode::Token(TokenDigest::of(b"right")), Host::Lambda);
        assert_eq!(asked(&auth, &[("authorization", "Bearer right")]), 200);
        assert_eq!(asked(&auth, &[("authorization", "bearer right")]), 200);
        assert_eq!(asked(&auth, &[("authorization", "Basic right")]), 401);
        assert_eq!(
            asked(
                &auth,
                &[
                    ("authorization", "Bearer right"),
                    ("authorization", "Bearer right")
                ]
            ),
            401
        );
        assert_eq!(asked(&auth, &[("authorization", "Bearer")]), 401);
        assert_eq!(asked(&auth, &[]), 401);
    }
}
