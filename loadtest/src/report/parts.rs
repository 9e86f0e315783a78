//! What one of several generators measured, as a file, and the report of all of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::{origin_calls::Readings, totals::FlushProbe, totals::Totals};
use crate::checks::{self, tool};
use crate::load::{generators::Part, machine::Machine, profile::Profile};
use crate::phases::session::Session;
use crate::report::{
    build::Figures, build::tool, model::Report, model::SCHEMA, model::TargetFacts,
};

/// The version of a part's JSON form.
const PART_SCHEMA: &str = "loadtest-part/1";

/// The file of one generator.
#[derive(Serialize, Deserialize)]
pub(crate) struct PartReport {
    schema: String,
    tool: String,
    pub(crate) part: Part,
    /// When all began, RFC 3339, UTC.
    begin: String,
    machine: Machine,
    /// What all send together.
    profile: Profile,
    target: TargetFacts,
    names: Vec<String>,
    totals: Totals,
    readings: Readings,
    flush_probe: FlushProbe,
    notes: Vec<String>,
    interrupted: bool,
}

impl PartReport {
    pub(crate) fn new(
        session: Session,
        (part, begin): (Part, String),
        machine: Machine,
        interrupted: bool,
    ) -> Self {
        let mut notes = session.limitations.clone();
        notes.extend(tool::generator_notes(&session.totals.phases));
        Self {
            schema: PART_SCHEMA.to_owned(),
            tool: tool(),
            part,
            begin,
            machine,
            target: session.target(),
            profile: session.profile,
            names: session.names,
            totals: session.totals,
            readings: session.readings,
            flush_probe: session.flush_probe,
            notes,
            interrupted,
        }
    }

    /// A sentence on what it has measured.
    pub(crate) fn describe(&self) -> String {
        format!("{}: {}", self.part, self.totals.last_phase())
    }

    /// Why this is no part of the same run as `first`.
    fn differs(&self, first: &Self) -> Option<&'static str> {
        let differences = [
            (self.schema != PART_SCHEMA, "its form is not this tool's"),
            (
                self.tool != first.tool,
                "another version of this tool wrote it",
            ),
            (
                self.part.of != first.part.of,
                "it is one of another number of parts",
            ),
            (self.begin != first.begin, "it began at another time"),
            (
                self.target.url != first.target.url,
                "its target is another one",
            ),
            (self.names != first.names, "it measured other functions"),
            (self.load() != first.load(), "it was asked for another load"),
        ];
        let mut differences = differences.into_iter();
        differences.find_map(|(differs, why)| differs.then_some(why))
    }

    /// What has to be the same in all parts.
    fn load(&self) -> (Duration, u64, u64, u64) {
        let Profile {
            mixed,
            rate,
            zipf,
            seed,
            ..
        } = self.profile;
        (mixed, rate.to_bits(), zipf.to_bits(), seed)
    }

    fn time(&self) -> Option<(Duration, Duration)> {
        let phase = self.totals.phases.first()?;
        Some((phase.began, phase.ended))
    }
}

/// One report of all parts.
///
/// # Errors
/// They are not the parts of one run, or one is missing.
pub(crate) fn merge(parts: Vec<(String, PartReport)>) -> Result<Report, String> {
    let mut parts = parts;
    parts.sort_by_key(|(_, part)| part.part);
    let (_, first) = parts.first().ok_or("there is no part")?;
    for (file, part) in &parts {
        if let Some(why) = part.differs(first) {
            return Err(format!("{file} is no part of the same run: {why}"));
        }
    }
    let numbers: Vec<usize> = parts.iter().map(|(_, part)| part.part.number).collect();
    if numbers != (1..=first.part.of).collect::<Vec<usize>>() {
        let of = first.part.of;
        return Err(format!(
            "parts 1 to {of} are needed, once each; these are {numbers:?}"
        ));
    }
    let times: Vec<_> = parts.iter().filter_map(|(_, part)| part.time()).collect();
    let silent = times.len() < parts.len();
    let mut rest = parts.into_iter().map(|(_, part)| part);
    let first = rest.next().ok_or("there is no part")?;
    let notes = |part: &PartReport| -> Vec<String> {
        let notes = part.notes.iter();
        notes.map(|note| format!("{}: {note}", part.part)).collect()
    };
    let mut shortfalls = notes(&first);
    let (mut totals, mut readings) = (first.totals, first.readings);
    let (mut flush_probe, mut interrupted) = (first.flush_probe, first.interrupted);
    for part in rest {
        shortfalls.extend(notes(&part));
        totals.merge(part.totals);
        readings.merge(part.readings);
        flush_probe.merge(part.flush_probe);
        interrupted |= part.interrupted;
    }
    for phase in &mut totals.phases {
        phase.counted = readings.added();
    }
    if silent {
        shortfalls.push("a part measured nothing".to_owned());
    }
    let mut target = first.target;
    target.instances = target.instances.map(|_| readings.instances());
    let figures = Figures {
        totals: &totals,
        names: &first.names,
    };
    Ok(Report {
        schema: SCHEMA.to_owned(),
        tool: tool(),
        started: first.begin,
        seconds: times
            .iter()
            .map(|(_, ended)| ended.as_secs_f64())
            .fold(0.0, f64::max),
        interrupted,
        shortfalls,
        target,
        profile: first.profile,
        machine: first.machine,
        rows: figures.rows(),
        connecting: figures.connecting(),
        failures: figures.failures(),
        effect: figures.effect(&[]),
        origin: figures.origin(),
        cold_functions: totals.cold_functions.summary(),
        checks: checks::of_parts(&totals, &flush_probe, &times),
        details: totals.details.into_iter().collect(),
        timeline: totals.timeline.points,
        ..Report::default()
    })
}
