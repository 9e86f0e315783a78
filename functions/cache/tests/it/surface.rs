//! The crate's public surface, as rustdoc sees it: nothing more and nothing less than is listed,
//! each with an example, and without a warning of rustdoc.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

/// The page of everything public, without methods and fields. A line that is removed breaks the
/// code of users.
const SURFACE: &str = include_str!("../surface.txt");

/// The folder of the crate's pages, written anew.
fn documented() -> PathBuf {
    let target = std::env::current_exe().unwrap();
    let target = target.ancestors().nth(3).unwrap();
    let documented = Command::new(env!("CARGO"))
        .args(["doc", "--offline", "--no-deps", "--quiet", "-p", "larder"])
        .env("RUSTDOCFLAGS", "--deny warnings")
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let warnings = String::from_utf8_lossy(&documented.stderr);
    assert!(documented.status.success(), "{warnings}");
    target.join("doc/larder")
}

#[test]
fn the_public_surface_is_the_one_that_is_listed() {
    let all = std::fs::read_to_string(documented().join("all.html")).unwrap();
    let pages = all.split("<li><a href=\"").skip(1);
    let pages = pages.filter_map(|rest| rest.split_once(".html\""));
    let shown: BTreeSet<_> = pages.map(|(page, _)| page.replace('.', " ")).collect();
    let listed: BTreeSet<_> = SURFACE.lines().map(str::to_owned).collect();
    let (more, less) = (shown.difference(&listed), listed.difference(&shown));
    let (more, less): (Vec<_>, Vec<_>) = (more.collect(), less.collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "not listed in tests/surface.txt: {more:?}; listed and gone: {less:?}"
    );
}

/// One on each page, before the methods: an example shows a type at work, not each of its
/// accessors.
#[test]
fn everything_public_has_an_example() {
    let pages = documented();
    for listed in SURFACE.lines() {
        let page = pages.join(listed.replace(' ', ".") + ".html");
        let page = std::fs::read_to_string(page).unwrap();
        let own = page.split("<section id=\"method.").next().unwrap();
        let shown = own.contains("rust-example-rendered");
        assert!(shown, "no example: {listed}");
    }
}
