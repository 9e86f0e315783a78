//! Calls each of the cached functions, and computes keys that must never change.

#![deny(warnings, missing_docs)]

use std::collections::HashMap;

use larder::{Cache, Outcome};
use outside::{Load, LoadError, Report, Tenant, borrowed, even, free, parsed, user};

mod golden;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    larder::install(Cache::memory()).expect("the first cache");
    free_functions().await;
    methods().await;
    generics().await;
    absences().await;
    arguments().await;
    for (what, key, expected) in golden::keys() {
        assert_eq!(hex(key.digest()), expected, "{what}");
    }
    let number = serde_json::from_str::<serde_json::Value>("1.10").expect("a number");
    assert_eq!(number.to_string(), "1.10", "arbitrary_precision is on");
    let order = serde_json::from_str::<serde_json::Value>(r#"{"b":1,"a":2}"#).expect("a map");
    assert_eq!(
        order.to_string(),
        r#"{"b":1,"a":2}"#,
        "preserve_order is on"
    );
    println!("seven shapes, {} keys", golden::keys().len());
}

async fn free_functions() {
    let name = || "x".to_owned();
    let expected = Ok(Report {
        of: "1 x".to_owned(),
    });
    assert_eq!(free(1, name()).await, expected);
    assert!(free::fetch(1, name()).await.expect("a report").is_hit());
    assert_eq!(free::uncached(1, name()).await, expected);
    free::invalidate(1, name()).await.expect("acknowledged");
    assert!(free::peek(1, name()).await.is_none());
    let put = Report {
        of: "put".to_owned(),
    };
    free::put(1, name(), &put).await.expect("acknowledged");
    assert_eq!(free(1, name()).await, Ok(put));
    let refreshed = free::refresh(1, name()).await.expect("a report");
    assert!(matches!(refreshed.outcome(), Outcome::Refreshed(_)));
    free::expire(1, name()).await.expect("acknowledged");
    assert!(
        !free::peek(1, name())
            .await
            .expect("a stale report")
            .is_hit()
    );
    assert_eq!(free::key(1, name()).expect("a key").name(), "outside-free");
    for _ in 0..2 {
        assert_eq!(free(0, name()).await, Err(LoadError));
    }
}

async fn methods() {
    let tenant = |name: &str| Tenant {
        name: name.to_owned(),
    };
    let (a, b) = (tenant("a"), tenant("b"));
    for of in [&a, &b] {
        assert_eq!(
            of.report(1).await.expect("a report").of,
            format!("1 of {}", of.name)
        );
        assert!(of.report_fetch(1).await.expect("a report").is_hit());
    }
    a.report_invalidate(1).await.expect("acknowledged");
    assert!(a.report_peek(1).await.is_none() && b.report_peek(1).await.is_some());
    assert_eq!(a.load(1).await, b.load(1).await);
}

async fn generics() {
    assert_eq!(parsed::<u8>("7").await, Ok(7));
    assert_eq!(parsed::<String>("7").await, Ok("7".to_owned()));
    assert!(parsed::fetch::<u8>("7").await.expect("a number").is_hit());
    assert!(parsed::<u8>("x").await.is_err());
}

async fn absences() {
    for hit in [false, true] {
        assert_eq!(even::fetch(3).await.is_hit(), hit);
        assert_eq!(even(3).await, None);
    }
    assert_eq!(even(4).await, Some(4));
    let users = HashMap::from([(1, "Ada".to_owned())]);
    assert_eq!(
        user(1, &users).await.expect("a user").as_deref(),
        Some("Ada")
    );
    assert!(user(2, &users).await.expect("no user").is_none());
    // The companions that only need the key do not take the skipped argument.
    assert!(user::peek(2).await.expect("an absence").is_hit());
    assert!(user(-1, &users).await.is_err());
    assert!(user::peek(-1).await.is_none());
}

async fn arguments() {
    let expected = r#"a Some("b") [1, 2] [("c", 3)]"#;
    for _ in 0..2 {
        let (owned, numbers) = ("a".to_owned(), vec![1, 2]);
        let answer = borrowed(&owned, Some("b"), &numbers, &[("c", 3)]).await;
        assert_eq!(answer, expected);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
