//! The answers of a test server: a real cache in front of a slow origin, and the lies about them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use tempfile::TempDir;

use crate::character::{Character, Lie};

pub(crate) struct State {
    pub(crate) character: Character,
    /// Files in this folder break the cache and restart the processes.
    pub(crate) switches: TempDir,
    store: Mutex<HashMap<String, Entry>>,
    served: Mutex<HashMap<String, u32>>,
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    order: Mutex<VecDeque<String>>,
    /// The keys that the origin has computed.
    touched: Mutex<HashSet<String>>,
    core: tokio::sync::Mutex<()>,
    requests: AtomicU64,
    flushes: AtomicU64,
    origin_calls: AtomicU64,
    owed: AtomicUsize,
    instances: Vec<Mutex<Instance>>,
}

#[derive(Clone)]
struct Entry {
    value: String,
    stored: Instant,
}

/// One process that the server pretends to be.
#[derive(Default)]
struct Instance {
    /// How often it was restarted.
    birth: u64,
    invocations: u64,
    origin_calls: u64,
}

/// The source of an answer.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Hit,
    Stale,
    Expired,
    Miss,
    Collapsed,
    Broken,
    Bypass,
}

/// The request being answered.
struct Asked<'a> {
    path: &'a str,
    key: &'a str,
    /// How many requests came before it.
    number: u64,
    began: Instant,
}

impl State {
    pub(crate) fn of(character: Character) -> Self {
        Self {
            character,
            switches: tempfile::tempdir().unwrap(),
            store: Mutex::default(),
            served: Mutex::default(),
            flights: Mutex::default(),
            order: Mutex::default(),
            touched: Mutex::default(),
            core: tokio::sync::Mutex::default(),
            requests: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            origin_calls: AtomicU64::new(0),
            owed: AtomicUsize::new(0),
            instances: (0..character.instances).map(|_| Mutex::default()).collect(),
        }
    }

    /// The number of requests, without those that need neither cache nor origin.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn origin_calls(&self) -> u64 {
        self.origin_calls.load(Ordering::SeqCst)
    }

    /// The answer; `None` closes the connection.
    pub(crate) async fn answer(
        &self,
        request: &Request<Incoming>,
    ) -> Option<Response<Full<Bytes>>> {
        let path = request.uri().path();
        if path == "/user/0" || (path == "/heavy-op" && request.uri().query().is_none()) {
            return Some(plain(400, "no key"));
        }
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let broken = || self.switches.path().join("broken").exists();
        while self.character.lie == Lie::StallsWhenBroken && broken() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let broken = broken();
        match self.character.lie {
            Lie::LimitsNowAndThen if number % 200 == 150 && path != "/flush" => {
                return Some(plain(429, "slower"));
            }
            Lie::HangsAfter(n) if number >= n => std::future::pending().await,
            Lie::FailsAfter(n) if number >= n => return Some(plain(500, "no")),
            Lie::ResetsAfter(n) if number >= n => return None,
            Lie::FailsWhenBroken if broken => return Some(plain(503, "no cache")),
            _ => {}
        }
        if self.character.lie == Lie::Guarded {
            if let Some(answer) = self.guard(request) {
                return Some(answer);
            }
        } else if path == "/flush" {
            return Some(self.flush());
        }
        let key = match (path, request.uri().query()) {
            ("/heavy-op", Some(query)) => query.trim_start_matches("param="),
            _ => path.trim_start_matches("/user/"),
        };
        let asked = Asked {
            path,
            key,
            number,
            began: Instant::now(),
        };
        let aside = request.headers().get("cache-control");
        if self.character.lie == Lie::NoCache {
            let value = self.compute(&asked).await;
            return Some(plain_json(&format!("{{\"result\":{value}}}")));
        }
        Some(if aside.is_some_and(|value| value == "no-store") {
            self.past_the_cache(&asked, Way::Bypass).await
        } else if broken {
            self.past_the_cache(&asked, Way::Broken).await
        } else {
            self.lookup(&asked).await
        })
    }

    /// The answer to a request that goes no further.
    fn guard(&self, request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let token = request.headers().get("x-token");
        if token.is_none_or(|token| token != "s3cr3t") {
            return Some(plain(401, "who are you?"));
        }
        if let Some(key) = request.uri().path().strip_prefix("/old/") {
            let moved = Response::builder().status(301);
            let moved = moved.header("location", format!("/user/{key}"));
            return Some(moved.body(Full::default()).unwrap());
        }
        (request.method() == "PURGE").then(|| {
            self.flush();
            plain(204, "")
        })
    }

    fn flush(&self) -> Response<Full<Bytes>> {
        let before = self.flushes.fetch_add(1, Ordering::SeqCst);
        match self.character.lie {
            Lie::FlushRefused => return plain(403, "<b>not you</b>"),
            Lie::FlushDoesNothing => {}
            Lie::FlushesUsersOnly => {
                let mut store = self.store.lock().unwrap();
                store.retain(|name, _| !name.starts_with("/user"));
            }
            Lie::FlushesOnce if before > 0 => {}
            _ => self.store.lock().unwrap().clear(),
        }
        plain(200, r#"{"flushed":"all"}"#)
    }

    async fn past_the_cache(&self, asked: &Asked<'_>, way: Way) -> Response<Full<Bytes>> {
        let name = format!("{} {}", asked.path, asked.key);
        let stored = match self.character.lie {
            Lie::BypassFromTheCache => self.stored(&name),
            _ => None,
        };
        let value = match stored {
            Some(value) => value,
            None => self.compute(asked).await,
        };
        self.respond(asked, way, &value)
    }

    async fn lookup(&self, asked: &Asked<'_>) -> Response<Full<Bytes>> {
        let lie = self.character.lie;
        let name = format!("{} {}", asked.path, asked.key);
        let flight = self.flight(&name);
        let early = self.stored(&name);
        let flight = (self.character.collapses && early.is_none()).then_some(flight);
        let expired = self.store.lock().unwrap().get(&name).cloned();
        let _turn = match &flight {
            None => None,
            Some(flight) => match (flight.try_lock(), &expired) {
                (Ok(turn), _) => Some(turn),
                (Err(_), Some(entry)) if self.character.serves_stale => {
                    return self.respond(asked, Way::Stale, &entry.value);
                }
                (Err(_), _) => Some(flight.lock().await),
            },
        };
        let had = self.store.lock().unwrap().contains_key(&name);
        let (way, value) = match (early, self.stored(&name)) {
            (Some(value), _) if lie != Lie::MissesCalledHits => (Way::Hit, value),
            (None, Some(value)) if flight.is_some() => (Way::Collapsed, value),
            (early, _) => {
                let value = self.compute(asked).await;
                let entry = Entry {
                    value: value.clone(),
                    stored: Instant::now(),
                };
                self.store.lock().unwrap().insert(name.clone(), entry);
                let way = match early {
                    Some(_) => Way::Hit,
                    None if had => Way::Expired,
                    None => Way::Miss,
                };
                (way, value)
            }
        };
        if way == Way::Hit {
            tokio::time::sleep(self.character.hit).await;
        }
        if way == Way::Hit && lie == Lie::ForgetsWhenBusy {
            self.forget(&name);
        }
        self.respond(asked, way, &self.distort(value, way == Way::Hit))
    }

    fn flight(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap();
        flights.entry(name.to_owned()).or_default().clone()
    }

    /// The value, if it is still alive.
    fn stored(&self, name: &str) -> Option<String> {
        let Entry { value, stored } = self.store.lock().unwrap().get(name).cloned()?;
        let alive = stored.elapsed() < self.character.ttl;
        (alive || self.character.lie == Lie::Immortal).then_some(value)
    }

    /// Drops a user that has been served three times: no paired round asks as often.
    fn forget(&self, name: &str) {
        let mut served = self.served.lock().unwrap();
        let count = served.entry(name.to_owned()).or_insert(0);
        *count += 1;
        if *count > 3 && !name.contains("lt-") {
            *count = 0;
            self.store.lock().unwrap().remove(name);
        }
    }

    async fn compute(&self, asked: &Asked<'_>) -> String {
        self.origin_calls.fetch_add(1, Ordering::SeqCst);
        self.instance(asked).lock().unwrap().origin_calls += 1;
        match asked.path {
            "/heavy-op" => {
                let _core = match self.character.one_core {
                    true => Some(self.core.lock().await),
                    false => None,
                };
                let first = self.touched.lock().unwrap().insert(asked.key.to_owned());
                let more = self.character.first_touch * u32::from(first);
                tokio::time::sleep(self.character.origin + more).await;
                format!(r#"{{"param":"{}"}}"#, asked.key)
            }
            _ => format!(r#"{{"id":{}}}"#, asked.key),
        }
    }

    fn instance(&self, asked: &Asked<'_>) -> &Mutex<Instance> {
        let instance = &self.instances[asked.number as usize % self.instances.len()];
        let restarts = self.switches.path().join("restarts");
        let birth = std::fs::metadata(restarts).map_or(0, |file| file.len());
        let mut now = instance.lock().unwrap();
        if now.birth < birth {
            *now = Instance {
                birth,
                ..Instance::default()
            };
        }
        instance
    }

    fn respond(&self, asked: &Asked<'_>, way: Way, value: &str) -> Response<Full<Bytes>> {
        let lie = self.character.lie;
        let status = self.status(asked.number, way);
        let total = match lie {
            Lie::SlowClock => 60_000.0,
            _ => asked.began.elapsed().as_secs_f64() * 1e3,
        };
        // Two lines are one list: a proxy adds its own before the service's.
        let mut response = Response::builder()
            .header("server-timing", "edge;desc=\"a proxy\"")
            .header("server-timing", format!("total;dur={total:.3}"));
        if lie != Lie::NoCacheStatus {
            response = response.header("cache-status", &status);
        }
        let silent = match lie {
            Lie::NoDiagnostics | Lie::BypassFromTheCache => true,
            Lie::SilentAfter(n) => asked.number >= n,
            _ => false,
        };
        if !silent {
            let mut instance = self.instance(asked).lock().unwrap();
            instance.invocations += 1;
            let calls = match lie {
                Lie::StuckCounter => 7,
                Lie::ForgetsCountAfter(n) if asked.number >= n => 0,
                _ => instance.origin_calls,
            };
            let number = asked.number as usize % self.instances.len();
            response = response
                .header("x-instance", format!("{number}-{}", instance.birth))
                .header("x-invocation", instance.invocations.to_string())
                .header("x-origin-calls", calls.to_string());
        }
        // Other services have these instead of Cache-Status.
        let (header, word) = match status.contains("hit") {
            true => ("HIT from here", "cache"),
            false => ("MISS", "database"),
        };
        let mut body = format!("{{\"from\":\"{word}\",\"result\":{value}}}");
        if lie == Lie::Compressed {
            response = response.header("content-encoding", "gzip");
            body = body.chars().rev().collect();
        }
        response
            .header("x-cache", header)
            .body(Full::from(body))
            .unwrap()
    }

    fn status(&self, number: u64, way: Way) -> String {
        let hit = match self.character.lie {
            Lie::NoTtl => "larder; hit".to_owned(),
            _ => format!("larder; hit; ttl={}", self.character.ttl.as_secs()),
        };
        let known = way == Way::Hit;
        let lied = match self.character.lie {
            Lie::HitsCalledMisses if known => return "larder; fwd=miss; stored".into(),
            Lie::GarbledCacheStatus => return "HIT from somewhere!".into(),
            Lie::GarbledAfter(n) if number >= n => return "HIT from somewhere!".into(),
            Lie::AnotherCache => return "edge; hit".into(),
            Lie::LiesAfter(n) => number >= n && way == Way::Miss,
            Lie::EvenedOut if way == Way::Miss && number.is_multiple_of(10) => {
                self.owed.fetch_add(1, Ordering::SeqCst);
                true
            }
            Lie::EvenedOut if known => {
                let pay = |owed: usize| owed.checked_sub(1);
                self.owed
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, pay)
                    .is_ok()
            }
            _ => false,
        };
        match way {
            Way::Hit | Way::Miss if known != lied => hit,
            Way::Hit | Way::Miss => "larder; fwd=miss; stored".into(),
            Way::Stale => "larder; hit; ttl=-1".into(),
            Way::Expired => "larder; fwd=stale; stored".into(),
            Way::Collapsed => "larder; fwd=miss; collapsed".into(),
            Way::Broken => "larder; fwd=miss; detail=timeout".into(),
            Way::Bypass => "larder; fwd=request".into(),
        }
    }

    fn distort(&self, value: String, known: bool) -> String {
        match self.character.lie {
            Lie::OtherKeysValue if known => {
                let mut order = self.order.lock().unwrap();
                order.push_back(value.clone());
                if order.len() > 3 {
                    order.pop_front().unwrap()
                } else {
                    value
                }
            }
            Lie::ChangedValue if known => value.replacen('{', r#"{"extra":1,"#, 1),
            _ => value,
        }
    }
}

fn plain_json(body: &str) -> Response<Full<Bytes>> {
    let response = Response::builder().header("content-type", "application/json");
    response.body(Full::from(body.to_owned())).unwrap()
}

fn plain(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::from(body))
        .unwrap()
}
