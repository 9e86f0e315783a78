//! The real binaries from outside: functions behind a fake Runtime API, and `local` over HTTP.

// What the tests are made with.
mod event; // a request as the events of API Gateway, ALB and Function URL
mod http; // a request over HTTP/1.1
mod postgres; // a Postgres server of a test's own
mod program; // one of our binaries as a process
mod random_request; // random questions, and whether an answer is theirs
mod request; // a request and its answer, in no protocol yet
mod runtime_api; // the fake Lambda Runtime API
mod site; // all routes, as functions or as the local server

// What is tested.
mod contract; // methods, inputs and headers, alike on both sites
mod database; // an origin that fails, and comes back
mod diagnostics; // what DIAGNOSTICS=on shows and allows
mod disconnects; // clients that hang up beside clients that check
mod events; // every kind of event gives the same answer
mod faults; // memcached frozen, killed, back
mod flush_auth; // who may flush
mod freeze; // a function's process frozen between invocations, as Lambda freezes it
mod invocations; // deadline, concurrency and failed starts of a function
mod journey; // origin, cache, flush: the main job
mod local; // start lines, .env, a taken port, signals
mod migration; // the function that makes the database ready
mod page; // the page in a real headless Chromium
mod restarts; // memcached restarted again and again under load
mod scripts; // what the scripts in dev/ tell
mod stack; // make deploy and make check
mod startup; // the question for an invocation, and the connection to memcached: which comes first
mod telemetry; // what a function tells of itself on Lambda
