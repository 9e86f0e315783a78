//! The scripts in dev/: their messages about a missing tool or a silent server, their reading of
//! `.env`, and that they never show a password.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn bash(script: &str) -> Output {
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(ROOT);
    bash.output().unwrap()
}

/// The error of `dev/install TOOL` on a machine that has only these programs.
fn install(tool: &str, programs: &Path) -> String {
    let mut install = Command::new("bash");
    install
        .args(["dev/install", tool])
        .current_dir(ROOT)
        .env("PATH", programs);
    let output = install.output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A folder of the programs that dev/install itself needs.
fn bare_machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for program in ["bash", "env", "dirname", "sed"] {
        let paths = std::env::var_os("PATH").unwrap();
        let mut found = std::env::split_paths(&paths).map(|path| path.join(program));
        let found = found.find(|path| path.exists()).unwrap();
        symlink(found, folder.path().join(program)).unwrap();
    }
    folder
}

fn add(folder: &Path, program: &str, script: &str) {
    let path = folder.join(program);
    std::fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_rust_or_with_an_old_one_the_message_says_how_to_get_it() {
    let machine = bare_machine();
    let output = install("cargo", machine.path());
    assert!(output.contains("or newer is missing"), "{output}");
    assert!(output.contains("https://rustup.rs"), "{output}");
    add(machine.path(), "cargo", "");
    add(machine.path(), "rustc", "echo 'rustc 1.63.0'");
    assert_eq!(install("cargo", machine.path()), output);
}

#[test]
fn without_a_linker_the_message_says_how_to_get_it() {
    let output = install("cc", bare_machine().path());
    assert!(output.contains("cc is missing"), "{output}");
    assert!(output.contains("the package gcc"), "{output}");
}

#[test]
fn no_part_of_a_password_is_shown() {
    for (url, shown) in [
        ("postgres://u:p@db/larder", "postgres://…@db/larder"),
        ("postgres://u:p@ss@db/larder", "postgres://…@db/larder"),
        ("postgres://db/larder", "postgres://db/larder"),
        ("sqlite://users.sqlite", "sqlite://users.sqlite"),
    ] {
        let output = bash(&format!(". dev/settings.sh; without_password '{url}'"));
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.trim_end(), shown, "{url}");
    }
}

/// Compose and `cargo run` read the file the same way.
#[test]
fn the_last_of_two_equal_names_in_the_env_file_counts_and_the_environment_beats_both() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "A=1\nB=1\nA=2\nB=2\n").unwrap();
    let output = bash(&format!(
        "source=$PWD; cd {:?}; die() {{ echo \"$*\"; exit 1; }}; . $source/dev/settings.sh; export B=0; load_settings; echo $A $B",
        folder.path()
    ));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 0\n");
}

#[test]
fn a_closed_pipe_ends_no_script_in_the_middle() {
    let output = bash(". dev/servers.sh; kill -PIPE $$; echo still here");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "still here\n");
}

#[test]
fn the_process_that_listens_on_a_port_is_recognised() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listens = |pid: &str| {
        let output = bash(&format!(". dev/servers.sh; listens {pid} {port}"));
        output.status.success()
    };
    assert!(listens(&std::process::id().to_string()));
    // Only Linux shows which process listens; elsewhere the script assumes the best.
    assert_eq!(listens("$$"), !Path::new("/proc/net/tcp").exists());
}

#[test]
fn a_server_that_never_answers_is_not_waited_for_without_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let output = bash(&format!(
        ". dev/servers.sh; patience=2; await_answer {port} /a 200 $$"
    ));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = String::from_utf8(output.stderr).unwrap();
    let expected = format!("GET /a on port {port} was not answered for 2 s");
    assert!(output.contains(&expected), "{output}");
}
