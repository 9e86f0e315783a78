use super::*;

fn parse(text: &str) -> Result<DatabaseUrl, String> {
    DatabaseUrl::parse(text, &|name| match name {
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("hunter2".to_owned()),
        _ => None,
    })
}

fn postgres(text: &str) -> PostgresUrl {
    match parse(text).unwrap() {
        DatabaseUrl::Postgres(url) => url,
        DatabaseUrl::Sqlite(_) => panic!("{text} is SQLite"),
    }
}

#[test]
fn an_unset_variable_is_a_file_here_and_a_bad_one_is_named() {
    let with = |value: &str| DatabaseUrl::from_lookup(|_| Some(value.to_owned()));
    assert!(matches!(with("").unwrap(), DatabaseUrl::Sqlite(_)));
    let error = with("mysql://user:hunter2@host/db").unwrap_err();
    assert_eq!(error.variable, "DATABASE_URL");
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_database_is_shown_without_its_password() {
    for (text, shown) in [
        ("sqlite:///tmp/a.sqlite", "sqlite:///tmp/a.sqlite"),
        (
            "postgres://u:hunter2@localhost/d",
            "postgres://u@localhost:5432/d",
        ),
        ("postgresql://u@[::1]:5433/d", "postgres://u@::1:5433/d"),
        (
            "postgres://u@db.example.com/d?auth=iam&sslrootcert=rds",
            "postgres://u@db.example.com:5432/d",
        ),
    ] {
        let url = parse(text).unwrap();
        assert_eq!(url.to_string(), shown);
        assert!(!format!("{url:?}").contains("hunter2"), "{url:?}");
    }
    assert_eq!(DatabaseUrl::default().to_string(), "sqlite://users.sqlite");
}

#[test]
fn a_url_that_can_not_be_used_says_why_without_showing_itself() {
    for (text, says) in [
        ("", "sqlite://"),
        ("users.sqlite", "sqlite://"),
        ("mysql://u:secret@h/d", "postgres://"),
        ("sqlite://", "sqlite://"),
        ("sqlite://?mode=ro", "sqlite://"),
        ("sqlite://a?mode=secret", "sqlite://"),
        ("postgres://u:secret@h", "DATABASE"),
        ("postgres://:secret@h/d", "USER"),
        ("postgres:///d?user=secret", "HOST"),
        ("postgres://u:secret@h:99999/d", "port"),
        ("postgres://u:%FFsecret@h/d", "the password is not UTF-8"),
        ("postgres://u:secret@h/d?sslmode=prefer", "sslmode"),
        ("postgres://u:secret@h/d?sslmode=", "sslmode"),
        ("postgres://u:secret@h/d?secret=1", "unknown parameter"),
        ("postgres://u@h/d?auth=secret", "auth"),
        ("postgres://u:secret@h/d?auth=iam", "has a password"),
        ("postgres://u@h/d?auth=iam&sslmode=require", "verify-full"),
        ("postgres://u@localhost/d?auth=iam", "verify-full"),
        ("postgres://u@localhost/d?sslrootcert=/a.pem", "sslrootcert"),
    ] {
        let reason = parse(text).unwrap_err();
        assert!(reason.contains(says), "{text}: {reason}");
        assert!(!reason.contains("secret"), "{text}: {reason}");
    }
}

#[test]
fn only_this_machine_is_reached_without_encryption_unless_asked() {
    for (text, mode) in [
        ("postgres://u@localhost/d", SslMode::Disable),
        ("postgres://u@127.0.0.1/d", SslMode::Disable),
        ("postgres://u@[::1]/d", SslMode::Disable),
        ("postgres://u@db.example.com/d", SslMode::VerifyFull),
        (
            "postgres://u@db.example.com/d?sslmode=require",
            SslMode::Require,
        ),
        ("postgres://u@db/d?sslmode=disable", SslMode::Disable),
        (
            "postgres://u@localhost/d?sslmode=verify-full",
            SslMode::VerifyFull,
        ),
    ] {
        assert!(postgres(text).tls.mode == mode, "{text}");
    }
}

#[test]
fn parts_are_decoded() {
    let url = postgres("postgres://us%40er:p%2Fw%3A@h/my%20db");
    assert_eq!(
        (url.user.as_str(), url.database.as_str()),
        ("us@er", "my db")
    );
    assert!(url.login == Login::Password(Some("p/w:".to_owned())));
}

#[test]
fn iam_needs_what_lambda_puts_into_the_environment() {
    let text = "postgres://u@db.example.com/d?auth=iam";
    let reason = DatabaseUrl::parse(text, &|_| None).unwrap_err();
    assert!(reason.contains("AWS_"), "{reason}");
}
