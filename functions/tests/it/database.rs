//! A database that fails is a 502, which is neither cached nor explained. Once it recovers it is
//! used.

use larder_testing::Memcached;

use crate::postgres::{PASSWORD, Postgres};
use crate::site::{self, Local, Site};

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

fn on(postgres: &Postgres, cache: &str) -> Vec<(&'static str, String)> {
    let mut variables = site::variables(cache);
    variables.push(("DATABASE_URL", postgres.master()));
    variables
}

#[tokio::test]
async fn a_postgres_that_is_down_is_a_502_and_one_that_is_back_is_used_at_once() {
    let mut postgres = Postgres::start();
    for site in site::both(on(&postgres, "memory:")).await {
        assert_eq!(site.get("/user/1").await.status, 200, "{}", site.name());
        postgres.stop();
        let answer = site.get("/user/2").await;
        assert_eq!(answer.status, 502, "{}: {answer:?}", site.name());
        assert!(!answer.body.contains("127.0.0.1"), "{answer:?}");
        assert_eq!(site.get("/user/1").await.status, 200, "it is cached");
        postgres.restart();
        // The idle connections are dead, and no client may notice.
        for id in 3..7 {
            let answer = site.get(&format!("/user/{id}")).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", site.name());
        }
        let program = match &site {
            Site::Functions(functions) => &functions.user.program,
            Site::Local(local) => &local.program,
        };
        let output = program.stdout() + &program.stderr();
        assert!(
            !output.contains(PASSWORD) && !output.contains("hunter2"),
            "{output}"
        );
    }
}

#[tokio::test]
async fn a_postgres_restarted_under_load_costs_answers_only_while_it_is_away() {
    let mut postgres = Postgres::start();
    let memcached = Memcached::start();
    let local = Local::start(&on(&postgres, &memcached.url())).await;
    let asked = |ids: std::ops::Range<i64>| {
        let local = &local;
        let each = ids.map(move |id| async move { local.get(&format!("/user/{id}")).await.status });
        futures_util::future::join_all(each)
    };
    let (before, ()) = tokio::join!(asked(1..40), async { postgres.restart() });
    assert!(
        before.iter().all(|status| [200, 502].contains(status)),
        "{before:?}"
    );
    let after = asked(1..60).await;
    assert!(after.iter().all(|status| *status == 200), "{after:?}");
}

#[tokio::test]
async fn a_process_has_two_connections_to_postgres_at_most() {
    let postgres = Postgres::start();
    let local = Local::start(&on(&postgres, "memory:")).await;
    let asked = (1..60).map(|id| {
        let local = &local;
        async move { local.get(&format!("/user/{id}")).await.status }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'larder'";
    let connections: i64 = postgres.scalar(count).await;
    assert!((1..=2).contains(&connections), "{connections}");
}
