use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

/// A proxy that is stopped when dropped.
struct Proxy {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx and varnishd end their own child processes when they are asked to.
        let pid = self.process.id().to_string();
        _ = Command::new("kill").args(["-TERM", &pid]).status();
        _ = self.process.wait();
    }
}

impl Proxy {
    /// Starts a program, and waits until it listens; `None` if it is not installed.
    fn start(
        program: &str,
        configure: impl Fn(&str, u16) -> (String, Vec<String>),
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let place = folder.path().to_str().unwrap().to_owned();
        let (configuration, arguments) = configure(&place, port);
        std::fs::write(folder.path().join("configuration"), configuration).unwrap();
        let started = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn();
        let Ok(process) = started else {
            println!("SKIPPED: {program} is not installed (dev/install proxies)");
            return None;
        };
        let mut proxy = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            _folder: folder,
        };
        let limit = Instant::now() + Duration::from_secs(30);
        // A port may be open for a moment before the program is ready.
        while !answers(port) {
            let log = || std::fs::read_to_string(format!("{place}/log")).unwrap_or_default();
            assert!(
                proxy.process.try_wait().unwrap().is_none(),
                "{program} ended: {}",
                log()
            );
            assert!(
                Instant::now() < limit,
                "{program} does not listen: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(proxy)
    }
}

/// A port below those that the system gives to clients: one of theirs may be taken by any
/// connection before the program has it, even by the one that looks whether it is there.
fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (first + TRIED.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether a request gets the beginning of an answer.
fn answers(port: u16) -> bool {
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)
    });
    asked.is_ok()
}

/// An origin whose answers say nothing about a cache, and no more than a proxy could store.
fn origin() -> Server {
    Server::start(Character {
        lie: Lie::NoCache,
        origin: Duration::from_millis(30),
        ..Character::default()
    })
}

fn target(preset: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "preset = \"{preset}\"\n[[function]]\nname = \"item\"\npath = \"/heavy-op?param={{key}}\"\n\
         keys = \"salted\"\necho = \"/result/param\"\nvalue = \"/result\"\n"
    );
    file.write_all(text.as_bytes()).unwrap();
    file
}

const ALL_PHASES: [&str; 6] = ["--mixed", "3", "--bursts", "2", "--rate", "60"];

fn run(preset: &str, proxy: &Proxy) -> tool::Ended {
    let file = target(preset);
    let file = ["--target", file.path().to_str().unwrap()];
    let ended = tool::run_quietly(&proxy.url, &[&file[..], &ALL_PHASES].concat());
    ended.expect_code(0);
    for check in [
        "cold answers",
        "warm answers",
        "bypass answers",
        "a warm value",
        "mixed traffic",
    ] {
        assert_eq!(ended.verdict(check), "pass", "{check}\n{}", ended.stdout);
    }
    let report = ended.report();
    let cold = report["pairs"][0]["cold_us"].as_f64().unwrap();
    assert!(cold >= 30e3, "{cold}\n{}", ended.stdout);
    let ratio = report["speed_ups"][0]["ratio"]["estimate"]
        .as_f64()
        .unwrap();
    assert!(ratio > 3.0, "{ratio}\n{}", ended.stdout);
    ended
}

#[test]
fn nginx_is_measured_with_its_preset() {
    let origin = origin();
    let upstream = origin.url.trim_start_matches("http://");
    let proxy = Proxy::start("nginx", |folder, port| {
        let configuration = format!(
            "daemon off; pid {folder}/pid; error_log {folder}/error.log;
            events {{ worker_connections 512; }}
            http {{
              access_log off;
              client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
              fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
              proxy_cache_path {folder}/cache keys_zone=z:1m;
              server {{
                listen 127.0.0.1:{port};
                location / {{
                  proxy_pass http://{upstream}; proxy_cache z; proxy_cache_valid 200 60s;
                  proxy_cache_lock on;
                  proxy_cache_bypass $http_x_cache_bypass; proxy_no_cache $http_x_cache_bypass;
                  add_header X-Cache-Status $upstream_cache_status always;
                }}
              }}
            }}"
        );
        let file = format!("{folder}/configuration");
        (
            configuration,
            vec!["-c".into(), file, "-p".into(), folder.into()],
        )
    });
    let Some(proxy) = proxy else { return };
    let ended = run("nginx", &proxy);
    assert_eq!(ended.verdict("flush empties"), "not-checkable");
}

#[test]
fn varnish_is_measured_with_its_preset_and_emptied_by_a_ban() {
    let origin = origin();
    let upstream = origin.url.rsplit(':').next().unwrap().to_owned();
    let proxy = Proxy::start("varnishd", |folder, port| {
        let configuration = format!(
            "vcl 4.1;
            backend default {{ .host = \"127.0.0.1\"; .port = \"{upstream}\"; }}
            sub vcl_recv {{
              if (req.method == \"BAN\") {{ ban(\"req.url ~ .\"); return (synth(200, \"Banned\")); }}
              if (req.http.X-Cache-Bypass) {{ return (pass); }}
            }}
            sub vcl_hit {{ set req.http.X-Cache = \"HIT\"; }}
            sub vcl_miss {{ set req.http.X-Cache = \"MISS\"; }}
            sub vcl_pass {{ set req.http.X-Cache = \"PASS\"; }}
            sub vcl_backend_response {{ set beresp.ttl = 60s; }}
            sub vcl_deliver {{ set resp.http.X-Cache = req.http.X-Cache; }}"
        );
        let arguments = [
            "-F",
            "-n",
            folder,
            "-f",
            &format!("{folder}/configuration"),
            "-s",
            "malloc,16m",
            "-a",
            &format!("127.0.0.1:{port}"),
            "-j",
            "none",
        ];
        (configuration, arguments.map(str::to_owned).to_vec())
    });
    let Some(proxy) = proxy else { return };
    let ended = run("varnish", &proxy);
    assert_eq!(ended.verdict("flush empties"), "pass");
}
