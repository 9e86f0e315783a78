use std::time::{Duration, Instant};

use crate::character::Character;
use crate::server::Server;
use crate::tool;

/// Interrupts after `requests`; the tool must end soon, with a partial report if it got so far.
fn interrupt_after(requests: u64, origin: Duration) -> tool::Ended {
    interrupt(requests, origin, &["--rounds", "50", "--budget", "120"])
}

fn interrupt(requests: u64, origin: Duration, arguments: &[&str]) -> tool::Ended {
    interrupt_when(origin, arguments, |server, _| server.requests() >= requests)
}

/// Interrupts when `now` is true, given the server and the progress so far.
fn interrupt_when(
    origin: Duration,
    arguments: &[&str],
    now: impl FnMut(&Server, &str) -> bool,
) -> tool::Ended {
    let (ended, _) = end_when(origin, arguments, now);
    assert_eq!(ended.report()["interrupted"], true);
    ended
}

/// The same without reading the report, but with the number of requests after the interrupt.
fn end_when(
    origin: Duration,
    arguments: &[&str],
    mut now: impl FnMut(&Server, &str) -> bool,
) -> (tool::Ended, u64) {
    let server = Server::start(Character {
        origin,
        ..Character::default()
    });
    let broken = server.outage();
    let (breaks, mends) = (format!("touch {broken}"), format!("rm {broken}"));
    let fault = ["--break-cache", &breaks, "--mend-cache", &mends];
    let running = tool::start(&server.url, &[arguments, &fault].concat());
    let limit = Instant::now() + Duration::from_secs(60);
    while !now(&server, &running.progress()) {
        assert!(Instant::now() < limit, "never: {}", running.progress());
        std::thread::sleep(Duration::from_millis(5));
    }
    running.interrupt();
    let before = server.requests();
    let began = Instant::now();
    let ended = running.wait();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it took {:?} to stop",
        began.elapsed()
    );
    ended.expect_code(130);
    assert!(
        !std::path::Path::new(&broken).exists(),
        "the cache is whole"
    );
    let after = server.requests() - before;
    (ended, after)
}

fn last_phase(ended: &tool::Ended) -> String {
    let report = ended.report();
    let last = report["origin"].as_array().unwrap().last().unwrap();
    last["phase"].as_str().unwrap().to_owned()
}

#[test]
fn in_the_middle_of_a_phase() {
    let ended = interrupt_after(120, Duration::from_millis(300));
    let report = ended.report();
    assert!(
        !report["rows"].as_array().unwrap().is_empty(),
        "what was measured is kept"
    );
    assert!(
        ended.stdout.contains("INTERRUPTED") && ended.file("report.html").contains("INTERRUPTED")
    );
}

#[test]
fn at_many_moments_of_quick_phases() {
    // Phases take a few milliseconds, and Goose half a second after each: most interrupts hit
    // between two phases.
    for requests in [150, 171, 203] {
        interrupt_after(requests, Duration::ZERO);
    }
}

#[test]
fn before_the_first_phase_the_reports_of_an_earlier_run_stay() {
    let out = tempfile::tempdir().unwrap();
    let earlier = out.path().join("report.json");
    std::fs::write(&earlier, "earlier").unwrap();
    let arguments = ["--out", out.path().to_str().unwrap()];
    let (ended, _) = end_when(Duration::from_secs(9), &arguments, |server, _| {
        server.requests() >= 1
    });
    assert!(
        ended.stderr.contains("nothing was written"),
        "{}",
        ended.stderr
    );
    assert_eq!(std::fs::read_to_string(&earlier).unwrap(), "earlier");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn in_mixed_traffic() {
    // Each round sends 100 requests and two for the flush; then there are 60 s of mixed traffic.
    let arguments = ["--rounds", "3", "--mixed", "60", "--budget", "120"];
    let ended = interrupt(600, Duration::from_millis(5), &arguments);
    assert_eq!(last_phase(&ended), "mixed");
}

#[test]
fn in_a_stampede() {
    let arguments = ["--functions", "heavy-op", "--rounds", "1", "--keys", "1"];
    let arguments = [&arguments[..], &["--repeats", "1", "--bursts", "3"]].concat();
    let mut before = 0;
    let ended = interrupt_when(Duration::from_secs(2), &arguments, |server, progress| {
        if !progress.contains("warm 1:") {
            before = server.requests();
        }
        server.requests() >= before + 20
    });
    assert_eq!(last_phase(&ended), "stampede");
}

#[test]
fn while_the_cache_is_broken() {
    let ended = interrupt_when(Duration::from_millis(5), &[], |server, _| {
        std::path::Path::new(&server.outage()).exists()
    });
    assert_eq!(last_phase(&ended), "faults");
}

/// Users that wait for a request due in some seconds stop waiting: two requests a second would have
/// followed for seconds.
#[test]
fn what_is_due_later_is_not_sent() {
    let (ended, after) = end_when(Duration::from_millis(5), &["--rate", "2"], |server, _| {
        std::path::Path::new(&server.outage()).exists()
    });
    assert_eq!(last_phase(&ended), "faults");
    assert!(after < 5, "{after} requests after the interrupt");
}
