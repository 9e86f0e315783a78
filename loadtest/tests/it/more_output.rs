use crate::character::Character;
use crate::server::Server;
use crate::tool;
use std::time::Duration;

fn slow_origin() -> Server {
    Server::start(Character {
        origin: Duration::from_millis(40),
        ..Character::default()
    })
}

const MIXED: [&str; 6] = ["--mixed", "2", "--functions", "heavy-op", "--rate", "60"];

#[test]
fn the_answer_says_first_whether_the_cache_is_worth_it_and_its_price_is_taken_off() {
    let server = slow_origin();
    let answer = |more: &[&str]| {
        let ended = tool::run_quietly(&server.url, &[&MIXED[..], more].concat());
        ended.expect_code(0);
        let sentence = "heavy-op, worth it: at ";
        assert_eq!(
            more.is_empty(),
            ended.stdout.contains(sentence),
            "{}",
            ended.stdout
        );
        (ended.report()["answers"][0].clone(), ended)
    };
    let (worth, ended) = answer(&[]);
    assert_eq!(worth["worth"], "worth-it");
    let [with, without] = ["with_us", "without_us"].map(|name| worth[name].as_f64().unwrap());
    assert!(with < without && without >= 40e3, "{worth}");
    assert!(worth["money"]["saved"].as_f64().unwrap() > 0.0, "{worth}");
    assert!(
        ended
            .file("report.html")
            .contains("<b>heavy-op, worth it.</b>")
    );
    let (dear, _) = answer(&["--cache-price", "100000"]);
    assert_eq!(dear["worth"], "cannot-be-told", "time for money: {dear}");
}

#[test]
fn build_servers_and_histories_get_their_forms_and_every_request_is_a_line() {
    let server = slow_origin();
    let out = tempfile::tempdir().unwrap();
    let file = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let [junit, prometheus, samples] = ["a.xml", "b.prom", "c.csv"].map(file);
    let more = [
        "--junit",
        &junit,
        "--prometheus",
        &prometheus,
        "--samples",
        &samples,
        "--fail-if",
        "p95{phase=warm} > 1us",
        "--fail-if",
        "failed > 5%",
        "--fail-if",
        "rate < 10",
    ];
    let ended = tool::run_quietly(&server.url, &[&MIXED[..], &more].concat());
    ended.expect_code(3);
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let junit = read(&junit);
    assert!(
        junit.contains("failures=\"1\"") && junit.contains("p95{phase=warm} &gt; 1us"),
        "{junit}"
    );
    let prometheus = read(&prometheus);
    let line =
        "loadtest_latency_seconds_count{phase=\"cold\",function=\"heavy-op\",outcome=\"miss\"} 30";
    assert!(
        prometheus.contains(line) && prometheus.contains("loadtest_valid 1"),
        "{prometheus}"
    );
    let samples = read(&samples);
    let of = |start: &str| {
        samples
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!(
        (of("phase,round"), of("cold,1,heavy-op,")),
        (1, 10),
        "{samples}"
    );
    assert!(
        ended.stdout.contains("requests........"),
        "{}",
        ended.stdout
    );
    let unwritable = tool::run("http://127.0.0.1:1", &["--junit", "/nowhere/a.xml"]);
    unwritable.expect_code(2);
}

/// One call at a time of 40 ms: 25 calls a second are all that the origin can do.
#[test]
fn capacity_is_found_with_the_cache_and_past_it() {
    let server = Server::start(Character {
        origin: Duration::from_millis(40),
        one_core: true,
        ..Character::default()
    });
    let more = [
        "--functions",
        "heavy-op",
        "--slo",
        "p90<300ms",
        "--budget",
        "80",
    ];
    let ended = tool::run_quietly(&server.url, &more);
    ended.expect_code(0);
    let capacity = &ended.report()["capacity"][0];
    let kept = |ramp: &str| capacity[ramp]["kept"].as_f64().unwrap();
    assert!((1.0..40.0).contains(&kept("without_cache")), "{capacity}");
    assert!(
        kept("with_cache") > 2.0 * kept("without_cache"),
        "{capacity}"
    );
    assert!(
        ended
            .stdout
            .contains("capacity of heavy-op within p90 < 300ms"),
        "{}",
        ended.stdout
    );
}

/// Four users that get a hit after 20 ms each ask 50 times a second.
#[test]
fn users_ask_again_as_soon_as_they_have_their_answer_and_goose_reports_them() {
    let server = Server::start(Character {
        hit: Duration::from_millis(20),
        ..Character::default()
    });
    let out = tempfile::tempdir().unwrap();
    let goose = out.path().join("goose.html");
    let more = [
        "--functions",
        "user",
        "--users",
        "4",
        "--increase-rate",
        "100",
        "--run-time",
        "3s",
        "--goose-report",
        goose.to_str().unwrap(),
    ];
    let ended = tool::run_quietly(&server.url, &more);
    ended.expect_code(0);
    let report = ended.report();
    let mixed = &report["effect"]["functions"][0];
    let lookups = mixed["lookups"].as_u64().unwrap();
    assert!((40..=640).contains(&lookups), "{mixed}\n{}", ended.stdout);
    assert_eq!(ended.verdict("Goose's count"), "pass");
    let goose = std::fs::read_to_string(goose).unwrap();
    assert!(
        goose.contains("mixed user"),
        "its own names are in its report"
    );
}
