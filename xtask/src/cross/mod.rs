//! `lastlayerd` as one file for every board of a kind, whatever its system's age.
//!
//! zig links it: it knows the symbols of every version of glibc, so the program asks for nothing
//! that a board of 2020 lacks. A fully static glibc would run everywhere too, but cannot look names
//! up in the network as the board is set up to.

pub mod check;
mod toolchain;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use object::Architecture;

use crate::tools;
use check::{MAX_SIZE, Needs, OLDEST_GLIBC};
pub use toolchain::Toolchain;

/// The profile of what boards get. Other profiles are for tests and may be larger.
pub const SHIPPED: &str = "dist";

/// A kind of board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Raspberry Pi 3 and later with a 64-bit system, Jetson.
    Aarch64,
    /// Raspberry Pi 2 and later with a 32-bit system.
    Armv7,
}

impl Kind {
    /// Its Rust target.
    pub fn target(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
            Self::Armv7 => "armv7-unknown-linux-gnueabihf",
        }
    }

    fn architecture(self) -> Architecture {
        match self {
            Self::Aarch64 => Architecture::Aarch64,
            Self::Armv7 => Architecture::Arm,
        }
    }

    /// Debian's name for it.
    fn debian_architecture(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::Armv7 => "armhf",
        }
    }
}

/// Builds `lastlayerd` for a kind of board with one of the workspace's profiles and checks it; the
/// path of the program. Errors say what has to be installed, or what is wrong with the program.
pub fn build(kind: Kind, profile: &str, toolchain: Option<Toolchain>) -> Result<PathBuf> {
    let begin = Instant::now();
    let toolchain = match toolchain {
        Some(toolchain) => toolchain,
        None => Toolchain::of_machine(kind)?,
    };
    let wanted = ["--package", "lastlayer-firmware", "--bin", "lastlayerd"];
    let program = zigbuild(kind, profile, toolchain, &wanted)?.join("lastlayerd");
    let file =
        fs::read(&program).with_context(|| format!("{} cannot be read", program.display()))?;
    let needs = Needs::of(&file)?;
    eprintln!(
        "{}: {needs} ({}, {:.0} s)",
        program.display(),
        toolchain,
        begin.elapsed().as_secs_f64()
    );
    needs
        .check(
            kind.architecture(),
            (profile == SHIPPED).then_some(MAX_SIZE),
        )
        .with_context(|| format!("{} is no program for boards", program.display()))?;
    Ok(program)
}

/// An example of the firmware's, as a program for a kind of board. It is the firmware's, so that it is
/// built of the same libraries as lastlayerd, with the same features, which are there already.
pub fn example(kind: Kind, profile: &str, name: &str) -> Result<PathBuf> {
    let wanted = ["--package", "lastlayer-firmware", "--example", name];
    let folder = zigbuild(kind, profile, Toolchain::of_machine(kind)?, &wanted)?;
    Ok(folder.join("examples").join(name))
}

/// Builds what is `wanted`, in cargo's words; the folder with it.
fn zigbuild(kind: Kind, profile: &str, toolchain: Toolchain, wanted: &[&str]) -> Result<PathBuf> {
    let zig = zig()?;
    let target_dir = toolchain.target_dir();
    let mut cargo = Command::new("cargo");
    let target = format!("{}.{}.{}", kind.target(), OLDEST_GLIBC.0, OLDEST_GLIBC.1);
    cargo
        .current_dir(tools::root())
        .args(["zigbuild", "--locked"])
        .args(wanted)
        .args(["--profile", profile, "--target", &target, "--target-dir"])
        .arg(&target_dir)
        .env("PATH", with_first(&zig)?);
    toolchain.apply(&mut cargo);
    tools::run(&mut cargo)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_dir.join(kind.target()).join(folder))
}

/// The folder with zig's programs, installed from PyPI where it is not there yet.
fn zig() -> Result<PathBuf> {
    let venv = tools::root().join("target/cross/zig");
    let wanted = tools::root().join("xtask/zig-requirements.txt");
    // Written last: a venv without it is half made, one with another is of another version.
    let installed = venv.join("requirements.txt");
    if fs::read(&installed).ok() != Some(fs::read(&wanted)?) {
        eprintln!("installing zig into {}", venv.display());
        let mut python = tools::command("python3")?;
        tools::output(python.args(["-m", "venv", "--clear"]).arg(&venv)).context(
            "Python cannot make a venv; on Debian run `apt-get install python3-venv` as root",
        )?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ]);
        tools::run(pip.arg(&wanted))?;
        fs::copy(&wanted, &installed)?;
    }
    Ok(venv.join("bin"))
}

/// PATH with a folder before all others.
fn with_first(folder: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}
