//! A report as one HTML file. It loads nothing and runs nothing: a strict policy in its head
//! forbids it, and the tests check that.

use crate::output::{
    answers, caveats::caveats, charts, charts::figure::Figure, charts::svg::escape, legend,
    sentences::findings, sentences::headlines, sentences::judgements, sentences::reason,
    sentences::speed_up_is_valid, summary, summary_cards, summary_cards::SummaryCard, tables,
    tables::Table, what_if,
};
use crate::report::{judgement::Comparison, model::OwnTrafficFacts, model::Report};

const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub(crate) fn render(report: &Report) -> String {
    let heading = report.heading();
    let item = |line: &String| format!("<li>{}</li>", escape(line));
    // The summary cards give the speed-ups, unless there are none.
    let headlines: String = match speed_up_is_valid(report) {
        true => answers::sentences(report)
            .iter()
            .map(|line| answer(line))
            .collect(),
        false => headlines(report).iter().map(item).collect(),
    };
    let sentences = [findings(report), judgements(report)].concat();
    let findings: String = sentences.iter().map(|line| finding(line)).collect();
    let caveats: String = caveats(report).iter().map(item).collect();
    // The first chart shows what the cache is worth.
    let mut charts = charts::all(report).into_iter().map(|chart| section(&chart));
    let (first, charts) = (
        charts.next().unwrap_or_default(),
        charts.collect::<String>(),
    );
    let texts = [
        &report.target.url,
        &report.started,
        &report.tool,
        &report.machine.os,
    ];
    let [url, started, tool, os] = texts.map(|text| escape(text));
    let (seconds, cpus) = (report.seconds, report.machine.cpus);
    let build = match report.machine.optimised {
        true => "release build",
        false => "debug build",
    };
    format!(
        "{head}<h1>What the cache is worth</h1>\n\
         <p><span class=\"verdict {heading}\">{heading}</span> {meaning}</p>\n\
         <ul class=\"headlines\">{headlines}</ul>\n<div class=\"cards\">{cards}</div>\n\
         {first}<h2>Findings</h2>\n<ul class=\"findings\">{findings}</ul>\n\
         <p class=\"faint\">{url} · {started} · {seconds:.0} s · {tool} ({build}) on {os}, {cpus} CPUs</p>\n\
         <h2>Latency by phase and outcome</h2>\n<div class=\"wide\">{table}</div>\n{legend}\
         <h2>All requests</h2>\n{summary}\
         {beside}{charts}\
         <h2>How far this can be trusted</h2>\n<div class=\"wide\">{checks}</div>\n<ul class=\"faint\">{caveats}</ul>\n</html>\n",
        head = head(&format!("Load test: {heading}")),
        meaning = escape(&reason(report)),
        // A large number would be believed in spite of the verdict above it.
        cards = summary_cards::all(report)
            .iter()
            .filter(|_| report.is_valid())
            .map(card)
            .collect::<String>(),
        legend = words(report),
        summary = list_table(&summary::lines(report)),
        table = table(&tables::latencies(report)),
        beside = report.baseline.as_ref().map(beside).unwrap_or_default(),
        checks = check_table(report),
    )
}

/// A page about the user's own traffic, without a report.
pub(crate) fn own_traffic(traffic: &OwnTrafficFacts) -> String {
    let title = "What a cache would do with your traffic";
    let sentences = what_if::sentences(traffic);
    let findings: String = sentences.iter().map(|line| finding(line)).collect();
    let charts: String = what_if::figures(traffic).iter().map(section).collect();
    format!(
        "{}<h1>{title}</h1>\n<ul class=\"findings\">{findings}</ul>\n{charts}</html>\n",
        head(title)
    )
}

/// The head of a page, which allows it to load nothing and to run nothing.
fn head(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n"
    )
}

/// An answer, with its verdict in bold.
fn answer(line: &str) -> String {
    let (verdict, reason) = line.split_once(": ").unwrap_or((line, ""));
    let mut rest = reason.chars();
    let first = rest.next().map(char::to_uppercase);
    let reason: String = first.into_iter().flatten().chain(rest).collect();
    format!("<li><b>{}.</b> {}</li>", escape(verdict), escape(&reason))
}

fn card(card: &SummaryCard) -> String {
    let [number, what, detail] = [&card.number, &card.what, &card.detail].map(|text| escape(text));
    format!("<p class=\"card\"><b>{number}</b> {what}<br><span class=\"faint\">{detail}</span></p>")
}

/// A sentence with its topic in bold.
fn finding(line: &str) -> String {
    match line.split_once(": ") {
        Some((topic, text)) => format!("<li><b>{}:</b> {}</li>", escape(topic), escape(text)),
        None => format!("<li>{}</li>", escape(line)),
    }
}

fn section(figure: &Figure) -> String {
    let legend = figure.legend.iter();
    let legend: String = legend
        .map(|(class, text)| legend_entry(class, text))
        .collect();
    let (title, caption) = (escape(&figure.title), escape(&figure.caption));
    format!(
        "<h2>{title}</h2>\n<figure><p class=\"legend\">{legend}</p><div class=\"wide\">{}</div>\
         <figcaption>{caption}</figcaption></figure>\n",
        figure.svg
    )
}

/// The name of a series after its line, or after its mark if the text begins with one.
fn legend_entry(class: &str, text: &str) -> String {
    let (mark, name) = match text.split_once(' ') {
        Some((mark @ ("●" | "▲" | "■" | "×"), name)) => (mark, name),
        _ => ("", text),
    };
    let name = escape(name);
    if mark.is_empty() {
        return format!(
            "<span><svg viewBox=\"0 0 32 10\" aria-hidden=\"true\"><line class=\"line {class}\" \
             x1=\"0\" x2=\"32\" y1=\"5\" y2=\"5\"/></svg>{name}</span>"
        );
    }
    format!("<span><b class=\"mark {class}\">{mark}</b> {name}</span>")
}

/// Text columns to the left, numbers to the right.
fn table(table: &Table) -> String {
    let line = |tag: &str, cells: &Vec<String>| {
        let cells = cells.iter().enumerate();
        let cells: String = cells
            .map(|(column, cell)| {
                let class = match column < table.text_columns {
                    true => "",
                    false => " class=\"number\"",
                };
                format!("<{tag}{class}>{}</{tag}>", escape(cell))
            })
            .collect();
        format!("<tr>{cells}</tr>")
    };
    let rows: String = table.rows.iter().map(|row| line("td", row)).collect();
    format!("<table>{}{rows}</table>", line("th", &table.headers))
}

/// What the words of the table mean.
fn words(report: &Report) -> String {
    let words = legend::words(report).into_iter();
    let words: String = words
        .map(|(word, meaning)| format!("<dt>{word}</dt><dd>{meaning}</dd>"))
        .collect();
    format!("<dl class=\"words\">{words}</dl>\n")
}

fn list_table(lines: &[(&'static str, String)]) -> String {
    let rows = lines.iter().map(|(name, text)| {
        let text = escape(text);
        format!("<tr><td>{name}</td><td>{text}</td></tr>")
    });
    format!("<table>{}</table>\n", rows.collect::<String>())
}

/// The figures of a comparison side by side.
fn beside(comparison: &Comparison) -> String {
    let started = escape(&comparison.baseline);
    let table = table(&tables::side_by_side(comparison));
    format!(
        "<h2>Beside the baseline</h2>\n<p class=\"faint\">The baseline was measured at \
         {started}.</p>\n<div class=\"wide\">{table}</div>\n"
    )
}

fn check_table(report: &Report) -> String {
    let rows = report.checks.iter().map(|check| {
        let (label, class) = check.verdict.label();
        let (name, detail) = (escape(&check.name), escape(&check.detail));
        format!("<tr><td class=\"{class}\">{label}</td><td>{name}</td><td>{detail}</td></tr>")
    });
    format!("<table>{}</table>", rows.collect::<String>())
}
