//! The forms of a file of requests, and how a line of each is read.

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

/// The form of a file, by its first line.
pub(super) enum Format {
    /// A key or a path a line.
    List,
    /// A JSON object a line.
    JsonLines,
    /// A header names the columns.
    Csv(Columns),
    /// `#Fields:` names the columns, as in the logs of CloudFront and IIS.
    W3c(Columns),
    /// A request line in quotation marks: the logs of nginx, Apache and load balancers.
    AccessLog,
}

pub(super) enum Line {
    /// A header or a comment.
    Nothing,
    Skipped(&'static str),
    Request(Request),
}

pub(super) struct Request {
    /// A key, a path or a URL.
    pub(super) subject: String,
    pub(super) at_s: Option<f64>,
    pub(super) bytes: Option<u64>,
}

/// The column of each field.
#[derive(Default)]
pub(super) struct Columns {
    separator: Option<char>,
    names: Vec<String>,
    is_header: bool,
}

const SUBJECTS: [&str; 6] = ["key", "path", "url", "uri", "request_uri", "cs-uri-stem"];
const TIMES: [&str; 6] = [
    "time",
    "timestamp",
    "ts",
    "@timestamp",
    "date",
    "time_iso8601",
];
const SIZES: [&str; 6] = [
    "bytes",
    "size",
    "body_bytes_sent",
    "bytes_sent",
    "sc-bytes",
    "length",
];
const METHODS: [&str; 3] = ["method", "request_method", "cs-method"];
const STATUSES: [&str; 3] = ["status", "status_code", "sc-status"];

const NO_REQUEST: &str = "no request in it";

impl Format {
    pub(super) fn of(line: &str) -> Self {
        let line = line.trim_start();
        if line.starts_with('{') {
            return Self::JsonLines;
        }
        if line.starts_with('#') {
            return Self::W3c(Columns::default());
        }
        if request_line(line).is_some() {
            return Self::AccessLog;
        }
        let separator = [',', ';', '\t'].into_iter().find(|c| line.contains(*c));
        let names: Vec<String> = cells(line, separator.unwrap_or(','))
            .into_iter()
            .map(|name| name.trim().to_lowercase())
            .collect();
        match names.iter().any(|name| SUBJECTS.contains(&name.as_str())) {
            true => Self::Csv(Columns {
                separator: separator.or(Some(',')),
                names,
                is_header: true,
            }),
            false => Self::List,
        }
    }

    pub(super) fn read(&mut self, line: &str) -> Line {
        match self {
            Self::List => Line::Request(Request {
                subject: line.trim().to_owned(),
                at_s: None,
                bytes: None,
            }),
            Self::JsonLines => json(line),
            Self::AccessLog => access_log(line),
            Self::Csv(columns) => {
                if std::mem::take(&mut columns.is_header) {
                    return Line::Nothing;
                }
                columns.read(&cells(line, columns.separator.unwrap_or(',')))
            }
            Self::W3c(columns) => {
                if let Some(names) = line.strip_prefix("#Fields:") {
                    columns.names = names.split_whitespace().map(str::to_lowercase).collect();
                }
                if line.starts_with('#') {
                    return Line::Nothing;
                }
                let cells: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                columns.read(&cells)
            }
        }
    }
}

impl Columns {
    fn read(&self, cells: &[String]) -> Line {
        let cell = |names: &[&str]| {
            let mut positions = names
                .iter()
                .filter_map(|name| self.names.iter().position(|known| known == name));
            positions.find_map(|position| cells.get(position).map(String::as_str))
        };
        let Some(subject) = cell(&SUBJECTS).filter(|subject| !subject.is_empty()) else {
            return Line::Skipped(NO_REQUEST);
        };
        let query = cell(&["cs-uri-query"]).filter(|query| !matches!(*query, "" | "-"));
        let subject = query.map_or_else(|| subject.to_owned(), |q| format!("{subject}?{q}"));
        // Logs of this kind have a date and a time of day.
        let time = match (cell(&["date"]), cell(&["time"])) {
            (Some(date), Some(time)) => time_of(&format!("{date}T{time}Z")),
            _ => cell(&TIMES).and_then(time_of),
        };
        checked(
            (cell(&METHODS), cell(&STATUSES)),
            Request {
                subject,
                at_s: time,
                bytes: cell(&SIZES).and_then(|bytes| bytes.parse().ok()),
            },
        )
    }
}

/// A request, unless it is not one that a cache could answer.
fn checked((method, status): (Option<&str>, Option<&str>), request: Request) -> Line {
    let status: Option<u16> = status.and_then(|status| status.parse().ok());
    if method.is_some_and(|method| !method.eq_ignore_ascii_case("GET")) {
        Line::Skipped("another method than GET")
    } else if status.is_some_and(|status| status >= 400) {
        Line::Skipped("no successful answer")
    } else {
        Line::Request(request)
    }
}

fn json(line: &str) -> Line {
    let Ok(object) = serde_json::from_str::<Value>(line.trim()) else {
        return Line::Skipped(NO_REQUEST);
    };
    let request = &object["request"];
    let text = |names: &[&str]| {
        let mut values = names
            .iter()
            .flat_map(|name| [&object[*name], &request[*name]]);
        values.find_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    // As in the logs of nginx: "request": "GET /path HTTP/1.1".
    let whole = request.as_str().and_then(parts_of_request);
    let method = text(&METHODS).or_else(|| whole.map(|(method, _)| method.to_owned()));
    let Some(subject) = text(&SUBJECTS).or_else(|| whole.map(|(_, path)| path.to_owned())) else {
        return Line::Skipped(NO_REQUEST);
    };
    checked(
        (method.as_deref(), text(&STATUSES).as_deref()),
        Request {
            subject,
            at_s: text(&TIMES).and_then(|time| time_of(&time)),
            bytes: text(&SIZES).and_then(|bytes| bytes.parse().ok()),
        },
    )
}

fn access_log(line: &str) -> Line {
    let Some((before, method, path, after)) = request_line(line) else {
        return Line::Skipped(NO_REQUEST);
    };
    let mut after = after.split_whitespace();
    let (status, bytes, time) = match before.split_once('[') {
        // The common log format has the time in brackets, and status and bytes after the request.
        Some((_, time)) => {
            let time = time.split(']').next().and_then(time_of);
            (after.next(), after.next(), time)
        }
        // A load balancer's log has the time in the second column, and both before the request.
        None => {
            let mut columns = before.split_whitespace();
            let time = columns.nth(1).and_then(time_of);
            let rest: Vec<&str> = columns.collect();
            let at = |from_end: usize| rest.len().checked_sub(from_end).map(|i| rest[i]);
            (at(4), at(1), time)
        }
    };
    checked(
        (Some(method), status),
        Request {
            subject: path.to_owned(),
            at_s: time,
            bytes: bytes.and_then(|bytes| bytes.parse().ok()),
        },
    )
}

/// What comes before a quoted request line, its method and path, and what comes after.
fn request_line(line: &str) -> Option<(&str, &str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = line[from..].find('"').map(|at| from + at) {
        let close = line[open + 1..].find('"').map(|at| open + 1 + at)?;
        if let Some((method, path)) = parts_of_request(&line[open + 1..close]) {
            return Some((&line[..open], method, path, &line[close + 1..]));
        }
        from = close + 1;
    }
    None
}

/// The method and the path of `GET /path HTTP/1.1`.
fn parts_of_request(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split(' ');
    let (method, path, protocol) = (words.next()?, words.next()?, words.next()?);
    let is_request =
        protocol.starts_with("HTTP/") && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_request.then_some((method, path))
}

/// Seconds since 1970, of seconds, milliseconds, RFC 3339 or a web server's own form.
fn time_of(text: &str) -> Option<f64> {
    /// As a number of seconds, this is the year 5138.
    const MILLISECONDS: f64 = 1e11;
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let seconds = if number >= MILLISECONDS {
            number / 1e3
        } else {
            number
        };
        return number.is_finite().then_some(seconds);
    }
    let seconds = |time: NaiveDateTime| {
        let time = time.and_utc();
        time.timestamp() as f64 + f64::from(time.timestamp_subsec_micros()) / 1e6
    };
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z"));
    let zoned = zoned.map(|time| time.naive_utc());
    zoned
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .ok()
        .map(seconds)
}

/// The cells of a line of CSV; a cell in quotation marks may hold the separator.
fn cells(line: &str, separator: char) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}
