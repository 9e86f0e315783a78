//! The real binary against servers of every character, started here on free ports.

/// What the server answers: a real cache, and lies that can be told about it.
mod answers;
/// What a server is like, and which lie it tells.
mod character;
/// A server of some character on a free port.
mod server;
/// The scripts that start and stop servers for a run: whatever ends them, no process is left.
mod supervisor;
/// Runs the binary and reads what it leaves behind.
mod tool;

/// What stands beside a run: preflight, known delays, a bare memcached, CI.
mod beside;
/// Mixed traffic and stampedes, on servers that do well and badly.
mod crowds;
/// Targets that are not ours, described in a file.
mod foreign;
/// Rules, baselines, and the commands that read a report again.
mod gates;
/// Against an honest server everything agrees, and the numbers are the server's.
mod honest;
/// Ctrl-C in a phase, between phases and before the first.
mod interrupted;
/// Each lie ends in exit 5; each failure in the right error.
mod lies;
/// A cache that breaks, and functions that start afresh.
mod outages;
/// The files of a run: whole, self-contained, and safe from the target's own texts.
mod reports;
/// Targets behind TLS.
mod secured;
/// What is wrong on the command line is named.
mod usage;
