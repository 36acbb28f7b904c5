//! `lastlayerd`, the board's program, as a library with a thin main: it watches a camera, says
//! what it sees, and learns at the press of a button.
//!
//! `session` decides, and alone knows its neighbours; camera, panel and memory do not know one
//! another. Time comes from outside: from a clock on a board, from the scene script in tests.

#![deny(unsafe_code)]

pub mod burst;
pub mod camera;
mod check;
mod cli;
mod collect;
pub mod config;
pub mod examiner;
pub mod feed;
#[allow(unsafe_code)]
mod heap;
mod light;
pub mod log;
mod look;
pub mod memory;
pub mod outputs;
mod owner;
pub mod panel;
mod rarely;
pub mod scene;
mod service;
pub mod session;
mod show;
pub mod slots;
pub mod smoothing;
mod start;
mod stop;
pub mod storage;
pub mod teachings;
pub mod trainer;
pub mod trust;
pub mod upkeep;
mod watch;
#[cfg(test)]
mod wiring;

use std::{
    ffi::OsString,
    io::{Write, stderr, stdout},
    process::ExitCode,
};

use cli::{Arguments, ClassCommand, Command, PackageCommand, SampleCommand};
use config::ConfigError;
use lastlayer_shared::error::one_line;
use log::LogError;
use upkeep::Request;

/// The command line or the configuration is wrong: starting again does not help.
const WRONG_USAGE: u8 = 2;

/// Runs the program with these arguments (the first is its name): the exit code is 0, 1 for a
/// failure or 2 for a wrong command line or configuration; one line on stderr says what to do.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Err(error) = run(Arguments::read(arguments)) else {
        return ExitCode::SUCCESS;
    };
    if error.downcast_ref().is_some_and(LogError::nobody_reads) {
        return ExitCode::SUCCESS;
    }
    // Nothing can be done about an error that nobody can be told of.
    let _ = writeln!(stderr(), "error: {}", one_line(error.as_ref()));
    match error.is::<ConfigError>() {
        true => ExitCode::from(WRONG_USAGE),
        false => ExitCode::FAILURE,
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = &arguments.options;
    let request = match arguments.command {
        None => return start::run(options, options.config()?),
        Some(Command::Check) => return check::run(&options.config()?),
        Some(Command::Collect(wish)) => return collect::run(&options.config()?, &wish),
        Some(Command::Reset { yes }) => return print(upkeep::reset(&options.config()?, yes)?),
        Some(Command::Rollback) => Request::RollBack,
        Some(Command::Packages(command)) => match command {
            PackageCommand::List => Request::Packages,
            PackageCommand::Back => Request::PackageBack,
            PackageCommand::Retry => Request::PackageRetry,
        },
        Some(Command::Classes(command)) => match command {
            ClassCommand::List => Request::Classes,
            ClassCommand::Rename { from, to } => Request::RenameClass { from, to },
            ClassCommand::Remove { class } => Request::RemoveClass { name: class },
        },
        Some(Command::Samples(command)) => match command {
            SampleCommand::List => Request::Samples,
            SampleCommand::Remove(bursts) => Request::RemoveSamples {
                bursts: bursts.numbers(),
            },
            SampleCommand::Aside(bursts) => Request::SetAside {
                bursts: bursts.numbers(),
            },
            SampleCommand::Use(bursts) => Request::UseSamples {
                bursts: bursts.numbers(),
            },
        },
    };
    print(upkeep::run(&options.config()?, &request)?)
}

fn print(lines: Vec<String>) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}").map_err(LogError::from)?;
    }
    Ok(())
}
