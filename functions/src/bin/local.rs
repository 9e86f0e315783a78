//! The local server, `cargo run`: the command line, `.env`, the start lines and the stop by a
//! signal.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use functions::config::context::Context;
use functions::config::environment;
use functions::config::flush_mode::FlushMode;
use functions::config::host::{Exposure, Host};
use functions::runtime::local::Local;
use functions::telemetry::log;
use functions::users::DatabaseUrl;
use larder::Cache;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Serves the page, heavy-op, user and flush in one process, at http://localhost:5000/ or at LISTEN.

Usage: cargo run [-- --help | --check]
  --check          reads all settings as the functions do, names an invalid one, and connects to nothing

Settings come from the environment and from the file .env in this folder; the environment wins.
  LISTEN           address and port; default 127.0.0.1:5000
  CACHE_URL        memory: | memcached://host:port[,host:port]; default memory:, unless one of the next two is set
  MEMCACHED_HOST, MEMCACHED_PORT
                   a memcached, if CACHE_URL is unset
  DATABASE_URL     sqlite://FILE | postgres://user:password@host/database; default users.sqlite, created on first use
  HEAVY_OP_MS      how long the heavy operation takes; default 3000
  FLUSH_AUTH       deny | token | iam | open; default deny
  DIAGNOSTICS      on | off; default off
The README lists all settings; .env.example has those for a first try.
";

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    log::init();
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        None => runtime().and_then(|runtime| runtime.block_on(serve())),
        Some("--check") => check(),
        Some("-h" | "--help") => {
            print(HELP);
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

/// One processor needs no second thread: handing work between threads would add a twentieth to a
/// warm response.
fn runtime() -> Result<Runtime, Error> {
    let mut builder = match std::thread::available_parallelism() {
        Ok(processors) if processors.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    Ok(builder.enable_all().build()?)
}

/// Checks the settings for the functions, which have no cache of their own as this server does.
fn check() -> Result<(), Error> {
    prepare(None).map(drop)
}

async fn serve() -> Result<(), Error> {
    let Prepared {
        context,
        database,
        local,
    } = prepare(Some("memory:"))?;
    let listener = listen(&context).await?;
    let stop = stop_signal()?;
    print_start_lines(&context, listener.local_addr()?);
    // Concurrent with the first requests, because a cache that does not answer delays these lines.
    let details = async {
        print_details(&context, &database).await;
        std::future::pending().await
    };
    tokio::select! {
        () = local.serve(listener, stop) => {}
        () = details => {}
    }
    print("stopped\n");
    Ok(())
}

/// Everything that can be built without a connection.
struct Prepared {
    context: Context,
    /// The database's URL without its password.
    database: String,
    local: Local,
}

/// Reads the settings. `default_cache` is used if they name no cache.
fn prepare(default_cache: Option<&str>) -> Result<Prepared, Error> {
    let file = functions::config::dotenv::read(Path::new(".env"))?;
    let variable = |name: &str| {
        environment::variable(name)
            .or_else(|| file.get(name).cloned())
            .filter(|value| !value.is_empty())
    };
    Cache::check_variables(environment::names().chain(file.keys().cloned()))?;
    let names_a_cache = ["CACHE_URL", "MEMCACHED_HOST", "MEMCACHED_PORT"]
        .into_iter()
        .any(|name| variable(name).is_some());
    let lookup = |name: &str| match name {
        "CACHE_URL" if !names_a_cache => default_cache.map(str::to_owned),
        name => variable(name),
    };
    let context = Context::from_lookup(lookup, |settings| Host::listening_on(settings.listen))?;
    let users = DatabaseUrl::from_lookup(lookup)?;
    Ok(Prepared {
        database: users.to_string(),
        local: Local::new(&context, users)?,
        context,
    })
}

async fn listen(context: &Context) -> Result<TcpListener, Error> {
    let address = context.settings.listen;
    TcpListener::bind(address).await.map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("port {} is taken by another program: stop it, or choose another port with LISTEN", address.port())
            }
            _ => format!("cannot listen on LISTEN={address}: {error}"),
        }
        .into()
    })
}

/// Ready at Ctrl-C or SIGTERM. A second signal ends the process at once.
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

fn print_start_lines(context: &Context, address: SocketAddr) {
    let place = if address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let cache = context.cache.location();
    print(&format!(
        "larder listens at http://{place}/ (Ctrl-C stops it)\n  cache:    {cache}\n"
    ));
}

async fn print_details(context: &Context, database: &str) {
    let below = |line: &str| format!("            {line}");
    let servers = server_lines(&context.cache).await;
    let mut lines: Vec<String> = servers.iter().map(|line| below(line)).collect();
    // The first line repeats the location.
    let configuration = context.cache.configuration().to_string();
    lines.extend(configuration.lines().skip(1).map(below));
    lines.push(format!("  database: {database}"));
    lines.extend(flush_hint(context).map(|why| format!("  flush:    refused: {why}")));
    print(&(lines.join("\n") + "\n"));
}

/// Why every flush is refused, if it is.
fn flush_hint(context: &Context) -> Option<&'static str> {
    match (&context.settings.flush_auth, context.host) {
        (FlushMode::Deny, Host::Local(Exposure::Loopback)) => {
            Some("FLUSH_AUTH=deny; FLUSH_AUTH=open, as in .env.example, allows it to this machine")
        }
        (FlushMode::Deny, _) => Some("FLUSH_AUTH=deny"),
        (FlushMode::Open, Host::Local(Exposure::Network)) => {
            Some("FLUSH_AUTH=open applies only where LISTEN is a loopback address")
        }
        (FlushMode::Iam, _) => Some("FLUSH_AUTH=iam applies only on AWS"),
        _ => None,
    }
}

/// Prints to stdout. A reader that went away (`| head`) is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

async fn server_lines(cache: &Cache) -> Vec<String> {
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
