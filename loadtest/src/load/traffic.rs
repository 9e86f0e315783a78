//! The user's own traffic: which keys were asked for, when, and how large the answers were, from a
//! list or a log.

mod line;
mod matching;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::load::traffic::{line::Format, line::Line, matching::Routes};
use crate::target::Function;

/// How the requests of a file are sent in the mixed phase.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Replay {
    /// In the file's order, and at its times if it has times; otherwise at the rate of --rate.
    #[default]
    Pace,
    /// In the file's order, at the rate of --rate.
    Order,
    /// Drawn at random from the file, so that its popular keys stay popular, at the rate of --rate.
    Resample,
}

/// One request of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OwnRequest {
    /// Seconds since the first one; its number if the file has no times.
    pub(crate) at_s: f64,
    /// Index into the functions.
    pub(crate) function: usize,
    /// Index into the keys of that function.
    pub(crate) key_index: usize,
    pub(crate) bytes: Option<u64>,
}

/// The requests of a file that belong to the measured functions, in the order of their times.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnTraffic {
    pub(crate) requests: Vec<OwnRequest>,
    /// The name of the file.
    pub(crate) name: String,
    /// Of each function.
    pub(crate) keys: Vec<Vec<Arc<str>>>,
    /// Whether the file says when each request came.
    pub(crate) timed: bool,
    /// Lines that are no request of a measured function: why, and how many.
    pub(crate) skipped: BTreeMap<&'static str, u64>,
}

impl OwnTraffic {
    /// Reads a file whose requests go to `functions`. Without functions, every path is a key of its
    /// own.
    pub(crate) fn read(path: &Path, functions: &[Function]) -> Result<Self, String> {
        let at = |reason: String| format!("{}: {reason}", path.display());
        let file = File::open(path).map_err(|e| at(e.to_string()))?;
        let mut traffic =
            Self::parse(&mut BufReader::new(file), &Routes::new(functions)).map_err(at)?;
        let name = path.file_name().unwrap_or_default();
        traffic.name = name.to_string_lossy().into_owned();
        Ok(traffic)
    }

    fn parse(text: &mut dyn BufRead, routes: &Routes) -> Result<Self, String> {
        let mut format = None;
        let mut collected = Collected::new(routes.count());
        for (number, line) in text.lines().enumerate() {
            let line = line.map_err(|e| format!("line {}: {e}", number + 1))?;
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() {
                continue;
            }
            let format = format.get_or_insert_with(|| Format::of(line));
            match format.read(line) {
                Line::Nothing => {}
                Line::Skipped(why) => collected.skip(why),
                Line::Request(request) => match routes.find(&request.subject)? {
                    None => collected.skip("another path"),
                    Some((function, key)) => {
                        collected.add(function, key, (request.at_s, request.bytes));
                    }
                },
            }
        }
        let skipped = collected.traffic.skipped.clone();
        let traffic = collected.finish();
        if traffic.requests.is_empty() {
            let skipped: Vec<String> = skipped
                .iter()
                .map(|(why, count)| format!("{count} lines skipped: {why}"))
                .collect();
            return Err(format!(
                "no request of a measured function in it ({}); {}",
                match skipped.is_empty() {
                    true => "it is empty".to_owned(),
                    false => skipped.join(", "),
                },
                routes.describe()
            ));
        }
        Ok(traffic)
    }

    /// How long its traffic lasted, if it has times.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let last = self.requests.last()?.at_s;
        self.timed.then_some(last)
    }

    pub(crate) fn key_count(&self) -> usize {
        self.keys.iter().map(Vec::len).sum()
    }
}

/// A file that is being read.
struct Collected {
    traffic: OwnTraffic,
    indices: Vec<HashMap<Arc<str>, usize>>,
    all_timed: bool,
}

impl Collected {
    fn new(functions: usize) -> Self {
        Self {
            traffic: OwnTraffic {
                keys: vec![Vec::new(); functions],
                ..OwnTraffic::default()
            },
            indices: vec![HashMap::new(); functions],
            all_timed: true,
        }
    }

    fn skip(&mut self, why: &'static str) {
        *self.traffic.skipped.entry(why).or_default() += 1;
    }

    fn add(&mut self, function: usize, key: String, (at_s, bytes): (Option<f64>, Option<u64>)) {
        let key: Arc<str> = key.into();
        let keys = &mut self.traffic.keys[function];
        let key_index = *self.indices[function]
            .entry(key.clone())
            .or_insert_with(|| {
                keys.push(key);
                keys.len() - 1
            });
        self.all_timed &= at_s.is_some();
        self.traffic.requests.push(OwnRequest {
            at_s: at_s.unwrap_or(0.0),
            function,
            key_index,
            bytes,
        });
    }

    /// Logs are written when an answer ends, so that they are not quite in the order of the
    /// requests.
    fn finish(self) -> OwnTraffic {
        let mut traffic = self.traffic;
        traffic.timed = self.all_timed && !traffic.requests.is_empty();
        if traffic.timed {
            traffic.requests.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
            let first = traffic.requests[0].at_s;
            traffic
                .requests
                .iter_mut()
                .for_each(|one| one.at_s -= first);
        } else {
            for (number, request) in traffic.requests.iter_mut().enumerate() {
                request.at_s = number as f64;
            }
        }
        traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn parse(text: &str) -> Result<OwnTraffic, String> {
        let target = Target::load(None, &[], "").unwrap();
        OwnTraffic::parse(&mut text.as_bytes(), &Routes::new(&target.functions))
    }

    /// Each request as time, function, key and bytes.
    fn rows(text: &str) -> Vec<(f64, usize, String, Option<u64>)> {
        let traffic = parse(text).unwrap();
        let requests = traffic.requests.iter();
        requests
            .map(|one| {
                let key = traffic.keys[one.function][one.key_index].to_string();
                (one.at_s, one.function, key, one.bytes)
            })
            .collect()
    }

    #[test]
    fn the_same_traffic_is_read_from_every_form() {
        let expected = vec![
            (0.0, 1, "7".to_owned(), Some(120)),
            (1.5, 0, "a b".to_owned(), Some(90)),
            (3.0, 1, "7".to_owned(), Some(120)),
        ];
        let json = r#"{"time":"2026-01-01T00:00:00Z","path":"/user/7","bytes":120}
            {"ts":1767225601.5,"request":{"method":"GET","uri":"/heavy-op?param=a%20b"},"size":90,"status":200}
            {"timestamp":1767225603000,"method":"GET","url":"https://x.example/user/7","bytes":"120"}"#;
        let csv = "time,url,bytes\n\
            2026-01-01T00:00:00Z,/user/7,120\n\
            2026-01-01T00:00:01.5Z,\"/heavy-op?param=a%20b\",90\n\
            2026-01-01T00:00:03Z,/user/7,120\n";
        let balancer = "\
            https 2026-01-01T00:00:00.000000Z app/x 1.2.3.4:5 1.2.3.4:6 0.0 0.0 0.0 200 200 34 120 \"GET https://x:443/user/7 HTTP/1.1\" \"curl\" - -\n\
            https 2026-01-01T00:00:01.500000Z app/x 1.2.3.4:5 1.2.3.4:6 0.0 0.0 0.0 200 200 34 90 \"GET https://x:443/heavy-op?param=a%20b HTTP/1.1\" \"curl\" - -\n\
            https 2026-01-01T00:00:03.000000Z app/x 1.2.3.4:5 1.2.3.4:6 0.0 0.0 0.0 200 200 34 120 \"GET https://x:443/user/7 HTTP/1.1\" \"curl\" - -\n";
        for text in [json, csv, balancer] {
            assert_eq!(rows(text), expected, "{text}");
        }
    }

    #[test]
    fn the_logs_of_web_servers_and_a_cdn_are_read() {
        let combined = "\
            1.2.3.4 - me [01/Jan/2026:01:00:02 +0100] \"GET /user/7 HTTP/1.1\" 200 120 \"-\" \"curl\"\n\
            1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] \"GET /user/8 HTTP/2.0\" 200 - \"-\" \"curl\"\n\
            1.2.3.4 - - [01/Jan/2026:00:00:01 +0000] \"POST /user/8 HTTP/1.1\" 200 9\n\
            1.2.3.4 - - [01/Jan/2026:00:00:01 +0000] \"GET /user/8 HTTP/1.1\" 404 9\n\
            1.2.3.4 - - [01/Jan/2026:00:00:01 +0000] \"GET /favicon.ico HTTP/1.1\" 200 9\n\
            1.2.3.4 - - [01/Jan/2026:00:00:01 +0000] \"\\x16\\x03\" 400 9\n";
        let expected = vec![
            (0.0, 1, "8".to_owned(), None),
            (2.0, 1, "7".to_owned(), Some(120)),
        ];
        assert_eq!(rows(combined), expected);
        let skipped = parse(combined).unwrap().skipped;
        let counts: Vec<_> = skipped.into_iter().collect();
        assert_eq!(
            counts,
            [
                ("another method than GET", 1),
                ("another path", 1),
                ("no request in it", 1),
                ("no successful answer", 1)
            ]
        );
        let cdn = "#Version: 1.0\n\
            #Fields: date time x-edge-location sc-bytes cs-method cs-uri-stem sc-status cs-uri-query\n\
            2026-01-01\t00:00:00\tFRA\t120\tGET\t/user/7\t200\t-\n\
            2026-01-01\t00:00:05\tFRA\t90\tGET\t/heavy-op\t200\tparam=x\n";
        let expected = vec![
            (0.0, 1, "7".to_owned(), Some(120)),
            (5.0, 0, "x".to_owned(), Some(90)),
        ];
        assert_eq!(rows(cdn), expected);
    }

    #[test]
    fn a_list_has_no_times_and_a_bare_key_needs_one_function() {
        let traffic = parse("/user/7\n/user/8\n\n/user/7\n").unwrap();
        assert_eq!(
            (traffic.timed, traffic.requests.len(), traffic.key_count()),
            (false, 3, 2)
        );
        assert_eq!(traffic.requests[2].key_index, 0);
        let error = parse("7\n8\n").unwrap_err();
        assert!(error.contains("--functions"), "{error}");
        let target = Target::load(None, &["user".into()], "").unwrap();
        let bare = OwnTraffic::parse(&mut "7\n8\n7\n".as_bytes(), &Routes::new(&target.functions));
        assert_eq!(bare.unwrap().key_count(), 2);
        let paths = OwnTraffic::parse(&mut "/a?b=1\n/c\n/a?b=1\n".as_bytes(), &Routes::new(&[]));
        assert_eq!(paths.unwrap().key_count(), 2);
    }

    #[test]
    fn a_file_without_a_request_says_what_was_expected() {
        for text in ["", "/other\n/paths\n"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("/user/{key}"), "{error}");
        }
    }
}
