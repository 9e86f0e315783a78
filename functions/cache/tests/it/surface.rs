//! What the crate shows to others, as rustdoc sees it: nothing more, nothing less, each with an example, and nothing that its
//! documentation warns of.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

/// Everything public by its page in the documentation, methods and fields aside. A line that goes breaks others' code.
const SURFACE: &str = include_str!("../surface.txt");

/// The pages of the crate, written anew.
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

/// On its own page; a method in its own part of the page. Fields, variants and what a trait asks for are shown with their type.
#[test]
fn everything_public_has_an_example() {
    let pages = documented();
    let shown = |part: &str| part.contains("rust-example-rendered");
    for listed in SURFACE.lines() {
        let page = pages.join(listed.replace(' ', ".") + ".html");
        let page = std::fs::read_to_string(page).unwrap();
        let own = page.split("id=\"trait-implementations\"").next().unwrap();
        for (place, part) in own.split("<section id=\"method.").enumerate() {
            let method = part.split('"').next().filter(|_| place > 0);
            assert!(shown(part), "no example: {listed} {method:?}");
        }
    }
}
