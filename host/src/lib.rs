//! `lastlayer`, the host's tool, as a library with a thin main.

#![deny(unsafe_code)]

pub mod bench;
mod commands;
mod cores;
pub mod demo;
pub mod embed;
pub mod evaluate;
pub mod graph;
pub mod heap;
pub mod photos;
pub mod pretrained;
pub mod prune;
pub mod report;
pub mod signing;
pub mod statistics;
pub mod ui;

mod self_test;

use std::process::ExitCode;

use clap::Parser;

pub use self_test::self_test;

/// Runs the program: the exit code is 0, 1 for a failure (one line on stderr says what to do) or 2
/// for wrong usage.
pub fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}
