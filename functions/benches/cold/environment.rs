//! One environment of Lambda: a program, and the Runtime API that gives it one invocation. Until
//! the program polls for it, it has a whole core, like an environment in its init phase; from then
//! on a share of one.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use super::share::Share;

/// The most that each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next ";

/// The first answer of an environment.
pub(crate) struct FirstAnswer {
    /// Seconds from the spawn of the program to its answer.
    pub(crate) took: f64,
    /// The body that it posted to the Runtime API.
    pub(crate) body: String,
}

enum Said {
    /// The program polls for its invocation, and gets it once something is sent back.
    Asked(Sender<()>),
    Answered(Instant, String),
}

/// Starts `program` as the function `heavy-op`, with these variables and Lambda's own, and invokes
/// it with `event`.
pub(crate) fn first_answer(
    program: &Path,
    variables: &[(&str, String)],
    event: &str,
    share: &Share,
) -> Result<FirstAnswer, Box<dyn Error>> {
    // Each start has its own listener: with a shared one, a connection that an earlier program left
    // behind was once taken for the next start.
    let api = TcpListener::bind(("127.0.0.1", 0))?;
    let address = api.local_addr()?;
    let (say, said) = mpsc::channel();
    let event = event.to_owned();
    std::thread::spawn(move || accept(&api, &event, &say));
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "heavy-op")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    share.lift()?;
    let begun = Instant::now();
    let child = Started(share.within(|| command.spawn())?);
    let answer = wait(&said, share, &child.0);
    share.lift()?;
    drop(child);
    let (at, body) = answer.map_err(|why| format!("{}: {why}", program.display()))?;
    Ok(FirstAnswer {
        took: (at - begun).as_secs_f64(),
        body,
    })
}

fn wait(
    said: &Receiver<Said>,
    share: &Share,
    child: &Child,
) -> Result<(Instant, String), Box<dyn Error>> {
    let Said::Asked(give) = said.recv_timeout(PATIENCE)? else {
        return Err("it answered before it was asked".into());
    };
    share.impose(child.id())?;
    give.send(())?;
    match said.recv_timeout(PATIENCE)? {
        Said::Answered(at, body) => Ok((at, body)),
        Said::Asked(_) => Err("it asked for a second invocation and gave no answer".into()),
    }
}

/// Serves the program's connections, of which it may open several.
fn accept(api: &TcpListener, event: &str, say: &Sender<Said>) {
    while let Ok((stream, _)) = api.accept() {
        let (event, say) = (event.to_owned(), say.clone());
        std::thread::spawn(move || serve(stream, &event, &say));
    }
}

/// Serves one connection until the program ends.
fn serve(stream: TcpStream, event: &str, say: &Sender<Said>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let (line, body) = read_request(&mut reader)?;
        if !line.starts_with(NEXT) {
            let _ = say.send(Said::Answered(Instant::now(), body));
            writer.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let (give, given) = mpsc::channel();
        // A second poll is never answered.
        if say.send(Said::Asked(give)).is_err() || given.recv().is_err() {
            let _ = reader.read_to_end(&mut Vec::new());
            return Ok(());
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:heavy-op\r\n\r\n",
            event.len()
        );
        writer.write_all((head + event).as_bytes())?;
    }
}

/// The first line and the body of a request.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<(String, String)> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((first, String::from_utf8_lossy(&body).into_owned()))
}

/// A running program, which is killed and reaped on drop.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
