//! Ctrl-C. Owns the one flag that says the user wants to stop; knows nothing of what is being stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::Exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes SIGINT, SIGTERM and SIGHUP for this process. Must come before the first Goose attack: Goose would install its
/// own handler then, and clear what it remembers at each further attack, so that Ctrl-C between phases would be lost.
pub(crate) fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            eprintln!("loadtest: stopped at once: no report was written");
            std::process::exit(Exit::Interrupted as i32);
        }
        goose::trigger_killswitch("interrupted");
    })
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits so long, or until the user asks to stop.
pub(crate) async fn sleep(wait: Duration) {
    let began = Instant::now();
    while !requested() && began.elapsed() < wait {
        let left = wait.saturating_sub(began.elapsed());
        tokio::time::sleep(left.min(Duration::from_millis(50))).await;
    }
}
