//! The page in a real headless Chromium, served by the real local server.

mod browser; // a Chromium with its own driver
mod visit; // what a visitor does and sees on the page
mod webdriver; // the WebDriver protocol

mod access; // axe-core, the keyboard, a screen reader's announcements
mod crowd; // twenty requests in a row, and many at once for a cold key
mod flushing; // scopes, tokens, IAM
mod frugality; // bytes, hosts, Content-Security-Policy
mod looks; // languages, themes, phone width
mod operations; // the answers' cards: source, time, saving, ttl, raw response
mod texts; // any text is shown as text
mod trouble; // slow, failing and unreachable servers; a cache that is down
