//! Random requests for few keys, and whether a response belongs to its request.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::request::{Request, Response};

/// Few enough that several callers ask for the same one at a time.
const PARAMS: u32 = 25;
/// Of the 500 sample users.
const USERS: u32 = 200;

/// The seed of a test's random choices. It is printed, so that `SEED=…` repeats them.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(
        |_| getrandom::u64().unwrap(),
        |seed| seed.parse().expect("SEED is a number"),
    );
    println!("SEED={seed}");
    seed
}

#[derive(Clone, Debug)]
pub(crate) enum RandomRequest {
    HeavyOp(String),
    User(u32),
}

impl RandomRequest {
    pub(crate) fn any(random: &mut SmallRng) -> Self {
        if random.random() {
            Self::HeavyOp(format!("ñ {}\r\nget", random.random_range(0..PARAMS)))
        } else {
            Self::User(random.random_range(1..=USERS))
        }
    }

    pub(crate) fn request(&self) -> Request {
        Request::get(match self {
            Self::HeavyOp(param) => {
                let param = utf8_percent_encode(param, NON_ALPHANUMERIC);
                format!("/heavy-op?param={param}")
            }
            Self::User(id) => format!("/user/{id}"),
        })
    }

    /// Whether a response with status 200 is about the same key.
    pub(crate) fn is_answered_by(&self, answer: &Response) -> bool {
        let result = &answer.json()["result"];
        match self {
            Self::HeavyOp(param) => result["param"] == param.as_str(),
            Self::User(id) => result["id"] == *id,
        }
    }
}
