use std::time::{Duration, Instant};

use crate::character::Character;
use crate::server::Server;
use crate::tool;

/// Interrupts once the server has had `requests`; the tool must end soon, with a partial report if it got so far.
fn interrupt_after(requests: u64, origin: Duration) -> tool::Ended {
    interrupt(requests, origin, &["--rounds", "50", "--budget", "120"])
}

fn interrupt(requests: u64, origin: Duration, arguments: &[&str]) -> tool::Ended {
    let server = Server::start(Character {
        origin,
        ..Character::default()
    });
    let running = tool::start(&server.url, arguments);
    let limit = Instant::now() + Duration::from_secs(60);
    while server.requests() < requests {
        assert!(
            Instant::now() < limit,
            "only {} requests came",
            server.requests()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    running.interrupt();
    let began = Instant::now();
    let ended = running.wait();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it took {:?} to stop",
        began.elapsed()
    );
    ended.expect_code(130);
    ended
}

#[test]
fn in_the_middle_of_a_phase() {
    let ended = interrupt_after(120, Duration::from_millis(300));
    let report = ended.report();
    assert_eq!(report["interrupted"], true);
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
    // Phases of a few milliseconds, each followed by Goose's half second: most moments lie between two phases.
    for requests in [150, 171, 203] {
        assert_eq!(
            interrupt_after(requests, Duration::ZERO).report()["interrupted"],
            true
        );
    }
}

#[test]
fn before_the_first_phase() {
    let ended = interrupt_after(1, Duration::from_secs(9));
    assert!(
        ended
            .stderr
            .contains("interrupted before anything was measured"),
        "{}",
        ended.stderr
    );
}

#[test]
fn in_mixed_traffic() {
    // Each round asks 100 times, and flushes with two more; then 60 s of mixed traffic begin.
    let arguments = ["--rounds", "3", "--mixed", "60", "--budget", "120"];
    let ended = interrupt(600, Duration::from_millis(5), &arguments);
    let phases = ended.report()["origin"].as_array().unwrap().clone();
    assert_eq!(phases.last().unwrap()["phase"], "mixed");
}
