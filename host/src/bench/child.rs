//! One runtime with one network in a process of its own. It is spoken to in lines: it says `ready` with
//! the milliseconds of its start, then, for every line with a number, as many times in milliseconds; and
//! at the end `peak` with the most kilobytes that it had resident.

use std::{
    io::{BufRead, BufReader, Write, stdin, stdout},
    path::Path,
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use anyhow::Context;
use lastlayer_shared::{backbone::Backbone, file, operators::Operators};

use super::{BenchError, Network, Runtime, processor};
use crate::{
    graph::{metadata::Metadata, onnx},
    pretrained::cache::MAX_FILE,
};

/// The hidden subcommand that is a child.
pub const COMMAND: &str = "bench-child";

pub struct Child {
    process: process::Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    runtime: Runtime,
    network: &'static str,
    start_ms: f64,
}

/// What a child says at its end.
pub struct End {
    pub runtime: Runtime,
    pub network: &'static str,
    pub start_ms: f64,
    pub peak_kb: u64,
}

impl Child {
    /// Waits until it is ready. `python`: the interpreter that may have the peers.
    pub fn start(runtime: Runtime, network: &Network, python: &str) -> Result<Self, BenchError> {
        let mut command = match runtime {
            Runtime::Own(_) => {
                let own = std::env::current_exe().map_err(|error| {
                    BenchError::Absent(format!("this program is not found again: {error}"))
                })?;
                let mut command = Command::new(own);
                command.args([COMMAND, runtime.name()]);
                command
            }
            Runtime::Peer(peer) => peer.command(python, network.side)?,
        };
        command.arg(&network.file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let failed = |why: String| BenchError::Failed {
            runtime: runtime.name(),
            network: network.name,
            why,
        };
        let mut process = command.spawn().map_err(|error| failed(error.to_string()))?;
        let to = process.stdin.take();
        let from = process.stdout.take();
        let from = from.ok_or_else(|| failed("it says nothing".into()))?;
        let mut child = Self {
            process,
            to,
            from: BufReader::new(from),
            runtime,
            network: network.name,
            start_ms: 0.0,
        };
        child.start_ms = child.said("ready")?;
        Ok(child)
    }

    /// Milliseconds of so many frames.
    pub fn frames(&mut self, count: usize) -> Result<Vec<f64>, BenchError> {
        let asked = match &mut self.to {
            Some(to) => writeln!(to, "{count}").and_then(|()| to.flush()),
            None => Ok(()),
        };
        asked.map_err(|error| self.failed(error.to_string()))?;
        let line = self.line()?;
        let times = line.split_whitespace().map(str::parse);
        let times: Result<Vec<f64>, _> = times.collect();
        match times {
            Ok(times) if times.len() == count => Ok(times),
            _ => Err(self.failed(line)),
        }
    }

    pub fn end(mut self) -> Result<End, BenchError> {
        // It hears that nothing more will be asked.
        self.to = None;
        let peak_kb = self.said("peak")?;
        Ok(End {
            runtime: self.runtime,
            network: self.network,
            start_ms: self.start_ms,
            peak_kb,
        })
    }

    /// The number after a word.
    fn said<T: std::str::FromStr>(&mut self, word: &str) -> Result<T, BenchError> {
        let line = self.line()?;
        let number = line.strip_prefix(word).map(|number| number.trim().parse());
        match number {
            Some(Ok(number)) => Ok(number),
            _ => Err(self.failed(line)),
        }
    }

    fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(1..) => Ok(line.trim().to_owned()),
            Ok(_) => Err(self.failed("it ended".into())),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    fn failed(&self, why: String) -> BenchError {
        BenchError::Failed {
            runtime: self.runtime.name(),
            network: self.network,
            why,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that does not hear its end is ended.
        self.to = None;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child's side: runs the network of `file` until nothing more is asked.
pub fn serve(operators: Operators, file: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let onnx = file::read(file, MAX_FILE)?;
    let metadata = Metadata::read(&onnx::decode(&onnx)?)?;
    let preprocess = metadata.context("it says nothing of its input")?.preprocess;
    let side = preprocess.input_size as usize;
    let numbers = vec![0.5f32; 3 * side * side];
    let backbone = Backbone::load_with(&onnx, &preprocess, operators)?;
    drop(onnx);
    let mut embedder = backbone.embedder()?;
    embedder.run(&numbers)?;
    say(&format!("ready {}", milliseconds(start)))?;
    for line in stdin().lines() {
        let count: usize = line?.trim().parse()?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            embedder.run(&numbers)?;
            times.push(milliseconds(start).to_string());
        }
        say(&times.join(" "))?;
    }
    say(&format!(
        "peak {}",
        processor::peak_kb().unwrap_or_default()
    ))
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
