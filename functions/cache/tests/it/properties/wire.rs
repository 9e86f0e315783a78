//! A strict parser of memcached's commands: it panics at anything but a command that the cache may
//! send.

/// One command, as a server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) verb: String,
    pub(super) keys: Vec<String>,
    pub(super) data: Option<Vec<u8>>,
}

/// The commands in `bytes`, to its last byte.
pub(super) fn commands(mut bytes: &[u8]) -> Vec<Command> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n");
        let end = end.unwrap_or_else(|| panic!("no line: {:?}", String::from_utf8_lossy(bytes)));
        let line = std::str::from_utf8(&bytes[..end]).expect("a line of text");
        bytes = &bytes[end + 2..];
        let mut command = command(line);
        if let Some(length) = announced(line) {
            assert_eq!(&bytes[length..length + 2], b"\r\n", "behind {line}");
            command.data = Some(bytes[..length].to_vec());
            bytes = &bytes[length + 2..];
        }
        out.push(command);
    }
    out
}

fn command(line: &str) -> Command {
    let words: Vec<_> = line.split(' ').collect();
    let keys = match words[..] {
        ["version" | "mn"] | ["stats", "settings"] => &[][..],
        ["get", ref keys @ ..] if !keys.is_empty() => keys,
        ["gets" | "delete", ref key, ..] => std::slice::from_ref(key),
        ["add", ref key, _, _, _] | ["cas", ref key, _, _, _, _] => std::slice::from_ref(key),
        ["mg" | "ms" | "md", ref key, ..] => std::slice::from_ref(key),
        _ => panic!("no command: {line:?}"),
    };
    keys.iter().for_each(|key| is_key(key, line));
    assert!(line.len() <= 2048, "a server reads lines of 2048 bytes");
    Command {
        verb: words[0].to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        data: None,
    }
}

fn announced(line: &str) -> Option<usize> {
    let mut words = line.split(' ');
    let place = match words.next()? {
        "ms" => 1,
        "add" | "cas" => 3,
        _ => return None,
    };
    let length = words.nth(place).expect("a length");
    Some(length.parse().expect("a length is a number"))
}

fn is_key(key: &str, line: &str) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":._@-".contains(&b);
    assert!(
        (1..=250).contains(&key.len()) && key.bytes().all(plain),
        "{key:?} in {line:?}"
    );
}
