//! The command line of `cargo xtask`.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{
    agree,
    bench::Bench,
    board::{self, Board, Site},
    cross::{self, Kind, Toolchain},
    tools,
};

/// Tasks of developers
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build lastlayerd for boards and check that it runs on old systems
    Cross {
        /// The kind of board
        #[arg(long, value_enum, default_value_t = Kind::Aarch64)]
        kind: Kind,
        /// dist is what boards get; release builds quicker, for tests
        #[arg(long, default_value = cross::SHIPPED)]
        profile: String,
        /// Whose Rust; by default rustup's where it has the target, else Debian's
        #[arg(long, value_enum)]
        toolchain: Option<Toolchain>,
    },
    /// Fetch what a virtual board is made of, and say what has to be installed
    BoardSetup,
    /// Boot a whole virtual board and press its buttons with keys
    #[command(after_help = "docs/boards.md, \"A board without a board\", has the keys.")]
    Board(Board),
    /// Try a whole virtual board: camera, lines, disk and power
    BoardTest {
        #[command(flatten)]
        site: Site,
    },
    /// Fit the same heads here and on emulated processors of boards, and compare what they say
    Agree {
        /// Of the board's program
        #[arg(long, default_value = cross::SHIPPED)]
        profile: String,
    },
    /// Count the instructions of a frame on a virtual board
    #[command(after_help = "docs/performance.md has what it counts.")]
    BoardBench(Bench),
    /// Measure the figures that the documents state, memory over 10,000 frames among them
    Bars,
}

fn main() -> ExitCode {
    match run(Options::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The bench in its long form.
fn bars() -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tools::root());
    tools::run(
        cargo
            .args(["bench", "--workspace", "--bench", "bars", "--"])
            .args(["--frames", "10000", "--strict"]),
    )
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Cross {
            kind,
            profile,
            toolchain,
        } => {
            let program = cross::build(kind, &profile, toolchain)?;
            println!("{}", program.display());
            Ok(())
        }
        Task::BoardSetup => board::setup(),
        Task::Board(board) => board.run(),
        Task::BoardTest { site } => board::test(&site),
        Task::Agree { profile } => agree::agree(&profile),
        Task::BoardBench(bench) => bench.run(),
        Task::Bars => bars(),
    }
}
