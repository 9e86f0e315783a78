//! The user and the password of a URL. No message shows a part of them.

use crate::store::memcached::Login;

/// `rest` is what follows the `@`.
pub(super) fn parse(login: &str, rest: &str) -> Result<Login, String> {
    let reserved = |text: &str| text.contains(['/', '?', ',', '#', '@', ' ']);
    let hosts = rest.split('?').next().unwrap_or_default();
    if reserved(login) || hosts.contains('@') {
        return Err(
            "one user and password for all servers are before the first host, with / ? , # \
                    @ and blanks in them as %2F %3F %2C %23 %40 %20"
                .to_owned(),
        );
    }
    let (user, password) = login
        .split_once(':')
        .ok_or("there is a user without a password: user:password@host")?;
    let decoded = |text| decode(text).ok_or("a % in the user or the password is %25");
    Login::new(decoded(user)?, decoded(password)?)
}

/// Replaces each `%` and two hexadecimal digits by their byte.
fn decode(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%' {
            let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
            let digits = digits
                .bytes()
                .all(|b| b.is_ascii_hexdigit())
                .then_some(digits)?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &behind[2..];
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_bytes() {
        assert_eq!(decode("a%40b%3a%C3%A9").as_deref(), Some("a@b:\u{e9}"));
        for wrong in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
