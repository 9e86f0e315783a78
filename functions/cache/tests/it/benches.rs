#[path = "../../benches/hit/contest.rs"]
mod contest;
#[allow(dead_code, reason = "no table is printed here")]
#[path = "../../benches/process.rs"]
mod process;
#[allow(dead_code, reason = "no table is printed here")]
#[path = "../../benches/row.rs"]
mod row;

use std::{cell::Cell, error::Error, process::Command, rc::Rc, time::Duration};

use contest::{Contender, Contest, ROUNDS};
use process::Process;
use row::Limit;

const PATIENCE: Duration = Duration::from_secs(60);

/// Counts its turns and fails at one of them.
struct Contestant {
    turns: Rc<Cell<usize>>,
    fails_at: Option<usize>,
}

impl Contender for Contestant {
    fn run(&mut self, _: usize) -> Result<f64, Box<dyn Error>> {
        if self.fails_at == Some(self.turns.get()) {
            return Err("it gave up".into());
        }
        self.turns.set(self.turns.get() + 1);
        Ok(1.0)
    }
}

/// Runs a contest in which the contender with this limit fails. Returns the result, and the turns
/// of the other one.
fn contest(limit: Limit, fails_at: usize) -> (Result<(), Box<dyn Error>>, usize) {
    let contestant = |fails_at| Contestant {
        turns: Rc::default(),
        fails_at,
    };
    let mut contest = Contest::new("anywhere", contestant(None));
    let sound = contestant(None);
    let turns = Rc::clone(&sound.turns);
    contest.enter("P1", "one that fails", limit, contestant(Some(fails_at)));
    contest.enter("P1", "one that does not", Limit::AtMost(1.0), sound);
    (contest.report(), turns.get())
}

#[test]
fn a_peer_that_fails_is_left_out_and_the_others_are_measured() {
    for fails_at in [0, 1, ROUNDS] {
        let (result, turns) = contest(Limit::Peer, fails_at);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(turns, ROUNDS + 1);
    }
}

#[test]
fn a_hit_of_ours_that_fails_ends_the_benchmark() {
    for limit in [Limit::AtMost(1.0), Limit::NoTarget] {
        let (result, _) = contest(limit, 1);
        assert_eq!(result.unwrap_err().to_string(), "it gave up");
    }
}

/// The answer to one order, or the reason why there is none.
fn answer_of(script: &str, patience: Duration) -> Result<String, String> {
    let mut command = Command::new("sh");
    let answered =
        Process::start(command.args(["-c", script]), patience).and_then(|mut process| {
            process.tell("an order");
            process.answer(patience)
        });
    answered.map_err(|error| error.to_string())
}

#[test]
fn a_peer_says_that_it_is_ready_and_answers_each_order() {
    let script = "echo ready; read -r order; echo \"done: $order\"; cat";
    assert_eq!(answer_of(script, PATIENCE), Ok("done: an order".to_owned()));
}

#[test]
fn a_peer_that_ends_says_something_else_or_nothing_is_an_error() {
    for (script, patience, why) in [
        ("exit 1", PATIENCE, "it gave up"),
        ("echo ready; exit 1", PATIENCE, "it gave up"),
        (
            "echo hello; cat",
            PATIENCE,
            "it said \"hello\" and not that it is ready",
        ),
        // It reads its orders and does not answer while there may be more.
        ("cat >/dev/null", Duration::ZERO, "it said nothing for 0ns"),
    ] {
        assert_eq!(answer_of(script, patience), Err(why.to_owned()), "{script}");
    }
}
