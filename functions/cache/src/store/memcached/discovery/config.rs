//! The answer to `config get cluster`, as the AWS documentation on Auto Discovery gives it:
//!
//! ```text
//! CONFIG cluster 0 <length>\r\n
//! <version>\n<host>|<ip>|<port> <host>|<ip>|<port>\n\r\n
//! END\r\n
//! ```

use super::super::{super::StoreError, socket::Endpoint};

/// The answer of a configuration endpoint. Without nodes if it is not a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) version: u64,
    pub(super) nodes: Vec<Endpoint>,
}

/// The longest first line that an endpoint may send.
const LINE: usize = 512;
/// ElastiCache allows 60 nodes.
const NODES: usize = 100;
/// The list of 60 nodes is shorter than this many bytes.
const BODY: usize = 32 << 10;

/// `None` while the answer is incomplete.
pub(super) fn read(answer: &[u8]) -> Result<Option<Config>, StoreError> {
    let Some(end) = answer.iter().position(|b| *b == b'\n') else {
        return if answer.len() < LINE {
            Ok(None)
        } else {
            Err(StoreError::Protocol)
        };
    };
    let line = answer[..end]
        .strip_suffix(b"\r")
        .ok_or(StoreError::Protocol)?;
    let line = std::str::from_utf8(line).map_err(|_| StoreError::Protocol)?;
    if line == "ERROR" {
        return Ok(Some(Config {
            version: 0,
            nodes: Vec::new(),
        }));
    }
    let length = line
        .strip_prefix("CONFIG cluster 0 ")
        .and_then(|n| n.parse::<usize>().ok());
    let length = length
        .filter(|length| *length <= BODY)
        .ok_or(StoreError::Protocol)?;
    let body = &answer[end + 1..];
    let whole = length + "\r\nEND\r\n".len();
    if body.len() < whole {
        return Ok(None);
    }
    if body.len() > whole || body[length..] != *b"\r\nEND\r\n" {
        return Err(StoreError::Protocol);
    }
    let body = std::str::from_utf8(&body[..length]).map_err(|_| StoreError::Protocol)?;
    parse(body).map(Some).ok_or(StoreError::Protocol)
}

fn parse(body: &str) -> Option<Config> {
    let mut lines = body.trim().lines();
    let version = lines.next()?.trim().parse().ok()?;
    let nodes = lines
        .next()?
        .split_whitespace()
        .map(node)
        .collect::<Option<Vec<_>>>()?;
    let sound = lines.next().is_none() && (1..=NODES).contains(&nodes.len());
    sound.then_some(Config { version, nodes })
}

/// `host|ip|port`; the IP may be empty, and is used only where the host is.
fn node(text: &str) -> Option<Endpoint> {
    let (host, rest) = text.split_once('|')?;
    let (ip, port) = rest.rsplit_once('|')?;
    let host = if host.is_empty() { ip } else { host };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let sound = !host.is_empty() && host.len() <= 253 && host.bytes().all(plain);
    sound.then(|| Endpoint::Tcp {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Vec<u8> {
        format!("CONFIG cluster 0 {}\r\n{body}\r\nEND\r\n", body.len()).into_bytes()
    }

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn a_list_is_read_when_it_is_whole_and_not_before() {
        let list = answer("12\nhost1|10.82.235.120|11211 host2||11212 |::1|7\n");
        for cut in 0..list.len() {
            assert_eq!(read(&list[..cut]), Ok(None), "cut at {cut}");
        }
        let nodes = vec![tcp("host1", 11211), tcp("host2", 11212), tcp("::1", 7)];
        assert_eq!(read(&list), Ok(Some(Config { version: 12, nodes })));
        assert_eq!(
            read(b"ERROR\r\n"),
            Ok(Some(Config {
                version: 0,
                nodes: Vec::new()
            }))
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let rows = [
            answer("12\n\n"),
            answer("x\nhost||11211\n"),
            answer("12\nhost|11211\n"),
            answer("12\nhost||0\n"),
            answer("12\nhost||99999\n"),
            answer("12\n||11211\n"),
            answer("12\nho/st||11211\n"),
            answer("12\nhost||11211\nmore\n"),
            b"CONFIG cluster 0 18446744073709551615\r\n".to_vec(),
            b"CONFIG cluster 0 1000000000\r\n".to_vec(),
            b"CONFIG cluster 0 3\r\n12\nhost||11211\n\r\nEND\r\n".to_vec(),
            b"SERVER_ERROR\r\n".to_vec(),
            b"\xff\r\n".to_vec(),
            vec![b'x'; LINE],
        ];
        for row in rows {
            assert_eq!(
                read(&row),
                Err(StoreError::Protocol),
                "{:?}",
                String::from_utf8_lossy(&row)
            );
        }
    }
}
