//! `CACHE_URL`, taken apart. What a scheme does not know yet is refused by name rather than ignored.

use super::Servers;
use crate::store::memcached::{Endpoint, Protocol};

pub(super) const DEFAULT_PORT: u16 = 11211;

/// `None` for `memory:`.
pub(super) fn parse(url: &str) -> Result<Option<Servers>, String> {
    if url == "memory:" {
        return Ok(None);
    }
    let Some(rest) = url.strip_prefix("memcached://") else {
        return Err("neither memcached://host:port[,host:port…] nor memory:".to_owned());
    };
    if rest.contains('@') {
        return Err(
            "memcached has no user and password here: remove what stands before the @".to_owned(),
        );
    }
    let (servers, query) = rest.split_once('?').unwrap_or((rest, ""));
    let endpoints = servers.split(',').map(endpoint).collect::<Result<_, _>>()?;
    let mut protocol = Protocol::Auto;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        protocol = match option {
            "protocol=auto" => Protocol::Auto,
            "protocol=classic" => Protocol::Classic,
            "protocol=meta" => Protocol::Meta,
            other => {
                return Err(format!(
                    "unknown option {other:?}: protocol=auto, classic or meta"
                ));
            }
        };
    }
    Ok(Some(Servers {
        endpoints,
        protocol,
    }))
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let (name, given) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let host = if text.starts_with('[') {
        address(name)?
    } else {
        host(name)?
    };
    let port = given.map_or(Ok(DEFAULT_PORT), port)?;
    Ok(Endpoint { host, port })
}

fn address(text: &str) -> Result<String, String> {
    match text.parse::<std::net::Ipv6Addr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{text:?} is no IPv6 address")),
    }
}

pub(super) fn host(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if (1..=253).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is no host name"))
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(format!("{text:?} is no port from 1 to 65535")),
    }
}
