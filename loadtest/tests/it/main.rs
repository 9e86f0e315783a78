//! The real binary against servers of every kind, started here on free ports.

/// The answers of a test server: a real cache, and lies about it.
mod answers;
/// The properties of a server, and the lie that it tells.
mod character;
/// A server on a free port.
mod server;
/// The scripts that start and stop servers for a run: no process may survive them.
mod supervisor;
/// Runs the binary and reads what it leaves behind.
mod tool;

/// Beside a run: preflight, known delays, a bare memcached, CI.
mod beside;
/// Mixed traffic and stampedes, on servers that pass and fail.
mod crowds;
/// Targets of other projects, described in a file.
mod foreign;
/// Thresholds, baselines, and the commands that read a report.
mod gates;
/// Several generators, and one report of all of them.
mod generators;
/// An honest server: everything agrees, and the numbers are the server's.
mod honest;
/// Ctrl-C in a phase, between phases and before the first.
mod interrupted;
/// Each lie ends in exit 5, and each failure in the right error.
mod lies;
/// The answer, capacity, users, and the forms of a report for other programs.
mod more_output;
/// A cache that breaks, and functions that restart.
mod outages;
/// The user's own traffic: replayed, and computed with.
mod own_traffic;
/// The open loop: what is the target's time, and what is this tool's.
mod pace;
/// Real proxies, where they are installed.
mod proxies;
/// The files of a run: whole, self-contained, and safe from the target's own texts.
mod reports;
/// Targets behind TLS.
mod secured;
/// Errors on the command line are named.
mod usage;
