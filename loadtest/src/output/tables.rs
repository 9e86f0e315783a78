//! The tables of a report as texts, for terminal, Markdown and HTML.

use crate::analysis::{format::human_quantile, format::human_us, format::or_na};
use crate::report::{judgement::Comparison, model::ConnectRow, model::Report, model::Row};

const LATENCY_COLUMNS: [&str; 9] = [
    "phase",
    "function",
    "outcome",
    "count",
    "p50",
    "p90",
    "p99",
    "max",
    "p50, server",
];

/// Headers and rows. The first `text_columns` hold text, the others numbers.
pub(crate) struct Table {
    pub(crate) text_columns: usize,
    pub(crate) headers: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

pub(crate) fn latencies(report: &Report) -> Table {
    Table {
        text_columns: 3,
        headers: LATENCY_COLUMNS.map(str::to_owned).to_vec(),
        rows: rows_by_function(report),
    }
}

/// All rows of a function, then all of the next one.
fn rows_by_function(report: &Report) -> Vec<Vec<String>> {
    let functions = report.target.functions.iter();
    let mut names: Vec<&str> = functions.map(|function| function.name.as_str()).collect();
    for row in &report.rows {
        if !names.contains(&row.function.as_str()) {
            names.push(&row.function);
        }
    }
    let of = |name: &str| {
        let rows = report.rows.iter().filter(|row| row.function == name);
        let connecting = report.connecting.iter().filter(|row| row.function == name);
        let rows = rows.map(latency_row).chain(connecting.map(connect_row));
        rows.collect::<Vec<_>>()
    };
    names.into_iter().flat_map(of).collect()
}

fn latency_row(row: &Row) -> Vec<String> {
    let waited = row.waited();
    let quantile = |of, q| human_quantile(of, q, waited.count);
    let server = row.server.as_ref();
    let server = server.map(|server| human_quantile(server.p50, 0.5, server.count));
    vec![
        row.phase.label().to_owned(),
        row.function.clone(),
        row.outcome.label().to_owned(),
        waited.count.to_string(),
        quantile(waited.p50, 0.5),
        quantile(waited.p90, 0.9),
        quantile(waited.p99, 0.99),
        human_us(waited.max_us),
        server.unwrap_or_else(|| "unknown".into()),
    ]
}

fn connect_row(row: &ConnectRow) -> Vec<String> {
    let all = &row.connecting;
    let quantile = |of, q| human_quantile(of, q, all.count);
    vec![
        row.phase.label().to_owned(),
        row.function.clone(),
        "connecting".into(),
        all.count.to_string(),
        quantile(all.p50, 0.5),
        quantile(all.p90, 0.9),
        quantile(all.p99, 0.99),
        human_us(all.max_us),
        String::new(),
    ]
}

/// The figures of a comparison side by side.
pub(crate) fn side_by_side(comparison: &Comparison) -> Table {
    let rows = comparison.beside.iter().map(|figure| {
        let number = |value: Option<f64>| or_na(value, |value| figure.quantity.human(value));
        vec![
            figure.what.clone(),
            number(figure.before),
            number(figure.now),
        ]
    });
    Table {
        text_columns: 1,
        headers: vec![
            String::new(),
            comparison.baseline_url.clone(),
            "this run".into(),
        ],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::Phase;
    use crate::output::caveats::caveats;
    use crate::report::test_report;

    #[test]
    fn a_row_of_the_open_loop_shows_the_whole_wait_and_a_line_says_so() {
        let mut report = test_report::report(&["f"]);
        report.rows = vec![test_report::hits(Phase::Mixed, "f", (400, 10))];
        report.rows[0].response = Some(test_report::summary(400, 30));
        let cells = latency_row(&report.rows[0]);
        assert_eq!(
            cells[3..8],
            ["400", "30.0 ms", "30.0 ms", "30.0 ms", "30.0 ms"]
        );
        let line = "mixed f hit: p99 30.0 ms with connecting, as in the table and for thresholds; \
                    10.0 ms without";
        assert!(caveats(&report).contains(&line.to_owned()));
    }
}
