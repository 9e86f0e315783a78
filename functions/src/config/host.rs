//! Where this process runs, and how that is recognised.

use std::net::{IpAddr, SocketAddr};

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// AWS Lambda.
    Lambda,
    /// A Runtime API that is not AWS's: the emulator's, or a test's.
    Emulator(Exposure),
    /// The local server's own listener.
    Local(Exposure),
}

/// Which machines can reach the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// This machine only.
    Loopback,
    /// Other machines too.
    Network,
}

impl Host {
    /// Where a function's process runs. AWS sets `AWS_LAMBDA_INITIALIZATION_TYPE`; the emulator
    /// does not.
    pub fn of_function(lookup: impl Fn(&str) -> Option<String>) -> Self {
        if lookup("AWS_LAMBDA_INITIALIZATION_TYPE").is_some() {
            return Self::Lambda;
        }
        Self::Emulator(exposure_of_url(
            &lookup("AWS_LAMBDA_RUNTIME_API").unwrap_or_default(),
        ))
    }

    /// Where the local server runs.
    pub fn listening_on(address: SocketAddr) -> Self {
        Self::Local(exposure_of(address.ip()))
    }
}

/// Whether an authority, as in a URL or a `Host` header, names this machine's loopback interface.
pub(crate) fn is_loopback(authority: &str) -> bool {
    exposure_of_url(authority) == Exposure::Loopback
}

fn exposure_of(ip: IpAddr) -> Exposure {
    if ip.to_canonical().is_loopback() {
        Exposure::Loopback
    } else {
        Exposure::Network
    }
}

/// The exposure of `[http://]host[:port][/path]`. An unreadable host counts as the network.
fn exposure_of_url(url: &str) -> Exposure {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host.parse() {
        Ok(ip) => exposure_of(ip),
        Err(_) if host.eq_ignore_ascii_case("localhost") => Exposure::Loopback,
        Err(_) => Exposure::Network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_host_counts_as_loopback() {
        for url in [
            "http://127.0.0.1:9000/.rt/flush",
            "127.0.0.1:9001",
            "localhost",
            "[::1]:9000",
            "http://LOCALHOST/x",
        ] {
            assert_eq!(exposure_of_url(url), Exposure::Loopback, "{url}");
        }
        for url in [
            "",
            "http://0.0.0.0:9000",
            "http://[::]:9000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:1",
        ] {
            assert_eq!(exposure_of_url(url), Exposure::Network, "{url}");
        }
    }

    #[test]
    fn lambda_is_recognised_by_its_own_variable() {
        let on_lambda = |name: &str| match name {
            "AWS_LAMBDA_INITIALIZATION_TYPE" => Some("on-demand".to_owned()),
            "AWS_LAMBDA_RUNTIME_API" => Some("127.0.0.1:9001".to_owned()),
            _ => None,
        };
        assert_eq!(Host::of_function(on_lambda), Host::Lambda);
        assert_eq!(
            Host::of_function(|_| None),
            Host::Emulator(Exposure::Network)
        );
    }
}
