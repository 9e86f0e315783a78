//! What every route has in common: allowed methods, the limit of a body, HEAD, the deadline, and
//! the headers of every response.

use futures_util::future::BoxFuture;
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request};

use crate::Response;
use crate::config::settings::Diagnostics;
use crate::http::problem::Problem;
use crate::http::{deadline, diagnostics, headers};

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 4096;

/// The methods that a route allows.
#[derive(Clone, Copy, Debug)]
pub enum Methods {
    /// GET, and HEAD, which is GET without the body.
    Read,
    /// POST.
    Post,
}

impl Methods {
    fn allow(self, method: &Method) -> bool {
        match self {
            Self::Read => method == Method::GET || method == Method::HEAD,
            Self::Post => method == Method::POST,
        }
    }

    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Read => "GET, HEAD",
            Self::Post => "POST",
        })
    }
}

/// The part of a route that is the same for all: what surrounds a handler's own work.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    methods: Methods,
    diagnostics: Diagnostics,
}

impl Endpoint {
    /// The endpoint of a route.
    pub fn new(methods: Methods, diagnostics: Diagnostics) -> Self {
        Self {
            methods,
            diagnostics,
        }
    }

    /// Runs `work` if the request is admitted, within its deadline and with the freshness that it
    /// asks for, and completes the response. `work` is boxed: each layer that it passes would hold
    /// it twice, and moving it cost a seventh of a warm response.
    pub async fn respond(
        &self,
        request: &Request,
        work: BoxFuture<'_, Result<Response, Problem>>,
    ) -> Response {
        diagnostics::count_invocation();
        let response = match self.admit(request) {
            Ok(()) => self.run(request, work).await,
            Err(problem) => Err(problem),
        };
        let mut response = response.unwrap_or_else(Problem::into_response);
        self.complete(&mut response);
        if request.method() == Method::HEAD {
            without_body(response)
        } else {
            response
        }
    }

    fn admit(&self, request: &Request) -> Result<(), Problem> {
        if !self.methods.allow(request.method()) {
            let problem = Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this method is not allowed here",
            );
            return Err(problem.with_header(header::ALLOW, self.methods.header()));
        }
        if request.body().len() > MAX_BODY {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is longer than 4096 bytes",
            ));
        }
        Ok(())
    }

    async fn run(
        &self,
        request: &Request,
        work: BoxFuture<'_, Result<Response, Problem>>,
    ) -> Result<Response, Problem> {
        let freshness = diagnostics::freshness(self.diagnostics, request.headers());
        let work = larder::with_freshness(freshness, work);
        match deadline::of(request) {
            Some(at) => larder::with_deadline(at, work).await,
            None => work.await,
        }
    }

    fn complete(&self, response: &mut Response) {
        headers::set_defaults(response.headers_mut());
        diagnostics::add_headers(self.diagnostics, response.headers_mut());
    }
}

/// The response to HEAD: without the body, but with the length of GET's body.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if parts.status != StatusCode::NOT_MODIFIED {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(parts, Body::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(methods: Methods, method: Method, body: usize) -> Response {
        let mut request = Request::new("x".repeat(body).into());
        *request.method_mut() = method;
        let endpoint = Endpoint::new(methods, Diagnostics::Off);
        endpoint
            .respond(
                &request,
                Box::pin(async { Ok(Response::new("four".into())) }),
            )
            .await
    }

    #[tokio::test]
    async fn a_method_of_another_route_is_answered_with_the_allowed_ones() {
        let response = asked(Methods::Read, Method::DELETE, 0).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        let response = asked(Methods::Post, Method::HEAD, 0).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST");
        assert!(response.body().is_empty());
    }

    #[tokio::test]
    async fn a_body_may_have_4096_bytes_and_no_more() {
        assert_eq!(asked(Methods::Post, Method::POST, 4096).await.status(), 200);
        assert_eq!(asked(Methods::Post, Method::POST, 4097).await.status(), 413);
    }

    #[tokio::test]
    async fn head_is_get_without_the_body() {
        let response = asked(Methods::Read, Method::HEAD, 0).await;
        assert_eq!(response.headers()["content-length"], "4");
        assert!(response.body().is_empty());
    }
}
