//! The local server as a program: start lines, `.env`, a taken port, signals.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use larder_testing::Memcached;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::program::{self, Program};
use crate::request::Request;
use crate::site::Local;

fn any_port() -> (&'static str, String) {
    ("LISTEN", "127.0.0.1:0".to_owned())
}

#[tokio::test]
async fn without_settings_everything_is_in_the_process() {
    let mut local = Local::start(&[]).await;
    assert!(local.program.line("cache:").await.contains("memory:"));
    assert!(
        local
            .program
            .line("database:")
            .await
            .contains("users.sqlite")
    );
    assert_eq!(local.get("/user/1").await.status, 200);
    assert!(local.get("/user/1").await.is_hit());
    assert!(local.program.folder().join("users.sqlite").exists());
}

#[tokio::test]
async fn the_start_lines_say_whether_memcached_answers() {
    let mut memcached = Memcached::start();
    let port = memcached.port();
    let variables = [
        ("MEMCACHED_HOST", "127.0.0.1".to_owned()),
        ("MEMCACHED_PORT", port.to_string()),
    ];
    let mut local = Local::start(&variables).await;
    assert!(
        local
            .program
            .line("cache:")
            .await
            .contains(&format!("127.0.0.1:{port}"))
    );
    assert_eq!(
        local.program.line(&format!("127.0.0.1:{port} ")).await,
        "answers"
    );
    memcached.kill();
    let mut local = Local::start(&variables).await;
    assert!(
        local
            .program
            .line(&format!("127.0.0.1:{port} "))
            .await
            .starts_with("does not answer")
    );
    assert_eq!(local.get("/user/1").await.status, 200);
}

#[tokio::test]
async fn a_port_alone_names_a_memcached_of_this_machine() {
    let memcached = Memcached::start();
    let port = memcached.port();
    let mut local = Local::start(&[("MEMCACHED_PORT", port.to_string())]).await;
    let output = local.program.line("cache:").await;
    assert!(output.contains(&format!("localhost:{port}")), "{output}");
    let variables = [any_port(), ("MEMCACHED_PORT", "many".to_owned())];
    let mut program = Program::start(program::LOCAL, &variables);
    assert_eq!(program.ended().await, Some(1));
    let output = program.stderr();
    assert!(output.contains("MEMCACHED_PORT"), "{output}");
}

#[tokio::test]
async fn the_start_lines_say_why_flushing_is_denied() {
    let exposed = [
        ("LISTEN", "0.0.0.0:0".to_owned()),
        ("FLUSH_AUTH", "open".to_owned()),
    ];
    let mut program = Program::start(program::LOCAL, &exposed);
    let output = program.line("flush:").await;
    assert!(output.contains("LISTEN is a loopback address"), "{output}");
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_not_waited_for_without_end() {
    let local = Local::start(&[]).await;
    let mut client = TcpStream::connect(local.address).await.unwrap();
    let half = "POST /flush HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n{\"sco";
    client.write_all(half.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let whole = client.read_to_string(&mut answer);
    let whole = tokio::time::timeout(Duration::from_secs(60), whole).await;
    whole.expect("the connection is closed").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains("\r\nx-content-type-options: nosniff\r\n"),
        "{answer}"
    );
}

#[test]
fn a_reader_of_the_start_lines_may_go_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut local = Command::new(program::LOCAL)
        .env_clear()
        .envs([any_port()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut lines = BufReader::new(local.stdout.take().unwrap());
    lines.read_line(&mut first).unwrap();
    drop(lines);
    kill_process(Pid::from_child(&local), Signal::TERM).unwrap();
    let ended = local.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(
        first.starts_with("larder listens at "),
        "{first}{complaint}"
    );
    assert!(
        ended.status.success() && complaint.is_empty(),
        "{complaint}"
    );
}

#[tokio::test]
async fn the_file_env_is_read_and_the_environment_beats_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "# local\nFLUSH_AUTH=open\nDIAGNOSTICS=on\nHEAVY_OP_MS=\"60\"\n",
    )
    .unwrap();
    let variables = [any_port(), ("DIAGNOSTICS", "off".to_owned())];
    let local = Local::of(Program::start_in(folder, program::LOCAL, &variables, &[])).await;
    let answer = local.get("/heavy-op?param=a").await;
    assert!(
        answer.timing("origin") >= 60.0 && answer.timing("origin") < 3000.0,
        "{answer:?}"
    );
    assert_eq!(answer.header("x-instance"), "");
    assert_eq!(local.send(&Request::flush("")).await.status, 200);
}

#[tokio::test]
async fn a_broken_env_file_is_named_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "A=1\nhunter2\n").unwrap();
    let mut program = Program::start_in(folder, program::LOCAL, &[any_port()], &[]);
    assert_eq!(program.ended().await, Some(1));
    assert!(
        program.stderr().contains(".env, line 2") && !program.stderr().contains("hunter2"),
        "{}",
        program.stderr()
    );
}

#[tokio::test]
async fn the_example_file_starts_the_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example"),
        folder.path().join(".env"),
    )
    .unwrap();
    let mut local = Local::of(Program::start_in(
        folder,
        program::LOCAL,
        &[any_port()],
        &[],
    ))
    .await;
    assert!(local.program.line("cache:").await.contains("memory:"));
    assert_eq!(local.send(&Request::flush("")).await.status, 200);
    assert_ne!(local.get("/").await.header("x-instance"), "");
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut program = Program::start(program::LOCAL, &[("LISTEN", format!("127.0.0.1:{port}"))]);
    assert_eq!(program.ended().await, Some(1));
    assert!(
        program.stderr().contains(&format!("port {port} is taken")),
        "{}",
        program.stderr()
    );
}

#[tokio::test]
async fn help_is_printed_and_an_unknown_argument_refused() {
    let start = |argument| {
        Program::start_in(
            tempfile::tempdir().unwrap(),
            program::LOCAL,
            &[any_port()],
            &[argument],
        )
    };
    let mut help = start("--help");
    assert_eq!(help.ended().await, Some(0));
    assert!(help.stdout().contains("LISTEN") && help.stdout().contains("MEMCACHED_HOST"));
    assert!(help.stdout().contains("--check"));
    let mut unknown = start("--port");
    assert_eq!(unknown.ended().await, Some(1));
    assert!(unknown.stderr().contains("--port"), "{}", unknown.stderr());
}

#[tokio::test]
async fn a_signal_lets_the_request_under_way_finish() {
    for signal in [Signal::INT, Signal::TERM] {
        let variables = [
            ("HEAVY_OP_MS", "1000".to_owned()),
            ("DIAGNOSTICS", "on".to_owned()),
        ];
        let mut local = Local::start(&variables).await;
        let address = local.address;
        let slow = tokio::spawn(async move {
            crate::http::send(address, &Request::get("/heavy-op?param=a")).await
        });
        // The slow request has begun as soon as the process has counted one more than these.
        let mut polls = 1;
        while local.get("/").await.header("x-invocation") != (polls + 1).to_string() {
            polls += 1;
        }
        local.program.signal(signal);
        assert_eq!(slow.await.unwrap().status, 200);
        assert_eq!(local.program.ended().await, Some(0));
        assert!(local.program.stdout().ends_with("stopped\n"));
    }
}

/// One try of five must succeed: other load on the machine may spoil the rest.
#[tokio::test]
async fn two_slow_keys_are_computed_side_by_side() {
    let local = Local::start(&[("HEAVY_OP_MS", "1000".to_owned())]).await;
    let mut took = Vec::new();
    for round in 0..5 {
        let started = Instant::now();
        let [one, two] = ["one", "two"].map(|key| format!("/heavy-op?param={key}-{round}"));
        let (one, two) = tokio::join!(local.get(&one), local.get(&two));
        assert_eq!((one.status, two.status), (200, 200));
        took.push(started.elapsed());
        if took[round] < Duration::from_millis(1500) {
            return;
        }
    }
    panic!("two of 1 s took {took:?}");
}

#[tokio::test]
async fn a_check_of_the_settings_names_the_wrong_one_and_connects_to_nothing() {
    for (name, value) in [
        ("HEAVY_OP_MS", "3s"),
        ("FLUSH_AUTH", "token"),
        ("CACHE_BUGDET_MS", "20"),
        ("CACHE_URL", "redis://127.0.0.1"),
        ("MEMCACHED_PORT", "x"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let variables = [any_port(), (name, value.to_owned())];
        let mut check = Program::start_in(folder, program::LOCAL, &variables, &["--check"]);
        assert_eq!(check.ended().await, Some(1), "{name}");
        let output = check.stderr();
        let meant = if name == "FLUSH_AUTH" {
            "FLUSH_TOKEN_SHA256"
        } else {
            name
        };
        assert!(
            output.contains(meant) && output.lines().count() == 1,
            "{output}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("LISTEN", "127.0.0.1:1".to_owned()),
        ("CACHE_URL", "memcached://127.0.0.1:1".to_owned()),
        ("DATABASE_URL", "postgres://u@127.0.0.1:1/db".to_owned()),
    ];
    let mut check = Program::start_in(folder, program::LOCAL, &variables, &["--check"]);
    assert_eq!(check.ended().await, Some(0), "{}", check.stderr());
    assert_eq!(check.stdout() + &check.stderr(), "");
}
