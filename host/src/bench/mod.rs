//! How long a frame takes, side by side: every runtime runs every network in a process of its own, in
//! turns, on one core. What a machine does beside it then falls on all of them alike.

mod child;
mod peers;
mod processor;

use std::path::PathBuf;

use indicatif::ProgressBar;
use lastlayer_shared::operators::Operators;
use serde::Serialize;

use crate::statistics::median;
use child::Child;
pub use child::{COMMAND, serve};
pub use peers::Peer;

/// What runs networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Own(Operators),
    Peer(Peer),
}

impl Runtime {
    pub const ALL: [Runtime; 4] = [
        Runtime::Own(Operators::Lastlayer),
        Runtime::Own(Operators::Tract),
        Runtime::Peer(Peer::OnnxRuntime),
        Runtime::Peer(Peer::Ncnn),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Runtime::Own(Operators::Lastlayer) => "lastlayer",
            Runtime::Own(Operators::Tract) => "tract",
            Runtime::Peer(peer) => peer.name(),
        }
    }
}

/// A backbone to run.
#[derive(Clone, Debug)]
pub struct Network {
    /// `full` or `pruned`.
    pub name: &'static str,
    pub file: PathBuf,
    /// Side of its square input in pixels.
    pub side: u32,
}

/// One runtime with one network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub runtime: &'static str,
    pub network: &'static str,
    /// Of a frame, without preprocessing.
    pub median_ms: f64,
    /// A quarter of the frames took less than this, a quarter more than that.
    pub quartiles_ms: [f64; 2],
    /// From reading the file to the first answer; what is imported before does not count.
    pub start_ms: f64,
    /// The most memory that the process had resident, the interpreter's where there is one.
    pub peak_rss_mb: f64,
}

/// Why a runtime is not among the measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{0}")]
    Absent(String),
    #[error("{runtime} cannot run the {network} network: {why}")]
    Failed {
        runtime: &'static str,
        network: &'static str,
        why: String,
    },
}

/// Frames of each in a turn, and turns.
const TURN: usize = 10;
pub const TURNS: usize = 20;
/// Turns that warm up.
const WARM: usize = 1;

/// All that can be measured here, and why the others cannot. `python`: the interpreter that may have the
/// peers. `bar` goes on by one a turn, of `TURNS`.
pub fn measure(
    networks: &[Network],
    python: &str,
    bar: &ProgressBar,
) -> (Vec<Measured>, Vec<BenchError>) {
    let _pinned = processor::Pinned::to_one();
    let (mut children, mut errors) = (Vec::new(), Vec::new());
    for network in networks {
        for runtime in Runtime::ALL {
            match Child::start(runtime, network, python) {
                Ok(child) => children.push((child, Vec::new())),
                Err(error) => errors.push(error),
            }
        }
    }
    for turn in 0..TURNS + WARM {
        let mut failed = Vec::new();
        for (at, (child, times)) in children.iter_mut().enumerate() {
            match child.frames(TURN) {
                Ok(new) if turn >= WARM => times.extend(new),
                Ok(_) => {}
                Err(error) => {
                    errors.push(error);
                    failed.push(at);
                }
            }
        }
        for at in failed.into_iter().rev() {
            children.remove(at);
        }
        if turn >= WARM {
            bar.inc(1);
        }
    }
    let mut all = Vec::new();
    for (child, mut times) in children {
        times.sort_by(f64::total_cmp);
        let quartile = |share: usize| times.get(times.len() * share / 4).copied();
        match child.end() {
            Ok(end) => all.push(Measured {
                runtime: end.runtime.name(),
                network: end.network,
                median_ms: median(&times),
                quartiles_ms: [1, 3].map(|share| quartile(share).unwrap_or_default()),
                start_ms: end.start_ms,
                peak_rss_mb: end.peak_kb as f64 / 1e3,
            }),
            Err(error) => errors.push(error),
        }
    }
    (all, errors)
}
