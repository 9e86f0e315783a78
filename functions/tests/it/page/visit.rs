//! What a visitor does and sees on the page: its forms and cards, and the server behind them.

use serde_json::json;

use super::browser::{Browser, Look};
use crate::program::Variables;
use crate::site::Local;

/// One visit to the page, with its own server.
pub(crate) struct Visit {
    pub(crate) browser: Browser,
    pub(crate) local: Local,
}

/// The forms of the page, by id.
pub(crate) const HEAVY: &str = "heavy";
pub(crate) const USER: &str = "user";
pub(crate) const FLUSH: &str = "flush";
pub(crate) const ROW: &str = "row";
pub(crate) const BURST: &str = "burst";

/// Settings of a demonstration: everything is allowed, and the heavy operation is short.
pub(crate) fn demo(cache_url: &str) -> Variables {
    vec![
        ("CACHE_URL", cache_url.to_owned()),
        ("HEAVY_OP_MS", "300".to_owned()),
        ("FLUSH_AUTH", "open".to_owned()),
        ("DIAGNOSTICS", "on".to_owned()),
    ]
}

impl Visit {
    pub(crate) async fn to(variables: &Variables, look: Look) -> Self {
        let (local, browser) = tokio::join!(Local::start(variables), Browser::start(look));
        let visit = Self { browser, local };
        visit.browser.goto(&visit.address()).await;
        visit
            .browser
            .until("document.readyState === 'complete'")
            .await;
        visit
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.local.address)
    }

    /// Presses the button of a form, and waits for its card.
    pub(crate) async fn run(&self, form: &str) {
        self.press(form).await;
        self.browser.until(&format!("!document.querySelector('#{form}.busy') && document.querySelector('#{form} + .answer .card')")).await;
    }

    pub(crate) async fn press(&self, form: &str) {
        // An earlier card would look like an answer.
        let gone = format!("document.querySelector('#{form} + .answer').replaceChildren()");
        self.browser.js(&gone).await;
        self.browser.click(&format!("#{form} [type=submit]")).await;
    }

    /// Presses Cancel as soon as the page offers it, which it does not for a quick hit.
    pub(crate) async fn cancel(&self, form: &str) {
        let offered = format!(
            "document.querySelector('#{form} .cancel')?.checkVisibility({{ visibilityProperty: true }})"
        );
        self.browser.until(&offered).await;
        self.browser.click(&format!("#{form} .cancel")).await;
        self.browser
            .until(&format!("!document.querySelector('#{form}.busy')"))
            .await;
    }

    /// Requests the heavy operation for a text. WebDriver cannot type characters beyond the BMP.
    pub(crate) async fn ask_for(&self, text: &str) {
        let enter = "const field = document.getElementById('param'); field.value = arguments[0]; field.dispatchEvent(new Event('input'))";
        self.browser.js_with(enter, vec![json!(text)]).await;
        self.run(HEAVY).await;
    }

    pub(crate) async fn ask_user(&self, id: &str) {
        self.browser
            .js_with(
                "document.getElementById('id').value = arguments[0]",
                vec![json!(id)],
            )
            .await;
        self.run(USER).await;
    }

    /// The text of a form's card.
    pub(crate) async fn says(&self, form: &str) -> String {
        self.text(&format!("#{form} + .answer .card")).await
    }

    /// The answer's source: `origin`, `cache`, `shared`, `stale` or `error`.
    pub(crate) async fn kind(&self, form: &str) -> String {
        let kind = format!("return document.querySelector('#{form} + .answer .card').dataset.kind");
        self.browser.js(&kind).await.as_str().unwrap().to_owned()
    }

    /// The fields of the result, in order, exactly as the page shows them.
    pub(crate) async fn fields(&self, form: &str) -> Vec<String> {
        let script = format!(
            "return [...document.querySelectorAll('#{form} + .answer dd')].map(node => node.textContent)"
        );
        self.browser.strings(&script).await
    }

    /// The text of an element of the page.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.browser.text(css).await
    }

    /// How many answered requests the page counts.
    pub(crate) async fn answers(&self) -> i64 {
        let rows = self
            .browser
            .js("return document.querySelectorAll('#rows tr').length");
        rows.await.as_i64().unwrap()
    }

    /// The server's own count of origin calls.
    pub(crate) async fn origin_calls(&self) -> i64 {
        // Every response carries the counter, and the page's own files need no origin.
        self.local
            .get("/")
            .await
            .header("x-origin-calls")
            .parse()
            .unwrap()
    }
}
