//! A database that fails: 502, nothing cached, nothing told; and used again when it is back.

use crate::site;

#[tokio::test]
async fn a_failing_database_is_a_502_that_is_neither_cached_nor_explained() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not-there-yet");
    let mut variables = site::variables("memory:");
    variables.push((
        "DATABASE_URL",
        format!("sqlite://{}/users.sqlite", place.display()),
    ));
    for site in site::both(variables).await {
        for _ in 0..2 {
            let answer = site.get("/user/7").await;
            assert_eq!(answer.status, 502, "{}: {answer:?}", site.name());
            assert!(
                !answer.body.contains("not-there-yet") && !answer.body.contains("sqlite"),
                "{answer:?}"
            );
        }
        std::fs::create_dir(&place).unwrap();
        let answer = site.get("/user/7").await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", site.name());
        std::fs::remove_dir_all(&place).unwrap();
    }
}
