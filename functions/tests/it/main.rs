//! Tests of the real binaries from outside: functions behind a fake Runtime API, `local` over HTTP.

// Test support.
mod event; // a request as an event of API Gateway, ALB or a Function URL
mod http; // a request over HTTP/1.1
mod postgres; // a Postgres server of a test's own
mod program; // one of our binaries as a process
mod random_request; // random requests, and whether a response belongs to one
mod request; // a request and its response, independent of the protocol
mod runtime_api; // the fake Lambda Runtime API
mod site; // all routes, as functions or as the local server

// Tests.
mod contract; // methods, inputs and headers, alike on both sites
mod database; // a database that fails and recovers
mod diagnostics; // what DIAGNOSTICS=on shows and allows
mod disconnects; // clients that hang up among clients that check
mod events; // every kind of event gives the same answer
mod faults; // memcached frozen, killed, back
mod flush_auth; // who may flush
mod freeze; // a function's process frozen between invocations, as Lambda freezes it
mod invocations; // deadline, concurrency and failed starts of a function
mod journey; // origin, cache, flush: the main job
mod local; // start lines, .env, a taken port, signals
mod migration; // the function that prepares the database
mod page; // the page in a real headless Chromium
mod restarts; // memcached restarted again and again under load
mod scripts; // messages and settings of the scripts in dev/
mod stack; // make deploy and make check
mod startup; // whether a process polls or connects to memcached first
mod telemetry; // metrics lines and the log of a function on Lambda
