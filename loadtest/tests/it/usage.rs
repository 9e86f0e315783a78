use crate::tool;

fn refused(arguments: &[&str], message: &str) {
    let output = tool::command().args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn what_is_wrong_is_named() {
    refused(&["run"], "--url");
    refused(
        &["run", "--url", "localhost:9000"],
        "is not an http(s) base URL",
    );
    refused(
        &["run", "--url", "http://localhost", "--profile", "huge"],
        "huge",
    );
    refused(
        &["run", "--url", "http://localhost", "--part", "2/3"],
        "--begin",
    );
    refused(
        &["run", "--url", "http://localhost", "--rate", "20000"],
        "more need several (--part)",
    );
    refused(
        &["run", "--url", "http://localhost", "--rounds", "0"],
        "--rounds",
    );
    refused(
        &["run", "--url", "http://localhost", "--functions", "users"],
        "the target has heavy-op, user",
    );
    refused(
        &[
            "run",
            "--url",
            "http://localhost",
            "--target",
            "/nowhere.toml",
        ],
        "/nowhere.toml",
    );
    refused(
        &["run", "--url", "http://localhost", "--prefix", "nope"],
        "--prefix \"nope\" must begin with /",
    );
}

/// This must fail before the first request: nothing listens on port 1.
#[test]
fn reports_that_could_not_be_written_are_told_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let run = |out: &std::path::Path, message| {
        let out = out.to_str().unwrap();
        refused(
            &["run", "--url", "http://127.0.0.1:1", "--out", out],
            message,
        );
    };
    run(&file.join("below"), "cannot create");
    let taken = folder.path().join("taken");
    std::fs::create_dir_all(taken.join("bench.json")).unwrap();
    run(&taken, "bench.json");
}

#[test]
fn a_host_that_is_not_this_machine_needs_a_yes() {
    refused(
        &["run", "--url", "http://cache.example"],
        "--yes-i-own-this-target",
    );
}

#[test]
fn a_target_file_is_checked_when_it_is_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = |content: &str, message: &str| {
        std::fs::write(file.path(), content).unwrap();
        refused(
            &[
                "run",
                "--url",
                "http://localhost",
                "--target",
                file.path().to_str().unwrap(),
            ],
            message,
        );
    };
    let outcome = "outcome = { cache-status = \"edge\" }\n";
    check("oops", "expected");
    check(&format!("{outcome}function = []"), "no [[function]]");
    check(
        &format!("{outcome}[[function]]\nname='f'\npath='/f'\nkeys='salted'"),
        "must begin with / and contain {key}",
    );
    check(
        &format!("{outcome}[[function]]\nname='f'\npath='/f/{{key}}'\nkeys='salted'\ncolour='red'"),
        "colour",
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = tool::command().arg("schema").stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot write to the standard output"),
        "{stderr}"
    );
}
