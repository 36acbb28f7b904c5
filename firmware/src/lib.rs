//! `lastlayerd`, the board's program, as a library with a thin main: it watches a camera, says
//! what it sees, and learns at the press of a button.
//!
//! `session` decides, and alone knows its neighbours; camera, panel and memory do not know one
//! another. Time comes from outside: from a clock on a board, from the scene script in tests.

pub mod camera;
mod cli;
pub mod feed;
pub mod log;
pub mod memory;
pub mod outputs;
pub mod panel;
pub mod scene;
pub mod session;
pub mod smoothing;
mod stop;
pub mod trainer;
pub mod watch;

use std::{
    ffi::OsString,
    io::{Write, stderr},
    process::ExitCode,
};

pub use cli::Options;
use lastlayer_shared::error::one_line;
use log::LogError;

/// Runs the program with these arguments (the first is its name): the exit code is 0, 1 for a
/// failure (one line on stderr says what to do) or 2 for wrong usage.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Err(error) = watch::run(&Options::from_arguments(arguments)) else {
        return ExitCode::SUCCESS;
    };
    if error.downcast_ref().is_some_and(LogError::nobody_reads) {
        return ExitCode::SUCCESS;
    }
    // Nothing can be done about an error that nobody can be told of.
    let _ = writeln!(stderr(), "error: {}", one_line(error.as_ref()));
    ExitCode::FAILURE
}
