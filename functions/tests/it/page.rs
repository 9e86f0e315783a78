//! The page in a real headless Chromium, served by the real local server.

mod browser; // a Chromium with a driver of its own
mod visit; // a visitor's actions on the page, and what they see
mod webdriver; // the protocol between us and the driver

mod access; // axe-core, the keyboard, the screen reader's words
mod crowd; // twenty in a row, and many at once on a cold key
mod flushing; // scopes, tokens, IAM
mod frugality; // bytes, hosts, Content-Security-Policy
mod looks; // languages, themes, phone width
mod operations; // the answers' cards: source, time, saved, ttl, raw response
mod texts; // any text is shown as text
mod trouble; // slow, failing, gone; cache down
