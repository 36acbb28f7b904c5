//! Runs the networks of packages on numbers that stand for a frame, with our operators and with tract's
//! alone, and prints how long each takes, a line of JSON each. `cargo xtask board-bench` runs it on a
//! virtual board whose clock counts instructions.

use std::{path::Path, time::Instant};

use lastlayer_shared::{
    backbone::{Backbone, Embedder},
    operators::Operators,
    package::Package,
};

/// Frames whose median counts; the first, which warms up, does not.
const FRAMES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let package = Package::open(Path::new(&path))?;
        for (runtime, operators) in [
            ("lastlayer", Operators::Lastlayer),
            ("tract", Operators::Tract),
        ] {
            let start = Instant::now();
            let backbone = Backbone::load_with(&package.backbone, &package.preprocess, operators)?;
            let mut embedder = backbone.embedder()?;
            let load = start.elapsed();
            let side = package.preprocess.input_size as usize;
            let times = times(&mut embedder, side)?;
            let line = serde_json::json!({
                "network": Path::new(&path).file_stem().map(|stem| stem.to_string_lossy()),
                "runtime": runtime,
                "load_ms": load.as_secs_f64() * 1e3,
                "median_ms": times[times.len() / 2],
                "spread_ms": times[times.len() - 1] - times[0],
            });
            println!("{line}");
        }
    }
    Ok(())
}

/// Milliseconds, ascending.
fn times(embedder: &mut Embedder, side: usize) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let numbers: Vec<f32> = (0..3 * side * side)
        .map(|at| (at * 7919 % 1000) as f32 / 250.0 - 2.0)
        .collect();
    embedder.run(&numbers)?;
    let mut times = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES {
        let start = Instant::now();
        embedder.run(&numbers)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
