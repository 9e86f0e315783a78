//! Progress on stderr: one line that is updated on a terminal, and plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::Client;
use crate::load::phase_runner::PhaseRunner;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// One line that is updated five times a second, and a plain line per phase.
    Terminal,
    /// A plain line per phase, so that CI logs stay readable.
    Lines,
    Silent,
}

impl Progress {
    /// A terminal gets the updated line, anything else plain lines.
    pub(crate) fn detect(silent: bool) -> Self {
        match (silent, std::io::stderr().is_terminal()) {
            (true, _) => Self::Silent,
            (_, true) => Self::Terminal,
            _ => Self::Lines,
        }
    }

    pub(crate) fn print(self, client: &Client, text: &str) {
        let seconds = client.elapsed().as_secs_f64();
        match self {
            Self::Terminal => write(&format!("\r\x1b[K{seconds:5.1} s  {text}\n")),
            Self::Lines => write(&format!("{seconds:5.1} s  {text}\n")),
            Self::Silent => {}
        }
    }

    /// Updates the progress line until the result is dropped.
    pub(crate) fn watch(
        self,
        client: Arc<Client>,
        runner: Arc<PhaseRunner>,
        (title, budget): (String, Duration),
    ) -> Watch {
        let ticker = (self == Self::Terminal).then(|| {
            tokio::spawn(async move {
                loop {
                    progress_line(&client, &runner, (&title, budget));
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
        });
        Watch(ticker)
    }
}

/// Dropping it ends the updates.
pub(crate) struct Watch(Option<tokio::task::JoinHandle<()>>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(ticker) = &self.0 {
            ticker.abort();
        }
    }
}

fn progress_line(client: &Client, runner: &PhaseRunner, (title, budget): (&str, Duration)) {
    let load = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    let (done, all) = (load(&runner.progress.done), runner.plan.len().max(1));
    let filled = done * 20 / all;
    let bar: String = (0..20)
        .map(|i| if i < filled { '█' } else { '░' })
        .collect();
    let (seconds, hits, failed) = (
        client.elapsed().as_secs_f64(),
        load(&runner.progress.hits),
        load(&runner.progress.failed),
    );
    let failures = if failed > 0 {
        format!("  {failed} failed")
    } else {
        String::new()
    };
    let left = budget.saturating_sub(client.elapsed()).as_secs();
    write(&format!(
        "\r\x1b[K{seconds:5.1} s  {title}  {bar} {done}/{all}  {hits} hits{failures}  at most \
         {left} s left"
    ));
}

/// A closed stderr must not end the measurement.
fn write(text: &str) {
    _ = std::io::stderr().write_all(text.as_bytes());
}
