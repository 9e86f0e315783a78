//! The WebDriver protocol (W3C) as far as these tests need it: JSON over HTTP to a chromedriver.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::http;
use crate::request::Request;

/// The member that holds an element's id in the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser under a chromedriver's control.
pub(crate) struct Session {
    driver: SocketAddr,
    id: String,
    /// The capabilities that the browser reported at its start.
    pub(crate) capabilities: Value,
}

impl Session {
    /// Starts a browser; the error is the driver's own.
    pub(crate) async fn start(driver: SocketAddr, capabilities: &Value) -> Result<Self, String> {
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let value = send(driver, "POST", "/session", &body).await?;
        Ok(Self {
            driver,
            id: value["sessionId"].as_str().unwrap().to_owned(),
            capabilities: value["capabilities"].clone(),
        })
    }

    /// Sends a command of the standard or of chromedriver. Panics with the driver's error.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body).await
    }

    /// The element that a CSS selector finds first.
    pub(crate) async fn find(&self, css: &str) -> String {
        let body = json!({ "using": "css selector", "value": css });
        element(&self.post("element", &body).await)
    }

    /// The element that has the focus.
    pub(crate) async fn active(&self) -> String {
        element(&self.send("GET", "element/active", &Value::Null).await)
    }

    async fn send(&self, method: &'static str, path: &str, body: &Value) -> Value {
        let done = send(
            self.driver,
            method,
            &format!("/session/{}/{path}", self.id),
            body,
        )
        .await;
        done.unwrap_or_else(|error| panic!("{path} {body:.300}: {error}"))
    }
}

fn element(value: &Value) -> String {
    value[ELEMENT].as_str().unwrap().to_owned()
}

async fn send(
    driver: SocketAddr,
    method: &'static str,
    path: &str,
    body: &Value,
) -> Result<Value, String> {
    let mut request = Request::new(method, path);
    if method == "POST" {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let answer = http::send(driver, &request).await;
    let value = answer.json()["value"].take();
    match answer.status {
        200 => Ok(value),
        _ => Err(format!("{}: {}", value["error"], value["message"])),
    }
}
