//! The local server: `cargo run`. Owns the command line, `.env`, the start lines and the end by a signal.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use functions::config::context::{self as start, Start};
use functions::config::flush_mode::Mode;
use functions::config::host::{Place, Reach};
use functions::runtime::local::Local;
use functions::telemetry::log;
use functions::users::DatabaseUrl;
use larder::Cache;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Serves the page, heavy-op, user and flush in one process, at http://localhost:5000/ unless LISTEN says otherwise.

Usage: cargo run [-- --help | --check]
  --check          reads all settings as the functions do, says which one is wrong, and ends; connects to nothing

Settings come from the environment and from the file .env here; the environment wins.
  LISTEN           address and port; 127.0.0.1:5000
  CACHE_URL        memory: | memcached://host:port[,host:port]; memory: unless one of the next two is set
  MEMCACHED_HOST, MEMCACHED_PORT
                   a memcached by name, when CACHE_URL is unset
  DATABASE_URL     sqlite://FILE | postgres://user:password@host/database; the file users.sqlite here, made at first use
  HEAVY_OP_MS      how long the heavy operation takes; 3000
  FLUSH_AUTH       deny | token | iam | open; deny
  DIAGNOSTICS      on | off; off
All settings are in the README; .env.example has those for a first try.
";

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    log::begin();
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        None => runtime().and_then(|runtime| runtime.block_on(serve())),
        Some("--check") => check(),
        Some("-h" | "--help") => {
            tell(HELP);
            Ok(())
        }
        Some(other) => Err(format!("unknown argument {other:?}; --help lists the settings").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// With one processor there is nobody to hand work to, and what is needed to do so would be a twentieth of a warm answer.
fn runtime() -> Result<Runtime, Error> {
    let mut builder = match std::thread::available_parallelism() {
        Ok(processors) if processors.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    Ok(builder.enable_all().build()?)
}

/// Without the cache that stands here for none: a function has no such thing.
fn check() -> Result<(), Error> {
    prepare(None).map(drop)
}

async fn serve() -> Result<(), Error> {
    let Prepared {
        start,
        database,
        local,
    } = prepare(Some("memory:"))?;
    let listener = listen(&start).await?;
    let stop = stop_signal()?;
    announce(&start, listener.local_addr()?);
    // Beside the first requests: a cache that does not answer is waited for.
    let described = async {
        describe(&start, &database).await;
        std::future::pending().await
    };
    tokio::select! {
        () = local.serve(listener, stop) => {}
        () = described => {}
    }
    tell("stopped\n");
    Ok(())
}

/// All that can be made before anything is connected to.
struct Prepared {
    start: Start,
    /// As a URL without secrets.
    database: String,
    local: Local,
}

/// `unnamed` is the cache where the settings name none.
fn prepare(unnamed: Option<&str>) -> Result<Prepared, Error> {
    let file = functions::config::dotenv::read(Path::new(".env"))?;
    let variable = |name: &str| {
        start::environment(name)
            .or_else(|| file.get(name).cloned())
            .filter(|value| !value.is_empty())
    };
    Cache::check_variables(start::names().chain(file.keys().cloned()))?;
    let names_a_cache = ["CACHE_URL", "MEMCACHED_HOST", "MEMCACHED_PORT"]
        .into_iter()
        .any(|name| variable(name).is_some());
    let lookup = |name: &str| match name {
        "CACHE_URL" if !names_a_cache => unnamed.map(str::to_owned),
        name => variable(name),
    };
    let start = Start::from_lookup(lookup, |settings| Place::listening_on(settings.listen))?;
    let users = DatabaseUrl::from_lookup(lookup)?;
    Ok(Prepared {
        database: users.to_string(),
        local: Local::new(&start, users)?,
        start,
    })
}

async fn listen(start: &Start) -> Result<TcpListener, Error> {
    let address = start.settings.listen;
    TcpListener::bind(address).await.map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("port {} is taken by another program; stop that, or choose another one with LISTEN", address.port())
            }
            _ => format!("cannot listen on LISTEN={address}: {error}"),
        }
        .into()
    })
}

/// Ready at Ctrl-C or SIGTERM. A second one ends the process at once, as without us.
fn stop_signal() -> Result<impl Future<Output = ()>, Error> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

fn announce(start: &Start, address: SocketAddr) {
    let place = if address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let cache = start.cache.location();
    tell(&format!(
        "larder listens at http://{place}/ (Ctrl-C stops it)\n  cache:    {cache}\n"
    ));
}

async fn describe(start: &Start, database: &str) {
    let below = |line: &str| format!("            {line}");
    let servers = servers(&start.cache).await;
    let mut lines: Vec<String> = servers.iter().map(|line| below(line)).collect();
    // The first says once more where it is.
    let configuration = start.cache.configuration().to_string();
    lines.extend(configuration.lines().skip(1).map(below));
    lines.push(format!("  database: {database}"));
    lines.extend(unflushable(start).map(|why| format!("  flush:    nobody may: {why}")));
    tell(&(lines.join("\n") + "\n"));
}

/// Why nobody may flush, where nobody may.
fn unflushable(start: &Start) -> Option<&'static str> {
    match (&start.settings.flush_auth, start.place) {
        (Mode::Deny, Place::Local(Reach::Loopback)) => {
            Some("FLUSH_AUTH=deny; with FLUSH_AUTH=open, as in .env.example, this machine may")
        }
        (Mode::Deny, _) => Some("FLUSH_AUTH=deny"),
        (Mode::Open, Place::Local(Reach::Network)) => {
            Some("FLUSH_AUTH=open holds only where LISTEN is a loopback address")
        }
        (Mode::Iam, _) => Some("FLUSH_AUTH=iam holds only on AWS"),
        _ => None,
    }
}

/// On the standard output; a reader that went away (`| head`) ends nothing.
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

async fn servers(cache: &Cache) -> Vec<String> {
    let answers = cache.ping().await;
    answers
        .into_iter()
        .map(|(server, answer)| match answer {
            Ok(()) => format!("{server} answers"),
            Err(_) => {
                format!("{server} does not answer; every request goes to its origin until it does")
            }
        })
        .collect()
}
