//! The login that a password-protected server expects as the first command of a connection:
//! memcached's ASCII authentication (`memcached -Y`). SASL, which belongs to the binary protocol,
//! is not supported.

/// A user and a password. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(not shown)")
    }
}

/// The answer to a login that was accepted, or that the server does not ask for.
pub(super) const ACCEPTED: &str = "STORED\r\n";

impl Login {
    /// # Errors
    /// What is wrong, without what is shown nowhere.
    pub(crate) fn new(user: String, password: String) -> Result<Self, String> {
        if user.is_empty() || password.is_empty() {
            return Err("the user or the password is empty".to_owned());
        }
        // memcached takes what follows a blank for the password, and of that the first word.
        let separates = |c: char| c == ' ' || c.is_control();
        if user.contains(separates) || password.contains(separates) {
            return Err("there is a blank in the user or the password".to_owned());
        }
        Ok(Self { user, password })
    }

    /// Appends the command. A server without passwords takes it for a `set`: of an item that has
    /// expired already, so that the password is not kept there.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { user, password } = self;
        let length = user.len() + 1 + password.len();
        let command = format!("set larder:login 0 -1 {length}\r\n{user} {password}\r\n");
        out.extend_from_slice(command.as_bytes());
    }
}
