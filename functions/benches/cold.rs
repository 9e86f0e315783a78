//! A new environment: the time from the spawn of `heavy-op` to its first answer, which the cache
//! gives over TLS, with the share of a processor that Lambda gives a function of 256 MB. The
//! baseline is a handler that does one handshake and one `get` (`examples/bare_get.rs`). Also the
//! compressed sizes of `heavy-op` and of a handler that does nothing (`examples/bare.rs`).
//!
//! An environment has a whole processor until its first poll of `/next`, and a seventh of one
//! afterwards, where the same work takes seven times as long. The last row connects only then, to
//! show the difference. The programs take turns.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

use larder_testing::Memcached;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

#[path = "../cache/benches/cores.rs"]
mod cores;
#[path = "cold/environment.rs"]
mod environment;
#[path = "../cache/benches/row.rs"]
mod row;
#[path = "cold/share.rs"]
mod share;
use environment::first_answer;
use row::{Limit, Rounds, Row, Unit, median};
use share::Share;

const ROUNDS: usize = 31;
/// Starts of each program in a round: a single one depends too much on other load at that moment.
const STARTS: usize = 5;
const HEAVY_OP: &str = env!("CARGO_BIN_EXE_heavy-op");

fn main() -> Result<(), Box<dyn Error>> {
    let ours = Path::new(HEAVY_OP);
    row::heading("a new environment, as a multiple of a bare handler's");
    match Share::new() {
        Ok(share) => {
            for row in first_answers(ours, &example("bare_get")?, &share)? {
                row.report()?;
            }
        }
        Err(why) => row::left_out("the first answer", &*why),
    }
    let mut sizes = Rounds::of(Unit::Bytes);
    let size = packed(ours)?;
    sizes.add(size, size / packed(&example("bare")?)?);
    let what = "heavy-op's size, packed";
    Row::new("P6", what, "as it ships", &sizes, Limit::AtMost(1.25)).report()
}

/// The example, where `cargo build --examples` puts it beside the functions.
fn example(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(HEAVY_OP).parent().ok_or("no folder")?;
    let path = folder.join("examples").join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} is not built", path.display()).into())
}

/// One configuration of `heavy-op`.
struct Side {
    what: &'static str,
    variables: Vec<(&'static str, String)>,
    limit: Limit,
    rounds: Rounds,
    misses: usize,
}

impl Side {
    fn new(what: &'static str, variables: Vec<(&'static str, String)>, limit: Limit) -> Self {
        Self {
            what,
            variables,
            limit,
            rounds: Rounds::of(Unit::Seconds),
            misses: 0,
        }
    }
}

fn first_answers(ours: &Path, bare: &Path, share: &Share) -> Result<Vec<Row>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let server = over_tls(folder.path())?;
    // Lambda gives a function of 256 MB a part of one core.
    cores::pin(std::process::id().into(), 0)?;
    let ca = folder.path().join("ca.pem").display().to_string();
    let url = format!("memcached+tls://localhost:{}", server.port());
    let variables = |url: &str, lambda: bool| {
        let mut variables = vec![
            ("CACHE_URL", url.to_owned()),
            ("CACHE_CA_FILE", ca.clone()),
            ("HEAVY_OP_MS", "1".to_owned()),
        ];
        variables
            .extend(lambda.then(|| ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned())));
        variables
    };
    let discovered = format!("{url}?discover=true");
    let mut sides = [
        Side::new(
            "heavy-op's first answer, a hit",
            variables(&url, true),
            Limit::AtMost(1.5),
        ),
        Side::new(
            "the same, after it asked for its nodes",
            variables(&discovered, true),
            Limit::AtMost(2.0),
        ),
        Side::new(
            "the same, had it connected when invoked",
            variables(&discovered, false),
            Limit::NoTarget,
        ),
    ];
    let get = [
        ("CACHE", server.port().to_string()),
        ("CA", ca.clone()),
        ("KEY", "bare".to_owned()),
    ];
    let event = event();
    // The entry expires after a minute, so each round starts by filling it.
    for round in 0..=ROUNDS {
        let kept = first_answer(ours, &sides[0].variables, &event, share)?;
        if !kept.body.contains("larder; ") {
            return Err(format!("no answer of larder's: {}", kept.body).into());
        }
        let mut base = Vec::new();
        let mut took = [const { Vec::new() }; 3];
        for _ in 0..STARTS {
            base.push(first_answer(bare, &get, &event, share)?.took);
            for (side, took) in sides.iter_mut().zip(&mut took) {
                let answer = first_answer(ours, &side.variables, &event, share)?;
                took.push(answer.took);
                side.misses += usize::from(round > 0 && !answer.body.contains("larder; hit"));
            }
        }
        // The first start of each also reads the program from the disk.
        if round > 0 {
            let base = median(base);
            for (side, took) in sides.iter_mut().zip(took) {
                let took = median(took);
                side.rounds.add(took, took / base);
            }
        }
    }
    let row = |side: &Side| {
        if side.misses > 0 {
            println!(
                "    {}: {} of {} answers were not from the cache",
                side.what,
                side.misses,
                ROUNDS * STARTS
            );
        }
        Row::new("P6", side.what, share.name(), &side.rounds, side.limit)
    };
    Ok(sides.iter().map(row).collect())
}

/// A memcached with TLS and a certificate for `localhost`. The folder then has the certificate of
/// its authority as `ca.pem`.
fn over_tls(folder: &Path) -> Result<Memcached, Box<dyn Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let secret = KeyPair::generate()?;
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&secret)?.pem())?;
    let issuer = Issuer::new(authority, secret);
    let secret = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?;
    let certificate = certificate.signed_by(&secret, &issuer)?;
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, certificate.pem())?;
    std::fs::write(&key, secret.serialize_pem())?;
    let files = format!(
        "ssl_chain_cert={},ssl_key={}",
        chain.display(),
        key.display()
    );
    Ok(Memcached::start_with(&["-Z", "-o", &files]))
}

/// `GET /heavy-op?param=first`, as an HTTP API sends it.
fn event() -> String {
    serde_json::json!({
        "version": "2.0",
        "routeKey": "ANY /heavy-op",
        "rawPath": "/heavy-op",
        "rawQueryString": "param=first",
        "queryStringParameters": {"param": "first"},
        "headers": {"host": "abc.execute-api.us-east-1.amazonaws.com", "accept": "*/*"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abc",
            "http": {"method": "GET", "path": "/heavy-op", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"},
            "requestId": "id",
            "routeKey": "ANY /heavy-op",
            "stage": "$default",
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_348_800_000_u64
        },
        "isBase64Encoded": false
    })
    .to_string()
}

/// The program's bytes after deflate, as in a zip file.
fn packed(program: &Path) -> Result<f64, Box<dyn Error>> {
    let output = Command::new("gzip")
        .args(["-9", "-c"])
        .arg(program)
        .output()?;
    if !output.status.success() {
        return Err(format!("gzip: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(output.stdout.len() as f64)
}
