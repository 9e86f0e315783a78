//! A report as a reader sees it: terminal, Markdown, HTML, files and annotations.

pub(crate) mod answers;
pub(crate) mod benchmark_action;
pub(crate) mod caveats;
pub(crate) mod charts;
pub(crate) mod files;
pub(crate) mod github_actions;
pub(crate) mod html;
pub(crate) mod junit;
pub(crate) mod legend;
pub(crate) mod markdown;
pub(crate) mod prometheus;
pub(crate) mod sentences;
pub(crate) mod summary;
pub(crate) mod summary_cards;
pub(crate) mod tables;
pub(crate) mod terminal;
pub(crate) mod what_if;
