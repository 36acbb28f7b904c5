//! `cargo bench --workspace --bench bars`: the figures that the documents state, measured in one
//! run. Times are not asserted, as machines differ; memory is. `-- --only memory` (or `heads`, `board`)
//! measures that part alone, `--frames 10000` watches for longer, and `--strict` asserts shares and growth
//! too, on a machine that does nothing else.

mod board;
mod heads;
mod memory;

use std::{path::Path, process::Command, time::Instant};

use lastlayer_host::statistics;

const RUNS: usize = 7;
/// Frames that memory is watched for.
const FRAMES: u64 = 1500;

fn main() {
    let mut asked = std::env::args().skip_while(|argument| argument != memory::OPEN);
    if let Some(state) = asked.nth(1) {
        return memory::open_and_tell(&state);
    }
    let value = |name: &str| {
        let mut from = std::env::args().skip_while(|argument| argument != name);
        from.nth(1)
    };
    let frames = value("--frames").map_or(FRAMES, |n| n.parse().unwrap());
    let only = value("--only");
    let asked = |part: &str| only.as_ref().is_none_or(|only| only == part);
    if asked("heads") {
        heads::measure();
    }
    if asked("memory") {
        memory::measure();
    }
    if asked("board") {
        let strict = std::env::args().any(|argument| argument == "--strict");
        board::measure(frames, strict);
    }
}

/// Median milliseconds of several runs.
fn median(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    };
    statistics::median(&(0..RUNS).map(time).collect::<Vec<f64>>())
}

/// The host's tool.
fn lastlayer(arguments: &[&str], paths: [&Path; 2]) {
    let status = Command::new(env!("CARGO_BIN_EXE_lastlayer-under-test"))
        .args(arguments)
        .arg(paths[0])
        .arg("--output")
        .arg(paths[1])
        .output()
        .unwrap()
        .status;
    assert!(status.success());
}
