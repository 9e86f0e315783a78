//! Where this process runs. Owns how that is recognised; must not know what follows from it.

use std::net::{IpAddr, SocketAddr};

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// AWS Lambda.
    Lambda,
    /// A Runtime API that is not AWS's: the emulator, or a test's.
    Emulator(Reach),
    /// Our own listener.
    Local(Reach),
}

/// Who can reach this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Programs of this machine only.
    Loopback,
    /// Other machines too.
    Network,
}

impl Place {
    /// The place of a function's process. AWS sets `AWS_LAMBDA_INITIALIZATION_TYPE`; the emulator does not.
    pub fn of_function(lookup: impl Fn(&str) -> Option<String>) -> Self {
        if lookup("AWS_LAMBDA_INITIALIZATION_TYPE").is_some() {
            return Self::Lambda;
        }
        Self::Emulator(reach_of_url(
            &lookup("AWS_LAMBDA_RUNTIME_API").unwrap_or_default(),
        ))
    }

    /// The place of the local server.
    pub fn listening_on(address: SocketAddr) -> Self {
        Self::Local(reach_of(address.ip()))
    }
}

/// Whether a host as in a URL or a `Host` header, with or without a port, names this machine's loopback.
pub(crate) fn is_loopback(authority: &str) -> bool {
    reach_of_url(authority) == Reach::Loopback
}

fn reach_of(ip: IpAddr) -> Reach {
    if ip.to_canonical().is_loopback() {
        Reach::Loopback
    } else {
        Reach::Network
    }
}

/// The reach of `[http://]host[:port][/path]`; whatever cannot be read counts as the network.
fn reach_of_url(url: &str) -> Reach {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host.parse() {
        Ok(ip) => reach_of(ip),
        Err(_) if host.eq_ignore_ascii_case("localhost") => Reach::Loopback,
        Err(_) => Reach::Network,
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
            assert_eq!(reach_of_url(url), Reach::Loopback, "{url}");
        }
        for url in [
            "",
            "http://0.0.0.0:9000",
            "http://[::]:9000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:1",
        ] {
            assert_eq!(reach_of_url(url), Reach::Network, "{url}");
        }
    }

    #[test]
    fn lambda_is_recognised_by_its_own_variable() {
        let on_lambda = |name: &str| match name {
            "AWS_LAMBDA_INITIALIZATION_TYPE" => Some("on-demand".to_owned()),
            "AWS_LAMBDA_RUNTIME_API" => Some("127.0.0.1:9001".to_owned()),
            _ => None,
        };
        assert_eq!(Place::of_function(on_lambda), Place::Lambda);
        assert_eq!(
            Place::of_function(|_| None),
            Place::Emulator(Reach::Network)
        );
    }
}
