//! Any text, from a visitor or the database, is shown exactly as it is, and none of it is run.

use serde_json::Value;
use sqlx::Connection;

use super::browser::DESK;
use super::visit::{HEAVY, USER, Visit, demo};

const HOSTILE: [&str; 4] = [
    "<script>alert(1); window.ran = 1</script>",
    "\"><img src=x onerror=\"window.ran = 1\">",
    "</textarea></dd><svg onload=window.ran=1>",
    "javascript:window.ran=1//'`${window.ran=1}",
];

/// True if a text has become an element or has run as code.
const RAN: &str = "return window.ran !== undefined || document.querySelectorAll('main script, main img, main iframe, .answer svg:not(.icon)').length > 0";

#[tokio::test]
async fn any_text_comes_back_as_it_was_sent() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let mild = [
        "مرحبا بالعالم",
        "שלום abc",
        "n\u{303} is not ñ",
        "e\u{301}\u{323}\u{308}",
        "a+b&c=d%20#e?/",
        "one\ntwo",
        " ",
        "\u{202e}reversed",
        "\u{0}",
        "👩🏽‍🚀👨‍👩‍👧‍👦",
    ];
    for text in mild.into_iter().chain(HOSTILE) {
        visit.ask_for(text).await;
        assert_eq!(
            visit.fields(HEAVY).await.first().map(String::as_str),
            Some(text),
            "{}",
            visit.says(HEAVY).await
        );
        assert_eq!(visit.browser.js(RAN).await, false, "{text}");
    }
}

#[tokio::test]
async fn a_thousand_and_twenty_four_bytes_of_emoji_fit_and_no_byte_more() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let most = "🫙".repeat(256);
    visit.ask_for(&most).await;
    assert_eq!(visit.fields(HEAVY).await[0], most);
    let count = "return document.getElementById('bytes').className";
    assert_eq!(visit.browser.js(count).await, "count");
    visit.ask_for(&format!("{most}a")).await;
    assert_eq!(visit.browser.js(count).await, "count over");
    let refused = visit
        .local
        .get(&format!("/heavy-op?param={}", "a".repeat(1025)))
        .await
        .json();
    assert_eq!(visit.kind(HEAVY).await, "error");
    let says = visit.says(HEAVY).await;
    assert!(
        says.contains("400") && says.contains(detail(&refused)),
        "{says} has not: {refused}"
    );
}

#[tokio::test]
async fn no_text_at_all_gets_the_servers_own_words() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.ask_for("").await;
    let refused = visit.local.get("/heavy-op?param=").await.json();
    assert!(visit.says(HEAVY).await.contains(detail(&refused)));
    for id in ["x", "-1", "9223372036854775808", "7 or 1=1"] {
        visit.ask_user(id).await;
        let encoded = id.replace(' ', "%20").replace('=', "%3D");
        let refused = visit.local.get(&format!("/user/{encoded}")).await.json();
        let says = visit.says(USER).await;
        assert!(
            says.contains("400") && says.contains(detail(&refused)),
            "{says} has not: {refused}"
        );
    }
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[tokio::test]
async fn user_data_is_text_too() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/users.sqlite", folder.path().display());
    let mut variables = demo("memory:");
    variables.push(("DATABASE_URL", database.clone()));
    let visit = Visit::to(&variables, DESK).await;
    visit.ask_user("500").await; // creates and seeds the database
    let mut connection = sqlx::SqliteConnection::connect(&database).await.unwrap();
    let emoji = "🫙".repeat(256);
    let names = HOSTILE.into_iter().chain([emoji.as_str()]);
    for (id, name) in (1_i64..).zip(names) {
        sqlx::query("UPDATE users SET name = ?, email = ? WHERE id = ?")
            .bind(name)
            .bind(format!("\u{202e}{id}moc.elpmaxe@👩🏽‍🚀"))
            .bind(id)
            .execute(&mut connection)
            .await
            .unwrap();
        visit.ask_user(&id.to_string()).await;
        let fields = visit.fields(USER).await;
        assert_eq!(
            fields[1..3],
            [name.to_owned(), format!("\u{202e}{id}moc.elpmaxe@👩🏽‍🚀")]
        );
        assert_eq!(visit.browser.js(RAN).await, false, "{name}");
    }
}
