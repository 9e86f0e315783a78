//! Every request as a line of CSV, written phase by phase.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::client::sample::Sample;
use crate::load::plan::Phase;

const HEADER: &str = "phase,round,function,key,due_s,sent_s,connecting_us,latency_us,outcome,bytes";

pub(crate) struct SampleFile {
    file: BufWriter<File>,
    path: String,
}

impl SampleFile {
    /// Replaces the file.
    pub(crate) fn create(path: &Path) -> Result<Self, String> {
        let path_text = path.display().to_string();
        let failed = |e| format!("cannot write {path_text}: {e}");
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        writeln!(file, "{HEADER}").map_err(failed)?;
        let path = path_text;
        Ok(Self { file, path })
    }

    /// Adds the requests of a phase.
    pub(crate) fn write(
        &mut self,
        (phase, round): (Phase, usize),
        samples: &[Sample],
        names: &[String],
    ) -> Result<(), String> {
        let written = samples.iter().try_for_each(|sample| {
            let us = |duration: std::time::Duration| duration.as_secs_f64() * 1e6;
            let due = sample.due.map(|due| format!("{:.6}", due.as_secs_f64()));
            let connecting = sample.connecting.map(|time| format!("{:.1}", us(time)));
            let bytes = sample
                .answer
                .as_ref()
                .map(|answer| answer.bytes.to_string());
            writeln!(
                self.file,
                "{},{},{},{},{},{:.6},{},{:.1},{},{}",
                phase.label(),
                round + 1,
                names[sample.function],
                sample.key_index,
                due.unwrap_or_default(),
                sample.sent.as_secs_f64(),
                connecting.unwrap_or_default(),
                us(sample.latency),
                sample.label(),
                bytes.unwrap_or_default(),
            )
        });
        let written = written.and_then(|()| self.file.flush());
        written.map_err(|e| format!("cannot write {}: {e}", self.path))
    }
}
