//! Parses `CACHE_URL`. What a scheme does not know is an error that names it, and is not ignored.

use super::{Servers, names::did_you_mean};
use crate::store::memcached::{Between, ConnectOptions, Endpoint, Login, Protocol, Tls};

mod login;
mod memory;
pub(super) use memory::format as format_memory;

pub(super) const DEFAULT_PORT: u16 = 11211;

/// Where a URL says that the cache is.
pub(super) enum Parsed {
    Memory { max: u64 },
    Memcached(Memcached),
}

/// The memcached servers of a URL, at least one, and how to connect to them.
pub(super) struct Memcached {
    endpoints: Vec<Endpoint>,
    login: Option<Login>,
    protocol: Protocol,
    pub(super) tls: bool,
    discover: bool,
    between: Between,
}

impl Memcached {
    pub(super) fn servers(self, tls: Option<Tls>) -> Servers {
        Servers {
            endpoints: self.endpoints,
            discover: self.discover,
            connect_options: ConnectOptions {
                protocol: self.protocol,
                tls,
                login: self.login,
                between: self.between,
                ..ConnectOptions::default()
            },
        }
    }
}

/// The URL of these servers, without options.
pub(super) fn format(endpoints: &[Endpoint], connect_options: &ConnectOptions) -> String {
    let scheme = match (endpoints, &connect_options.tls) {
        #[cfg(unix)]
        ([Endpoint::Unix(_)], _) => "memcached+unix",
        (_, Some(_)) => "memcached+tls",
        (_, None) => "memcached",
    };
    let names: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    format!("{scheme}://{}", names.join(","))
}

pub(super) fn parse(url: &str) -> Result<Parsed, String> {
    if let Some(options) = url.strip_prefix("memory:") {
        return memory::max(options).map(|max| Parsed::Memory { max });
    }
    if url != url.trim() {
        return Err("there is a blank before or behind it".to_owned());
    }
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| format!("there are {ALL}"))?;
    // Taken off before anything else is read, so that no message shows a part of it.
    let (login, rest) = match rest.split_once('@') {
        Some((login, rest)) if scheme != "memcached+unix" => {
            (Some(login::parse(login, rest)?), rest)
        }
        _ => (None, rest),
    };
    let (servers, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = || {
        // Many write one slash behind the hosts of a URL.
        let servers = servers.strip_suffix('/').unwrap_or(servers);
        servers
            .split(',')
            .map(endpoint)
            .collect::<Result<Vec<_>, _>>()
    };
    let (endpoints, tls) = match scheme {
        "memcached" => (hosts()?, false),
        "memcached+tls" => (hosts()?, true),
        #[cfg(unix)]
        "memcached+unix" if servers.starts_with('/') => {
            (vec![Endpoint::Unix(servers.into())], false)
        }
        #[cfg(unix)]
        "memcached+unix" => return Err("the path of a Unix socket begins with /".to_owned()),
        #[cfg(not(unix))]
        "memcached+unix" => return Err("there are no Unix sockets on this system".to_owned()),
        _ => {
            let suggestion = did_you_mean(scheme, SCHEMES);
            return Err(format!(
                "{scheme}:// is unknown{suggestion}; there are {ALL}"
            ));
        }
    };
    let (mut protocol, mut discover) = (Protocol::Auto, false);
    let mut between = Between::Nothing;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option {
            "protocol=auto" => protocol = Protocol::Auto,
            "protocol=classic" => protocol = Protocol::Classic,
            "protocol=meta" => protocol = Protocol::Meta,
            "discover=false" => discover = false,
            "discover=true" if endpoints.len() == 1 => discover = true,
            "discover=true" => {
                return Err("discover=true asks one configuration endpoint".to_owned());
            }
            "proxy=false" => between = Between::Nothing,
            "proxy=true" => between = Between::Proxy,
            other => {
                let suggestion = did_you_mean(other, OPTIONS);
                let (all, shown) = (OPTIONS.join(", "), shown(other));
                return Err(format!(
                    "unknown option{shown} (there are {all}){suggestion}"
                ));
            }
        }
    }
    if between == Between::Proxy {
        // A lookup of the meta protocol leaves leases, and cannot show which server has done so.
        protocol = match protocol {
            Protocol::Auto | Protocol::Classic => Protocol::Classic,
            Protocol::Meta => return Err("proxy=true uses the classic protocol".to_owned()),
        };
        if discover {
            return Err("discover=true finds servers, and proxy=true has a proxy do so".to_owned());
        }
    }
    Ok(Parsed::Memcached(Memcached {
        endpoints,
        login,
        protocol,
        tls,
        discover,
        between,
    }))
}

/// The value of an unknown option may be a secret, and so may text that is not an option.
fn shown(option: &str) -> String {
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match option.split_once('=') {
        Some(("protocol" | "discover" | "proxy", _)) => format!(" {option:?}"),
        Some((name, value)) if is_name(name) && !value.is_empty() => format!(" {name:?}"),
        _ => String::new(),
    }
}

const OPTIONS: [&str; 7] = [
    "protocol=auto",
    "protocol=classic",
    "protocol=meta",
    "discover=true",
    "discover=false",
    "proxy=true",
    "proxy=false",
];
const SCHEMES: [&str; 3] = ["memcached", "memcached+tls", "memcached+unix"];
const ALL: &str = "memcached://[user:password@]host:port[,host:port…], memcached+tls://…, \
                   memcached+unix:///path, memory:[?max=64MiB]";

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let (name, after_name) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address needs [ ] around it".to_owned());
            }
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let host = if text.starts_with('[') {
        address(name)?
    } else {
        host(name)?
    };
    let port = after_name.map_or(Ok(DEFAULT_PORT), port)?;
    Ok(Endpoint::Tcp { host, port })
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
    if text.contains('@') {
        return Err("a user and a password are part of CACHE_URL only".to_owned());
    }
    Err(format!("{text:?} is no host name"))
}

/// The address of a service as Kubernetes has it in `MEMCACHED_PORT`: `tcp://10.0.0.1:11211`.
pub(super) fn service(text: &str) -> Option<Result<(String, u16), String>> {
    let parsed = endpoint(text.strip_prefix("tcp://")?).map(|endpoint| match endpoint {
        Endpoint::Tcp { host, port } => (host, port),
        #[cfg(unix)]
        Endpoint::Unix(path) => (path.display().to_string(), DEFAULT_PORT),
    });
    Some(parsed)
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(format!("{text:?} is no port from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        let errors = [
            parse("memcached://u:s3cr3t@h:x").err(),
            parse("memcached://u:s3cr3t@h:1,u:s3cr3t@h:2").err(),
            parse("memcached://s3cr3t@h").err(),
            parse("memcached://:s3cr3t@h").err(),
            parse("memcached://u:s3cr3t%4@h").err(),
            parse("memcached://u:s3cr3t%0a@h").err(),
            parse("memcached://u:s3cr3t/@h").err(),
            parse("memcached://u:s3cr3t?x@h").err(),
            parse("memcached://h?password=s3cr3t").err(),
            parse("memcached://h?s3cr3t").err(),
            parse("memcached://h?s3cr3t=").err(),
            parse("memcached://h?S3cr3t=x")
                .map_err(|e| e.to_lowercase())
                .err(),
            host("u:s3cr3t@h").err(),
        ];
        for (n, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("{n} is accepted"));
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn the_port_of_a_kubernetes_service_is_an_address() {
        let read = |text| service(text).map(|read| read.ok());
        let address = |host: &str, port| Some(Some((host.to_owned(), port)));
        assert_eq!(read("tcp://10.0.0.1:11211"), address("10.0.0.1", 11211));
        assert_eq!(read("tcp://[fd00::1]:7"), address("fd00::1", 7));
        assert_eq!(read("tcp://10.0.0.1:x"), Some(None));
        assert_eq!(read("11211"), None);
    }
}
