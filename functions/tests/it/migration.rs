//! `migrate` behind the fake Runtime API, on a real Postgres: what it creates, what each role may
//! do then, and that it never shows the secret.

use serde_json::json;

use crate::event::EventSource;
use crate::postgres::{PASSWORD, Postgres};
use crate::program::{self, Program};
use crate::request::Request;
use crate::runtime_api::Function;
use crate::site;

async fn migrate(postgres: &Postgres) -> Function {
    // Without a password, which comes with the event.
    let url = format!("postgres://larder@127.0.0.1:{}/postgres", postgres.port());
    Function::start(program::MIGRATE, &[("DATABASE_URL", url)]).await
}

#[tokio::test]
async fn the_role_of_the_functions_may_read_the_users_and_nothing_else() {
    let postgres = Postgres::start();
    // RDS has this role from the beginning.
    postgres.execute("CREATE ROLE rds_iam").await;
    let function = migrate(&postgres).await;
    let secret = json!({"username": "master", "password": PASSWORD});
    for _ in 0..2 {
        let output = function.invoke(secret.clone()).await.unwrap();
        assert_eq!(output, json!({"users": 500, "role": "larder"}));
    }
    let output = function.program.stdout() + &function.program.stderr();
    assert!(!output.contains("hunter2"), "{output}");

    // This server cannot check IAM tokens, so for this test the role gets a password.
    postgres
        .execute("ALTER ROLE larder PASSWORD 'hunter2 & more'")
        .await;
    let mut variables = site::variables("memory:");
    variables.push(("DATABASE_URL", postgres.url("larder")));
    variables.push(("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()));
    let user = Function::start(program::USER, &variables).await;
    let answer = user
        .invoke(EventSource::HttpApi.event(&Request::get("/user/7")))
        .await
        .unwrap();
    let answer = EventSource::answer(&answer);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json()["result"]["email"],
        "jurgen.nguyen@example.com"
    );

    for right in ["INSERT", "UPDATE", "DELETE", "TRUNCATE"] {
        let may =
            sqlx::query_scalar::<_, bool>("SELECT has_table_privilege('larder', 'users', $1)")
                .bind(right)
                .fetch_one(&mut postgres.connection().await)
                .await
                .unwrap();
        assert!(!may, "{right}");
    }
}

#[tokio::test]
async fn before_the_migration_a_function_on_lambda_makes_no_table_of_its_own() {
    let postgres = Postgres::start();
    let mut variables = site::variables("memory:");
    variables.push(("DATABASE_URL", postgres.master()));
    variables.push(("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()));
    let user = Function::start(program::USER, &variables).await;
    let answer = user
        .invoke(EventSource::HttpApi.event(&Request::get("/user/7")))
        .await
        .unwrap();
    assert_eq!(EventSource::answer(&answer).status, 502);
    let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'users'";
    assert_eq!(postgres.scalar(tables).await, 0);
}

#[tokio::test]
async fn an_error_is_reported_without_the_secret() {
    let postgres = Postgres::start();
    let function = migrate(&postgres).await;
    for (event, says) in [
        (json!({"username": "master"}), "\"password\""),
        (json!({"password": "hunter2"}), "\"username\""),
        (json!("hunter2"), "\"username\""),
        (
            json!({"username": "master", "password": "hunter2"}),
            "password authentication failed",
        ),
        // The role rds_iam exists on RDS but not on this server.
        (
            json!({"username": "master", "password": PASSWORD}),
            "rds_iam",
        ),
    ] {
        let output = function.invoke(event).await.unwrap_err();
        let output = output["errorMessage"].as_str().unwrap();
        let logged = function.program.stdout() + &function.program.stderr();
        assert!(output.contains(says), "{says}: {output}");
        assert!(
            !output.contains("hunter2") && !logged.contains("hunter2"),
            "{output}; {logged}"
        );
    }
}

#[tokio::test]
async fn a_sqlite_file_is_not_migrated() {
    let variables = [("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1".to_owned())];
    let mut program = Program::start(program::MIGRATE, &variables);
    assert_eq!(program.ended().await, Some(1));
    assert!(
        program.stderr().contains("DATABASE_URL"),
        "{}",
        program.stderr()
    );
}
