//! What a frame costs on a board, where no board is: executed instructions. A virtual board is booted
//! whose clock goes on by one nanosecond an instruction (`-icount shift=0`), so that what a program
//! measures as a millisecond is a million instructions, the same every time on every machine.
//! Instructions are no time: caches and what a processor does at once do not count.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    cross::{self, Kind},
    image::{Debian, Image},
    tools,
};

/// Of a Raspberry Pi 4, unless asked for another.
const PROCESSOR: &str = "cortex-a72";
/// Megabytes.
const MEMORY: &str = "2048";

#[derive(Args)]
pub struct Bench {
    /// Packages whose networks are run; by default of the whole MobileNetV2
    packages: Vec<PathBuf>,
    /// QEMU's name of the processor
    #[arg(long, default_value = PROCESSOR)]
    processor: String,
    /// Of the board's program
    #[arg(long, default_value = cross::SHIPPED)]
    profile: String,
    /// A JSON array of what was measured, in place of a table
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(self) -> Result<()> {
        tools::need(&["qemu-system-aarch64", "setpriv", "xz"])?;
        let debian = Debian::unpacked()?;
        let program = cross::example(Kind::Aarch64, &self.profile, "frames")?;
        let packages = match self.packages.is_empty() {
            true => vec![full()?],
            false => self.packages,
        };
        let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
        let image = Image::bench(&debian, &program, &packages, folder.path())?;
        let measured = boot(&image, &self.processor)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&measured)?);
            return Ok(());
        }
        println!(
            "{:20} {:10} {:>22}",
            "network", "runtime", "million instructions"
        );
        for line in &measured {
            println!(
                "{:20} {:10} {:22.1}",
                line["network"].as_str().unwrap_or_default(),
                line["runtime"].as_str().unwrap_or_default(),
                line["median_ms"].as_f64().unwrap_or_default()
            );
        }
        Ok(())
    }
}

/// Runs a board until it is done: what it measured.
fn boot(image: &Image, processor: &str) -> Result<Vec<Value>> {
    let mut qemu = tools::command("setpriv")?;
    qemu.args(["--pdeathsig", "KILL"]);
    qemu.arg(tools::find("qemu-system-aarch64")?);
    qemu.args(["-machine", "virt", "-cpu", processor, "-smp", "1"]);
    qemu.args(["-icount", "shift=0", "-m", MEMORY]);
    qemu.args([
        "-nodefaults",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        "stdio",
    ]);
    qemu.arg("-kernel").arg(&image.kernel);
    qemu.arg("-initrd").arg(&image.initramfs);
    qemu.args([
        "-append",
        "console=ttyAMA0 loglevel=2 panic=-1 rdinit=/init",
    ]);
    let mut qemu = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let console = qemu.stdout.take().context("QEMU has no console")?;
    let (mut measured, mut said) = (Vec::new(), Vec::new());
    for line in BufReader::new(console).lines() {
        let line = line?;
        if let Some(code) = line.trim().strip_prefix("ended ") {
            qemu.wait()?;
            ensure!(
                code == "0",
                "the board's program failed: {}",
                said.join("; ")
            );
            return Ok(measured);
        }
        match serde_json::from_str(&line) {
            Ok(value @ Value::Object(_)) => measured.push(value),
            _ => said.push(line.trim().to_string()),
        }
    }
    qemu.wait()?;
    bail!("the board ended early: {}", said.join("; "))
}

/// A package of the whole network, without classes.
fn full() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tools::root()).args(["build", "--locked"]);
    tools::run(cargo.args(["--release", "--workspace", "--bin", "lastlayer"]))?;
    let folder = tools::target().join("board");
    let (onnx, package) = (folder.join("full.onnx"), folder.join("full.llp"));
    let lastlayer = || Command::new(tools::target().join("release/lastlayer"));
    tools::run(
        lastlayer()
            .args(["export", "mobilenet-v2", "--output"])
            .arg(&onnx),
    )?;
    tools::run(
        lastlayer()
            .arg("package")
            .arg(&onnx)
            .arg("--output")
            .arg(&package),
    )?;
    Ok(package)
}
