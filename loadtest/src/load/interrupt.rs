//! Ctrl-C: one flag that says that the user wants to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::Exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Handles SIGINT, SIGTERM and SIGHUP. Must be called before the first Goose attack: Goose would
/// install its own handler and forget the signal at each further attack, so that Ctrl-C between
/// phases would be lost.
pub(crate) fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            eprintln!("loadtest: stopped immediately; no report was written");
            std::process::exit(Exit::Interrupted as i32);
        }
        goose::trigger_killswitch("interrupted");
    })
}

/// Whether the user wants to stop.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Sleeps for `wait`, or until the user wants to stop.
pub(crate) async fn sleep(wait: Duration) {
    let began = Instant::now();
    while !requested() && began.elapsed() < wait {
        let left = wait.saturating_sub(began.elapsed());
        tokio::time::sleep(left.min(Duration::from_millis(50))).await;
    }
}
