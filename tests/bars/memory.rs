//! The board's memory on a real disk: opening a large one, fitting a head on all of it, and what a press
//! writes.

use std::{fs, path::Path, process::Command, sync::Arc, thread, time::Instant};

use lastlayer_firmware::{
    memory::{Limits, Memory, NewSample, rounded},
    storage::{self, Storage},
};
use lastlayer_host::statistics;
use lastlayer_shared::{
    head::{Example, Head, Kind, Layout},
    view::View,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{RUNS, heads::PARTS};

pub const OPEN: &str = "--open-memory";
const BURSTS: usize = 1000;
const FRAMES: usize = 10;
const WIDTH: usize = PARTS[0] + PARTS[1] + PARTS[2];
const CLASSES: usize = 10;
/// A crop of 224 pixels, as a JPEG.
const CROP: usize = 10_000;
const LIMITS: Limits = Limits {
    samples: 20_000,
    floor: 100,
};

fn open(storage: Arc<dyn Storage>) -> Memory {
    Memory::open(storage, "", "net", WIDTH, LIMITS).unwrap()
}

fn layout() -> Layout {
    Layout::new(PARTS).unwrap()
}

fn embedding(random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..WIDTH).map(|_| random.random_range(0.0..6.0)).collect()
}

fn burst(random: &mut ChaCha8Rng) -> Vec<NewSample> {
    (0..FRAMES)
        .map(|_| NewSample {
            embedding: rounded(&embedding(random)),
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
            .add_burst(&format!("class-{}", press % CLASSES), samples)
            .unwrap();
        pressed.push(start.elapsed().as_secs_f64() * 1e3);
    }
    writes(&mut memory, &state, &mut random);
    drop(memory);
    let program = std::env::current_exe().unwrap();
    let opened: Vec<Vec<f64>> = (0..RUNS)
        .map(|_| {
            let output = Command::new(&program).arg(OPEN).arg(&state).output();
            let said = String::from_utf8(output.unwrap().stdout).unwrap();
            let figures = said
                .split_whitespace()
                .map(|figure| figure.parse().unwrap());
            figures.collect()
        })
        .collect();
    let [open_ms, mb, fit_ms, after, most] =
        [0, 1, 2, 3, 4].map(|at| median_of(opened.iter().map(|run| run[at])));
    println!(
        "\nopening a memory of {} samples of {WIDTH} numbers: {open_ms:.0} ms and {mb:.1} MB (median of \
         {RUNS}); a burst is on disk after {:.1} ms (median)",
        BURSTS * FRAMES,
        median_of(pressed)
    );
    println!(
        "a head of them: {fit_ms:.0} ms, {most:.1} MB at most while it is fitted, {after:.1} MB afterwards"
    );
    assert!(mb < 60.0, "more than 60 MB for 10,000 samples");
    assert!(after < 60.0, "more than 60 MB once a head was fitted");
}

fn median_of(figures: impl IntoIterator<Item = f64>) -> f64 {
    statistics::median(&figures.into_iter().collect::<Vec<f64>>())
}

/// Everything that a press leaves on the disk, against what it taught.
fn writes(memory: &mut Memory, state: &Path, random: &mut ChaCha8Rng) {
    let rows: Vec<Vec<f32>> = (0..2 * CLASSES).map(|_| embedding(random)).collect();
    let examples: Vec<Example<'_>> = rows
        .iter()
        .enumerate()
        .map(|(at, embedding)| Example {
            embedding,
            class: at % CLASSES,
            burst: at as u32,
        })
        .collect();
    let head = Head::fit(Kind::default(), &layout(), &examples).unwrap();
    let before = bytes_in(state);
    memory.add_burst("class-1", burst(random)).unwrap();
    let burst = bytes_in(state) - before;
    memory.keep_head(&head, memory.basis(&0)).unwrap();
    let head = bytes_in(state) - before - burst;
    let taught = FRAMES * (WIDTH * 2 + CROP);
    println!(
        "a press of {FRAMES} frames writes {} bytes: {burst} for the {taught} that were taught, and {head} \
         for the head",
        burst + head
    );
    assert!(burst < 2 * taught as u64);
}

/// In a process of its own: milliseconds to open it, and megabytes that stay; then the milliseconds that
/// a head of all samples takes, the megabytes after it, and at most.
pub fn open_and_tell(state: &str) {
    let before = megabytes("VmRSS:");
    let start = Instant::now();
    let memory = open(storage::open(Some(Path::new(state))).unwrap());
    let opened = start.elapsed();
    let more = megabytes("VmRSS:") - before;
    assert_eq!(memory.len(), (BURSTS + 1) * FRAMES);
    // On a thread of its own, as the board does it: what a thread gives back depends on that.
    let fit = || {
        let start = Instant::now();
        let bursts = memory.bursts().flat_map(|burst| {
            burst.samples.iter().map(|sample| Example {
                embedding: &sample.embedding,
                class: burst.number as usize % CLASSES,
                burst: burst.number,
            })
        });
        let examples: Vec<Example<'_, _>> = bursts.collect();
        Head::fit(Kind::default(), &layout(), &examples).unwrap();
        start.elapsed()
    };
    let fitted = thread::scope(|scope| scope.spawn(fit).join().unwrap());
    println!(
        "{} {more} {} {} {}",
        opened.as_secs_f64() * 1e3,
        fitted.as_secs_f64() * 1e3,
        megabytes("VmRSS:") - before,
        megabytes("VmHWM:") - before
    );
}

/// A line of Linux's about this process.
fn megabytes(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name));
    let kb = line.unwrap().split_whitespace().nth(1).unwrap();
    kb.parse::<f64>().unwrap() / 1024.0
}
