//! The command line: one file a subcommand, each thin over the library.

mod bench;
mod demo;
mod eval;
mod export;
mod inspect;
mod keygen;
mod package;
mod password;
mod pruning;
mod sign;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use lastlayer_shared::package::Package;

use crate::ui;

/// The name under which this program is the board's.
pub const BOARD_PROGRAM: &str = "lastlayerd";

#[derive(Parser)]
#[command(
    name = "lastlayer",
    version,
    about = "Makes packages for cameras that learn on the spot",
    after_help = "Start with:  lastlayer demo\n\
                  Then:        lastlayer export mobilenet-v2 --output backbone.onnx\n\
                  \x20            lastlayer keygen --output site\n\
                  \x20            lastlayer package backbone.onnx --key site.key --output site.llp\n\
                  \x20            lastlayerd --package site.llp --trust site.pub --camera /dev/video0"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Export(export::Export),
    Package(package::Pack),
    Keygen(keygen::Keygen),
    Sign(sign::Sign),
    Inspect(inspect::Inspect),
    Eval(eval::Eval),
    Bench(bench::Bench),
    /// A part of `bench`
    #[command(hide = true, name = crate::bench::COMMAND)]
    BenchChild(bench::BenchChild),
    Demo(demo::Demo),
    /// The board's program, so that `demo` can start it as a process of its own
    #[command(hide = true, disable_help_flag = true, name = BOARD_PROGRAM)]
    Lastlayerd {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

impl Cli {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Export(command) => command.run()?,
            Command::Package(command) => command.run()?,
            Command::Keygen(command) => command.run()?,
            Command::Sign(command) => command.run()?,
            Command::Inspect(command) => command.run()?,
            Command::Eval(command) => command.run()?,
            Command::Bench(command) => command.run()?,
            Command::BenchChild(command) => command.run()?,
            Command::Demo(command) => command.run()?,
            Command::Lastlayerd { arguments } => {
                let name = OsString::from(BOARD_PROGRAM);
                return Ok(lastlayer_firmware::main(
                    [name].into_iter().chain(arguments),
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The classes with their starting samples; `None` where there are none.
fn class_table(package: &Package) -> Option<String> {
    let rows = package.classes.iter().zip(package.counts());
    let rows = rows.map(|(class, count)| [class.clone(), count.to_string()]);
    (!package.classes.is_empty()).then(|| ui::table(["class", "starting samples"], rows))
}
