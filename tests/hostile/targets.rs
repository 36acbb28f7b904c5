//! Every target of the fuzzer on its seeds and on random inputs, the same ones every time.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fuzz::TARGETS;

/// Of each target.
const INPUTS: u64 = 2000;
/// One that takes longer says how to keep a board busy.
const LONGEST: Duration = Duration::from_secs(10);
/// Inputs are as long as the fuzzer's (fuzz/README.md).
const MOST_BYTES: usize = 1024;
/// Kilobytes of memory that all of it together may take.
const MOST_MEMORY: u64 = 2 << 20;

#[test]
fn no_seed_and_no_random_input_panics_takes_long_or_fills_the_memory() {
    for (target, run) in TARGETS {
        let seeds = seeds(target);
        let mut random = ChaCha8Rng::seed_from_u64(seeds.len() as u64);
        let made = (0..INPUTS).map(|_| input(&seeds, &mut random));
        let mut slowest = Duration::ZERO;
        for data in seeds.iter().cloned().chain(made) {
            let start = Instant::now();
            run(&data);
            let took = start.elapsed();
            assert!(took < LONGEST, "{target} takes {took:?} for {data:02x?}");
            slowest = slowest.max(took);
        }
        println!(
            "{target}: {} seeds, {INPUTS} random inputs, slowest {slowest:?}",
            seeds.len()
        );
    }
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return;
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    println!("most memory: {peak:?} kB");
    assert!(peak.is_some_and(|peak| peak < MOST_MEMORY), "{peak:?}");
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let Ok(files) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A seed with a few bytes changed, or the start of one and the end of another, or noise.
fn input(seeds: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let noise = |random: &mut ChaCha8Rng| {
        let length = random.random_range(0..256);
        (0..length).map(|_| random.random()).collect::<Vec<u8>>()
    };
    let one = |random: &mut ChaCha8Rng| match seeds.len() {
        0 => noise(random),
        count => seeds[random.random_range(0..count)].clone(),
    };
    let mut data = match random.random_range(0..4) {
        0 => noise(random),
        1 => {
            let (mut start, end) = (one(random), one(random));
            start.truncate(random.random_range(0..=start.len()));
            start.extend(&end[random.random_range(0..=end.len())..]);
            start
        }
        _ => one(random),
    };
    data.truncate(MOST_BYTES);
    for _ in 0..random.random_range(0..8) {
        if !data.is_empty() {
            let at = random.random_range(0..data.len());
            data[at] = random.random();
        }
    }
    data
}
