//! Whose compiler and standard library make the program. rustup's, where it has the target; else
//! Debian's `rustc-web`, whose libraries for other architectures are ordinary packages.

use std::{fmt, path::PathBuf, process::Command};

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::Kind;
use crate::tools;

/// Debian's, beside which rustup's comes first in PATH.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Toolchain {
    /// The compiler that builds everything else, with `rustup target add`.
    Rustup,
    /// Debian's packages rustc-web and libstd-rust-web-dev of the board's architecture.
    Debian,
}

impl Toolchain {
    /// The one that this machine has for a kind of board; an error says how to get one.
    pub fn of_machine(kind: Kind) -> Result<Self> {
        if has_library("rustc", kind) {
            return Ok(Self::Rustup);
        }
        if has_library(DEBIAN_RUSTC, kind) {
            return Ok(Self::Debian);
        }
        let (target, debian) = (kind.target(), kind.debian_architecture());
        bail!(
            "Rust's library for {target} is missing: run `rustup target add {target}`; or, on Debian \
             as root, `dpkg --add-architecture {debian} && apt-get update && apt-get install \
             --no-install-recommends rustc-web libstd-rust-web-dev:{debian}`"
        )
    }

    /// Another compiler in one folder would build everything of this machine anew, and back.
    pub fn target_dir(self) -> PathBuf {
        match self {
            Self::Rustup => tools::target(),
            Self::Debian => tools::target().join("cross/debian"),
        }
    }

    pub fn apply(self, cargo: &mut Command) {
        if self == Self::Debian {
            cargo
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTDOC", "/usr/bin/rustdoc");
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Rustup => "Rust of rustup",
            Self::Debian => "Rust of Debian",
        })
    }
}

/// Whether a compiler has the standard library of a kind of board.
fn has_library(rustc: &str, kind: Kind) -> bool {
    let mut command = Command::new(rustc);
    let folder = tools::text(command.args(["--print", "target-libdir", "--target", kind.target()]));
    folder.is_ok_and(|folder| {
        std::fs::read_dir(folder.trim()).is_ok_and(|files| {
            files
                .flatten()
                .any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
        })
    })
}
