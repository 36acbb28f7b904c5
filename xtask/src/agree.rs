//! Whether a board learns what a host learns: the same heads fitted on this machine and on emulated
//! processors of boards, from the same numbers, are asked about the same embeddings.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    cross::{self, Kind},
    image::Debian,
    tools,
};

const EMULATOR: &str = "qemu-aarch64-static";
/// Processors of boards: of a Raspberry Pi 3, a Raspberry Pi 4, and one with all that QEMU can do.
const PROCESSORS: [&str; 3] = ["cortex-a53", "cortex-a72", "max"];
/// How far apart a confidence or a familiarity, 0..=1, may be.
const APART: f64 = 1e-4;

/// One head.
#[derive(Debug)]
struct Said {
    head: String,
    /// What stands for all its numbers, bit by bit.
    bytes: Value,
    /// Confidences and familiarities.
    numbers: Vec<f64>,
}

/// Errors name the head that differs. `profile`: the workspace's, for the board's program.
pub fn agree(profile: &str) -> Result<()> {
    tools::need(&[EMULATOR])?;
    let debian = Debian::unpacked()?;
    let program = cross::example(Kind::Aarch64, profile, "heads")?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tools::root()).args(["build", "--locked"]);
    tools::run(cargo.args(["--release", "--workspace", "--example", "heads"]))?;

    let native = || {
        said(&mut Command::new(
            tools::target().join("release/examples/heads"),
        ))
    };
    let here = native()?;
    same_bytes(&here, &native()?).context("this machine, twice")?;
    let mut boards = Vec::new();
    for processor in PROCESSORS {
        boards.push(emulated(&debian, processor, &program)?);
    }
    for (processor, board) in PROCESSORS.iter().zip(&boards) {
        same_bytes(&boards[0], board)
            .with_context(|| format!("{} and {processor}", PROCESSORS[0]))?;
    }
    for (host, board) in here.iter().zip(&boards[0]) {
        println!("{}: {:.1e} apart", host.head, apart(host, board)?);
    }
    println!(
        "{} heads are the same bytes on {}, and say what they say here",
        here.len(),
        PROCESSORS.join(", ")
    );
    Ok(())
}

fn emulated(debian: &Debian, processor: &str, program: &Path) -> Result<Vec<Said>> {
    let mut emulator = tools::command(EMULATOR)?;
    emulator.args(["-cpu", processor, "-L"]).arg(&debian.root);
    said(emulator.arg(program)).with_context(|| format!("on {processor}"))
}

fn said(command: &mut Command) -> Result<Vec<Said>> {
    let text = tools::text(command)?;
    let said: Vec<Said> = text.lines().map(read).collect::<Result<_>>()?;
    ensure!(!said.is_empty(), "no head was fitted");
    Ok(said)
}

/// A line of the example's.
fn read(line: &str) -> Result<Said> {
    let said: Value = serde_json::from_str(line)?;
    let numbers = said["said"].as_array().context("it says nothing")?;
    let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
    Ok(Said {
        head: said["head"].as_str().context("a head has no name")?.into(),
        bytes: said["bytes"].clone(),
        numbers: numbers.context("it says what is no number")?,
    })
}

fn same_bytes(one: &[Said], other: &[Said]) -> Result<()> {
    ensure!(one.len() == other.len(), "they are not as many heads");
    for (one, other) in one.iter().zip(other) {
        ensure!(one.bytes == other.bytes, "{} has other bytes", one.head);
    }
    Ok(())
}

/// The most that two numbers differ by; an error where that is too much.
fn apart(one: &Said, other: &Said) -> Result<f64> {
    let (head, count) = (&one.head, one.numbers.len());
    ensure!(
        one.head == other.head && count == other.numbers.len() && count > 0,
        "{head} and {} do not answer the same questions",
        other.head
    );
    let pairs = one.numbers.iter().zip(&other.numbers);
    let most = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    ensure!(most <= APART, "{head}: {most:.1e} apart");
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let line = |bytes: &str, number: &str| {
            read(&format!(
                "{{\"head\": \"ridge\", \"bytes\": [{bytes}], \"said\": [0.25, {number}]}}"
            ))
            .unwrap()
        };
        let (one, near, far) = (line("1", "0.5"), line("2", "0.50005"), line("1", "0.5002"));
        assert!((apart(&one, &near).unwrap() - 5e-5).abs() < 1e-9);
        let error = apart(&one, &far).unwrap_err().to_string();
        assert!(error.starts_with("ridge: 2.0e-4"), "{error}");
        assert!(same_bytes(&[one], &[far]).is_ok());
        let error = same_bytes(&[near], &[line("1", "0.50005")]).unwrap_err();
        assert!(error.to_string().starts_with("ridge"), "{error}");
        assert!(read("{}").is_err());
    }
}
