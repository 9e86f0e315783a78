//! `loadtest what-if`: what a cache would do with the user's own traffic.

use crate::commands::{cli::WhatIfArgs, stdout::Stdout};
use crate::error::{CommandError, Exit};
use crate::load::traffic::OwnTraffic;
use crate::output::{files, html, terminal, what_if};
use crate::report::own_traffic;
use crate::target::{Function, Target, Wanted};

pub(crate) fn what_if(args: &WhatIfArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let functions = functions(args).map_err(CommandError::usage)?;
    let traffic = OwnTraffic::read(&args.file, &functions).map_err(CommandError::usage)?;
    let facts = own_traffic::facts(&traffic, Vec::new());
    for line in what_if::sentences(&facts) {
        stdout.print(&format!("{line}\n"));
    }
    for table in [
        what_if::lifetime_table(&facts),
        what_if::memory_table(&facts),
    ] {
        if !table.rows.is_empty() {
            stdout.print(&format!("\n{}", terminal::grid(&table)));
        }
    }
    if let Some(out) = &args.out {
        files::write_page(out, "what-if.html", &html::own_traffic(&facts))?;
        stdout.print(&format!(
            "\ncharts: {}\n",
            out.join("what-if.html").display()
        ));
    }
    Ok(Exit::Ok)
}

/// The functions whose requests count; none if every path is a key of its own.
fn functions(args: &WhatIfArgs) -> Result<Vec<Function>, String> {
    if args.target.is_none() && args.path.is_none() {
        return Ok(Vec::new());
    }
    let target = Target::find(&Wanted {
        file: args.target.as_deref(),
        path: args.path.as_deref(),
        only: &args.functions,
        ..Wanted::default()
    })?;
    Ok(target.functions)
}
