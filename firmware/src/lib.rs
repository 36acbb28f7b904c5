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
pub mod panel;
pub mod scene;
pub mod session;
pub mod trainer;
pub mod watch;

use std::{ffi::OsString, process::ExitCode};

pub use cli::Options;

/// Runs the program with these arguments (the first is its name): the exit code is 0, 1 for a
/// failure (one line on stderr says what to do) or 2 for wrong usage.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = Options::from_arguments(arguments).and_then(|options| watch::run(&options));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}");
            eprintln!(
                "error: {}",
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            ExitCode::FAILURE
        }
    }
}
