//! Ten thousand schedules of callers that share a flight. In each, a future is only polled after it
//! was woken, in random order, and some are dropped. A lost wake-up therefore shows as a caller
//! that never ends.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake},
    time::Duration,
};

use tokio::time::Instant;

use super::*;

/// Fixed, so that a failing schedule can be repeated; printed with every failure.
const SEED: u64 = 20_261_122;
const SCHEDULES: u64 = 10_000;
const CALLERS: usize = 6;

struct Random(u64);

impl Random {
    /// splitmix64
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Task = (Pin<Box<dyn Future<Output = ()>>>, Arc<Woken>);

/// Runs to the end. One in `drops` polls drops its future instead.
fn run(schedule: u64, random: &mut Random, mut tasks: Vec<Task>, drops: usize) {
    while !tasks.is_empty() {
        let ready: Vec<_> = (0..tasks.len())
            .filter(|i| tasks[*i].1.0.load(Ordering::SeqCst))
            .collect();
        assert!(
            !ready.is_empty(),
            "schedule {schedule}: {} callers sleep for ever",
            tasks.len()
        );
        let i = ready[random.below(ready.len())];
        if random.below(drops) == 0 {
            drop(tasks.swap_remove(i));
            continue;
        }
        let (future, woken) = &mut tasks[i];
        woken.0.store(false, Ordering::SeqCst);
        let waker = woken.clone().into();
        if future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            drop(tasks.swap_remove(i));
        }
    }
}

fn task(future: impl Future<Output = ()> + 'static) -> Task {
    (Box::pin(future), Arc::new(Woken(AtomicBool::new(true))))
}

/// Yields so many times.
async fn steps(mut n: usize) {
    std::future::poll_fn(|cx| {
        if n == 0 {
            return Poll::Ready(());
        }
        n -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the origin has done so far in one schedule.
#[derive(Default)]
struct Origin {
    /// A clock that advances with every event.
    now: Cell<u64>,
    running: Cell<usize>,
    calls: Cell<usize>,
    values: RefCell<Vec<u64>>,
}

impl Origin {
    fn tick(&self) -> u64 {
        self.now.set(self.now.get() + 1);
        self.now.get()
    }

    /// Its value is the time at which it was called.
    async fn call(self: Rc<Self>, length: usize, fails: bool) -> Result<u64, ()> {
        struct Running(Rc<Origin>);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.running.set(self.0.running.get() - 1);
            }
        }
        let begun = self.tick();
        self.calls.set(self.calls.get() + 1);
        self.running.set(self.running.get() + 1);
        assert_eq!(self.running.get(), 1, "two origin calls at a time");
        let _running = Running(self.clone());
        steps(length).await;
        if fails { Err(()) } else { Ok(begun) }
    }
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn value(payload: &Bytes) -> u64 {
    u64::from_be_bytes(payload.as_ref().try_into().unwrap())
}

async fn solo_caller(
    single_flight: Rc<LocalSingleFlight>,
    origin: Rc<Origin>,
    late: usize,
    length: usize,
    fails: bool,
) {
    steps(late).await;
    let came = origin.tick();
    let got = match single_flight.share(&[7; 32], far()).await {
        Participation::WaitTimedOut => panic!("an hour has not passed"),
        Participation::LeaderFailed => Err(()),
        Participation::Value { payload, .. } => Ok(value(&payload)),
        Participation::Lead(turn) => {
            let result = origin.clone().call(length, fails).await;
            if let Ok(value) = result {
                turn.complete(value.to_be_bytes().to_vec().into(), 0);
            }
            result
        }
    };
    if let Ok(value) = got {
        assert!(value > came, "a value from before its caller came");
        origin.values.borrow_mut().push(value);
    }
}

#[test]
fn callers_without_a_cache_share_calls_that_begin_after_they_came() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let (mut random, mut shared) = (Random(SEED), 0);
    for schedule in 0..SCHEDULES {
        let (single_flight, origin) = (
            Rc::new(LocalSingleFlight::default()),
            Rc::new(Origin::default()),
        );
        let tasks = (0..CALLERS).map(|_| {
            let (late, length) = (random.below(8), random.below(6));
            let fails = random.below(5) == 0;
            task(solo_caller(
                single_flight.clone(),
                origin.clone(),
                late,
                length,
                fails,
            ))
        });
        let tasks = tasks.collect();
        run(schedule, &mut random, tasks, 40);
        assert!(
            single_flight.is_empty(),
            "seed {SEED} schedule {schedule}: a gate was left behind"
        );
        let answered = origin.values.borrow().len();
        shared += answered.saturating_sub(origin.calls.get());
    }
    assert!(shared > 1000, "hardly a call was shared: {shared}");
}

async fn follower(flights: Rc<Flights>, result: Rc<Cell<usize>>, late: usize) {
    steps(late).await;
    if let Some(flight) = flights.of(Token([1; 16])) {
        match flight.result_by(far()).await {
            Some(FlightResult::Value { payload, .. }) => assert_eq!(value(&payload), 42),
            Some(FlightResult::Failed | FlightResult::Left) => {}
            None => panic!("an hour has not passed"),
        }
        result.set(result.get() + 1);
    }
}

async fn leader(flights: Rc<Flights>, length: usize, fails: bool) {
    let pilot = flights.begin(Token([1; 16]));
    steps(length).await;
    if !fails {
        pilot.complete(42_u64.to_be_bytes().to_vec().into(), 0, None);
    }
}

#[test]
fn followers_of_a_flight_hear_of_its_end_however_it_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let (mut random, result) = (Random(SEED), Rc::new(Cell::new(0)));
    for schedule in 0..SCHEDULES {
        let flights = Rc::new(Flights::default());
        let mut tasks = vec![task(leader(
            flights.clone(),
            random.below(8),
            random.below(3) == 0,
        ))];
        for _ in 1..CALLERS {
            tasks.push(task(follower(
                flights.clone(),
                result.clone(),
                random.below(8),
            )));
        }
        run(schedule, &mut random, tasks, 40);
        assert!(
            flights.of(Token([1; 16])).is_none(),
            "a flight was left behind"
        );
    }
    assert!(result.get() > 1000, "hardly a flight was followed");
}

#[tokio::test]
async fn an_uncached_origin_that_panics_sends_the_others_to_their_own() {
    let single_flight = std::sync::Arc::new(LocalSingleFlight::default());
    let Participation::Lead(turn) = single_flight.share(&[1; 32], far()).await else {
        panic!("the first caller leads");
    };
    let mut next = Box::pin(single_flight.share(&[1; 32], far()));
    // It is polled once, and waits.
    let once = tokio::time::timeout(Duration::ZERO, &mut next);
    assert!(once.await.is_err());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _turn = turn;
        panic!("the origin");
    }))
    .unwrap_err();
    assert!(matches!(next.await, Participation::LeaderFailed));
}
