//! The board's memory on a real disk: opening a large one, and what a press writes.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use lastlayer_firmware::{
    memory::{Limits, Memory, NewSample},
    storage::{self, Storage},
};
use lastlayer_host::statistics;
use lastlayer_shared::{
    head::{Example, Head, Kind, Layout},
    view::View,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::RUNS;

pub const OPEN: &str = "--open-memory";
const BURSTS: usize = 1000;
const FRAMES: usize = 10;
const WIDTH: usize = 1280;
/// A crop of 224 pixels, as a JPEG.
const CROP: usize = 10_000;
const LIMITS: Limits = Limits {
    samples: 20_000,
    floor: 100,
};

fn open(storage: Arc<dyn Storage>) -> Memory {
    Memory::open(storage, "", "net", WIDTH, LIMITS).unwrap()
}

fn burst(random: &mut ChaCha8Rng) -> Vec<NewSample> {
    (0..FRAMES)
        .map(|_| NewSample {
            embedding: (0..WIDTH).map(|_| random.random_range(0.0..6.0)).collect(),
            crop: (0..CROP).map(|_| random.random()).collect(),
            view: View::default(),
        })
        .collect()
}

/// Bytes of all files below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => bytes_in(&entry.path()),
            false => entry.metadata().unwrap().len(),
        })
        .sum()
}

pub fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut memory = open(storage::open(Some(&state)).unwrap());
    let mut pressed = Vec::new();
    for press in 0..BURSTS {
        let samples = burst(&mut random);
        let start = Instant::now();
        memory
            .add_burst(&format!("class-{}", press % 10), samples)
            .unwrap();
        pressed.push(start.elapsed().as_secs_f64() * 1e3);
    }
    writes(&mut memory, &state, &mut random);
    drop(memory);
    let program = std::env::current_exe().unwrap();
    let opened: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let output = Command::new(&program).arg(OPEN).arg(&state).output();
            let said = String::from_utf8(output.unwrap().stdout).unwrap();
            let (ms, mb) = said.trim().split_once(' ').unwrap();
            (ms.parse().unwrap(), mb.parse().unwrap())
        })
        .collect();
    let of = |which: fn(&(f64, f64)) -> f64| {
        statistics::median(&opened.iter().map(which).collect::<Vec<f64>>())
    };
    let (ms, mb) = (of(|run| run.0), of(|run| run.1));
    println!(
        "opening a memory of {} samples: {ms:.0} ms and {mb:.1} MB (median of {RUNS}); a burst is on \
         disk after {:.1} ms (median)",
        BURSTS * FRAMES,
        statistics::median(&pressed)
    );
    assert!(mb < 60.0, "more than 60 MB for 10,000 samples");
}

/// Everything that a press leaves on the disk, against what it taught.
fn writes(memory: &mut Memory, state: &Path, random: &mut ChaCha8Rng) {
    let rows: Vec<Vec<f32>> = (0..10)
        .map(|_| (0..WIDTH).map(|_| random.random()).collect())
        .collect();
    let examples: Vec<Example<'_>> = rows
        .iter()
        .enumerate()
        .map(|(class, embedding)| Example {
            embedding,
            class,
            burst: 0,
        })
        .collect();
    let head = Head::fit(Kind::Means, &Layout::plain(WIDTH), &examples).unwrap();
    let head_bytes = 10 * (WIDTH + 1) * 4;
    let before = bytes_in(state);
    memory.add_burst("class-1", burst(random)).unwrap();
    memory.keep_head(&head, memory.basis(&0)).unwrap();
    let written = bytes_in(state) - before;
    let taught = FRAMES * (WIDTH * 2 + CROP);
    println!(
        "a press of {FRAMES} frames writes {written} bytes: {taught} were taught, and {head_bytes} are \
         the head"
    );
    assert!(written < (2 * taught + head_bytes + 1000) as u64);
}

/// In a process of its own: milliseconds, and megabytes that stay.
pub fn open_and_tell(state: &str) {
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kb = line.unwrap().split_whitespace().nth(1).unwrap();
        kb.parse::<f64>().unwrap() / 1024.0
    };
    let before = resident();
    let start = Instant::now();
    let memory = open(storage::open(Some(Path::new(state))).unwrap());
    let took: Duration = start.elapsed();
    let more = resident() - before;
    assert_eq!(memory.len(), (BURSTS + 1) * FRAMES);
    println!("{} {more}", took.as_secs_f64() * 1e3);
}
