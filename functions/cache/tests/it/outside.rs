//! Another crate, in its own folder, that depends on larder by its path.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

#[path = "../outside/src/golden.rs"]
mod golden;

/// It uses the workspace's profile, so that shared dependencies are compiled once.
const MANIFEST: &str = r#"
[package]
name = "outside"
edition = "EDITION"

[workspace]

[dependencies]
larder = { path = "LARDER" }
serde = { version = "1", features = ["derive"] }
# What a neighbour switches on, it switches on for everyone.
serde_json = { version = "1", features = ["preserve_order", "arbitrary_precision"] }
tokio = { version = "1", default-features = false, features = ["rt", "macros"] }

[profile.dev]
debug = "line-tables-only"

[profile.dev.package.sha2]
opt-level = 3
[profile.dev.package.larder]
opt-level = 1
[profile.dev.package.tokio]
opt-level = 1
"#;

/// In both editions, and with lints that a user may deny: what the attribute emits is theirs too.
#[test]
fn another_crate_compiles_without_a_warning_and_behaves() {
    for edition in ["2021", "2024"] {
        let outside = outside(edition);
        let ran = cargo(outside.path(), &["run"]);
        let expected = format!("seven shapes, {} keys\n", golden::keys().len());
        assert_eq!(ran, expected, "{edition}");
        cargo(outside.path(), &["clippy", "--lib", "--no-deps"]);
    }
}

/// The crate in a folder of its own.
fn outside(edition: &str) -> tempfile::TempDir {
    let larder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = larder.join("../../Cargo.lock");
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path();
    let manifest = MANIFEST.replace("LARDER", larder.to_str().unwrap());
    let manifest = manifest.replace("EDITION", edition);
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    std::fs::create_dir(folder.join("src")).unwrap();
    for name in ["lib.rs", "main.rs", "golden.rs"] {
        let source = larder.join("tests/outside/src").join(name);
        std::fs::copy(source, folder.join("src").join(name)).unwrap();
    }
    outside
}

/// What a command of cargo prints, which has to succeed in silence.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let ran = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--quiet", "--target-dir"])
        .arg(target())
        .current_dir(folder)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(
        ran.status.success() && err.is_empty(),
        "{arguments:?}: {out}{err}"
    );
    out.into_owned()
}

/// The target folder of this test: `target/debug/deps/it-…`.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

#[test]
fn keys_that_were_once_given_never_change() {
    let keys = golden::keys();
    assert!(keys.len() >= 30);
    let mut changed = Vec::new();
    for (what, key, expected) in &keys {
        let digest = hex::encode(key.digest());
        changed.extend((digest != *expected).then_some((what, digest)));
    }
    assert!(changed.is_empty(), "{changed:#?}");
    // Only the keys that are meant to be equal are equal.
    let same = |what: &str| what.starts_with("the same") && !what.contains("letters");
    let mut different: Vec<_> = keys.iter().filter(|(what, ..)| !same(what)).collect();
    let all = different.len();
    different.sort_unstable_by_key(|(.., digest)| *digest);
    different.dedup_by_key(|(.., digest)| *digest);
    assert_eq!(different.len(), all);
    let digest = |name: &str| keys.iter().find(|(what, ..)| *what == name).unwrap().2;
    assert_eq!(digest("a map"), digest("the same map unsorted"));
    assert_eq!(digest("JSON"), digest("the same JSON in another order"));
    assert_eq!(digest("a set"), digest("the same set sorted"));
}
