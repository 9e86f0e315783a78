//! The report as one HTML file. Owns the page; knows nothing of scales and marks. It loads nothing and runs nothing: a
//! strict policy in its head says so, and the tests hold it to that.

use crate::analysis::check::Verdict;
use crate::output::caveats::circumstances;
use crate::output::charts;
use crate::output::charts::svg::escape;
use crate::output::sentences::{self, findings, headlines, judgements, speed_up_is_valid};
use crate::output::summary_cards::{self, SummaryCard};
use crate::output::terminal::{COLUMNS, cells};
use crate::report::judgement::Comparison;
use crate::report::model::Report;

const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page.
pub(crate) fn render(report: &Report) -> String {
    let heading = report.heading();
    let list = |lines: Vec<String>| {
        lines
            .iter()
            .map(|line| format!("<li>{}</li>", escape(line)))
            .collect::<String>()
    };
    // The tiles say it, unless there is nothing to say it of.
    let headlines = if speed_up_is_valid(report) {
        String::new()
    } else {
        list(headlines(report))
    };
    let findings: String = findings(report).iter().map(|line| finding(line)).collect();
    let circumstances = list(circumstances(report));
    let judgements: String = judgements(report)
        .iter()
        .map(|line| finding(line))
        .collect();
    // The first says in a picture what the cache is worth.
    let mut figures = charts::all(report)
        .into_iter()
        .map(|figure| section(&figure));
    let (first, figures) = (
        figures.next().unwrap_or_default(),
        figures.collect::<String>(),
    );
    let (url, started, tool, os) = (
        escape(&report.target.url),
        escape(&report.started),
        escape(&report.tool),
        escape(&report.machine.os),
    );
    let (seconds, cpus) = (report.seconds, report.machine.cpus);
    let build = if report.machine.optimised {
        "release build"
    } else {
        "debug build"
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Load test: {heading}</title>\n<style>\n{STYLE}</style>\n\
         <h1>What the cache is worth</h1>\n\
         <p><span class=\"verdict {heading}\">{heading}</span> {meaning}</p>\n\
         <ul class=\"headlines\">{headlines}</ul>\n<div class=\"tiles\">{cards}</div>\n\
         {first}<h2>Findings</h2>\n<ul class=\"findings\">{findings}{judgements}</ul>\n\
         <p class=\"faint\">{url} · {started} · {seconds:.0} s · {tool} ({build}) on {os}, {cpus} CPUs</p>\n\
         <h2>Latency by phase and outcome</h2>\n<div class=\"wide\">{table}</div>\n\
         {beside}{figures}\
         <h2>How far this can be trusted</h2>\n<div class=\"wide\">{checks}</div>\n<ul class=\"faint\">{circumstances}</ul>\n</html>\n",
        meaning = meaning(heading),
        cards = summary_cards::all(report)
            .iter()
            .map(card)
            .collect::<String>(),
        table = latency_table(report),
        beside = report.baseline.as_ref().map(beside).unwrap_or_default(),
        checks = check_table(report),
    )
}

fn meaning(heading: &str) -> &'static str {
    match heading {
        "VERIFIED" => "Every check passed; the target’s own count of origin calls agrees.",
        "UNVERIFIED" => {
            "No check failed, but the target does not count its origin calls for us: the cache is taken at its word."
        }
        "INTERRUPTED" => "Stopped by the user: a part of the measurement.",
        _ => "The measurement contradicts itself or the target: do not use its numbers.",
    }
}

fn card(card: &SummaryCard) -> String {
    let [number, what, detail] = [&card.number, &card.what, &card.detail].map(|text| escape(text));
    format!("<p class=\"tile\"><b>{number}</b> {what}<br><span class=\"faint\">{detail}</span></p>")
}

/// A sentence whose topic stands out.
fn finding(line: &str) -> String {
    match line.split_once(": ") {
        Some((topic, text)) => format!("<li><b>{}:</b> {}</li>", escape(topic), escape(text)),
        None => format!("<li>{}</li>", escape(line)),
    }
}

fn section(figure: &charts::Figure) -> String {
    let legend: String = figure
        .legend
        .iter()
        .map(|(class, text)| legend_entry(class, text))
        .collect();
    format!(
        "<h2>{}</h2>\n<figure><p class=\"legend\">{legend}</p><div class=\"wide\">{}</div><figcaption>{}</figcaption></figure>\n",
        escape(&figure.title),
        figure.svg,
        escape(&figure.caption),
    )
}

/// The series' name behind its line, or behind its own mark where the text begins with one.
fn legend_entry(class: &str, text: &str) -> String {
    let (mark, name) = match text.split_once(' ') {
        Some((mark @ ("●" | "▲" | "■" | "×"), name)) => (mark, name),
        _ => ("", text),
    };
    let name = escape(name);
    if mark.is_empty() {
        return format!(
            "<span><svg viewBox=\"0 0 32 10\" aria-hidden=\"true\"><line class=\"line {class}\" x1=\"0\" x2=\"32\" y1=\"5\" y2=\"5\"/></svg>{name}</span>"
        );
    }
    format!("<span><b class=\"mark {class}\">{mark}</b> {name}</span>")
}

fn latency_table(report: &Report) -> String {
    let class = |column: usize| if column < 3 { "" } else { " class=\"number\"" };
    let header = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, name)| format!("<th{}>{name}</th>", class(column)));
    let rows = report.rows.iter().map(|row| {
        let cells = cells(row).into_iter().enumerate();
        let cells: String = cells
            .map(|(column, cell)| format!("<td{}>{}</td>", class(column), escape(&cell)))
            .collect();
        format!("<tr>{cells}</tr>")
    });
    format!(
        "<table><tr>{}</tr>{}</table>",
        header.collect::<String>(),
        rows.collect::<String>()
    )
}

/// A comparison's figures side by side.
fn beside(comparison: &Comparison) -> String {
    let rows: String = comparison
        .beside
        .iter()
        .map(|one| {
            let [what, before, now] = sentences::beside(one).map(|cell| escape(&cell));
            format!("<tr><td>{what}</td><td class=\"number\">{before}</td><td class=\"number\">{now}</td></tr>")
        })
        .collect();
    let (before, at) = (
        escape(&comparison.baseline_url),
        escape(&comparison.baseline),
    );
    format!(
        "<h2>Beside the baseline</h2>\n<div class=\"wide\"><table><tr><th></th><th class=\"number\">{before}<br><span class=\"faint\">{at}</span></th>\
         <th class=\"number\">this run</th></tr>{rows}</table></div>\n"
    )
}

fn check_table(report: &Report) -> String {
    let rows = report.checks.iter().map(|check| {
        let (class, mark) = match check.verdict {
            Verdict::Pass => ("pass", "✓ pass"),
            Verdict::Fail => ("fail", "✗ fail"),
            Verdict::NotCheckable => ("not-checkable", "? not checkable"),
        };
        let (name, detail) = (escape(&check.name), escape(&check.detail));
        format!("<tr><td class=\"{class}\">{mark}</td><td>{name}</td><td>{detail}</td></tr>")
    });
    format!("<table>{}</table>", rows.collect::<String>())
}
