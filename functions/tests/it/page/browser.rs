//! A real headless Chromium with its own chromedriver, and the properties of a visitor's browser.
//! It knows nothing of the page.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use larder_testing::Port;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::webdriver::Session;
use crate::program::Program;

/// How to get what these tests need. They are never skipped.
const NEEDED: &str = "the page's tests need chromium and chromedriver: `make test` installs them, \
                      or: apt-get install chromium chromium-driver";
/// Far longer than any step takes, so that a hanging test fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The properties of a visitor's browser.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// As in `Accept-Language`.
    pub(crate) language: &'static str,
    /// `light` or `dark`, as in `prefers-color-scheme`.
    pub(crate) theme: &'static str,
    /// Of the viewport, in CSS pixels.
    pub(crate) width: u32,
}

pub(crate) const DESK: Look = Look {
    language: "en-US",
    theme: "light",
    width: 1280,
};
pub(crate) const PHONE: Look = Look {
    language: "es-ES",
    theme: "dark",
    width: 390,
};

pub(crate) struct Browser {
    session: Session,
    chromium: Pid,
    // Stopped after Chromium, which it would leave behind.
    _driver: Program,
    _port: Port,
}

impl Browser {
    pub(crate) async fn start(look: Look) -> Self {
        let version = Command::new("chromedriver").arg("--version").output();
        assert!(
            version.is_ok_and(|output| output.status.success()),
            "no chromedriver: {NEEDED}"
        );
        let home = tempfile::tempdir().unwrap();
        let variables = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", home.path().display().to_string()),
        ];
        // With `--port=0` it may choose a port that only IPv6 has free, and gives up.
        let port = Port::reserve();
        let argument = format!("--port={}", port.number());
        let mut driver = Program::start_in(home, "chromedriver", &variables, &[&argument]);
        driver.line("ChromeDriver was started successfully").await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let profile = driver.folder().join("profile").display().to_string();
        let session = Session::start(address, &capabilities(look, &profile)).await;
        let session = session.unwrap_or_else(|error| panic!("no Chromium ({error}): {NEEDED}"));
        let chromium = session.capabilities["goog:processID"].as_i64().unwrap();
        let chromium = Pid::from_raw(i32::try_from(chromium).unwrap()).unwrap();
        let browser = Self {
            session,
            chromium,
            _driver: driver,
            _port: port,
        };
        browser.wear(look).await;
        browser
    }

    /// Viewport and colour scheme, as DevTools emulates them: a window cannot be as narrow as a
    /// phone.
    async fn wear(&self, look: Look) {
        let Look { theme, width, .. } = look;
        let metrics =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn devtools(&self, command: &str, params: Value) {
        self.session
            .post(
                "goog/cdp/execute",
                &json!({ "cmd": command, "params": params }),
            )
            .await;
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.session.post("url", &json!({ "url": url })).await;
    }

    /// Scrolls to the element and clicks it.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.session.find(css).await;
        self.session
            .post(&format!("element/{element}/click"), &json!({}))
            .await;
    }

    /// Types keys into the focused element.
    pub(crate) async fn keys(&self, keys: &str) {
        let element = self.session.active().await;
        self.session
            .post(
                &format!("element/{element}/value"),
                &json!({ "text": keys }),
            )
            .await;
    }

    /// Runs a function body, and returns its result.
    pub(crate) async fn js(&self, script: &str) -> Value {
        self.js_with(script, Vec::new()).await
    }

    /// The same with `arguments`.
    pub(crate) async fn js_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.session
            .post(
                "execute/sync",
                &json!({ "script": script, "args": arguments }),
            )
            .await
    }

    /// The strings of the list that a function body returns.
    pub(crate) async fn strings(&self, script: &str) -> Vec<String> {
        serde_json::from_value(self.js(script).await).unwrap()
    }

    /// The text of an element as it is laid out.
    pub(crate) async fn text(&self, css: &str) -> String {
        // WebDriver's own text omits elements that are still fading in.
        let text = self
            .js_with(
                "return document.querySelector(arguments[0]).innerText",
                vec![json!(css)],
            )
            .await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until the expression holds.
    pub(crate) async fn until(&self, condition: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while self.js(&format!("return Boolean({condition})")).await != true {
            let late = Instant::now() > deadline;
            assert!(
                !late,
                "never: {condition}; the page shows: {}",
                self.text("body").await
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The browser's console errors since the last call.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self
            .session
            .post("se/log", &json!({ "type": "browser" }))
            .await;
        let entries = log.as_array().unwrap().iter();
        entries
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A process that has ended already needs no signal.
        let _ = rustix::process::kill_process(self.chromium, Signal::KILL);
    }
}

fn capabilities(look: Look, profile: &str) -> Value {
    let arguments = json!([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        format!("--accept-lang={}", look.language),
        format!("--user-data-dir={profile}"),
    ]);
    json!({
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    })
}
