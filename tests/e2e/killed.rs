//! The real program on a real disk, killed at any moment while it is taught: nothing that it has
//! called learned is lost, and nothing comes back that it has called undone.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use lastlayer_firmware::{memory::Limits, slots::Slots, storage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::site::Site;

/// Class and samples of each burst, in order.
type Taught = Vec<(String, usize)>;

const KILLS_IN_CI: usize = 200;
const KILLS: usize = 20;
/// Kills after which another board is taught: with many samples it takes longer to learn one more.
const BOARD: usize = 10;
/// Bursts of a scene, and after how many an undo comes.
const BURSTS: usize = 12;
const UNDO: usize = 4;

fn scene() -> String {
    let mut scene = String::from("0 show car\n");
    let mut at = 0.0;
    for burst in 1..=BURSTS {
        let held = if burst % UNDO == 0 { 2.5 } else { 0.1 };
        scene += &format!("{at:.1} press teach\n");
        scene += &format!("{:.1} release teach\n", at + held);
        at += held + 1.0;
    }
    scene + &format!("{at:.1} end\n")
}

fn on_disk(state: &Path) -> Taught {
    let storage = storage::open(Some(state)).unwrap();
    let slots = Slots::open(storage, Limits::default()).unwrap();
    let mut memory = slots.memory().unwrap();
    assert!(memory.warnings().is_empty(), "something is called damaged");
    for burst in memory.all() {
        for place in 0..burst.samples.len() {
            memory.crop(burst, place).unwrap();
        }
    }
    let line = |burst| (memory.class_of(burst).to_owned(), burst.samples.len());
    memory.all().map(line).collect()
}

/// Runs the board until it has said so many things, and for a moment longer; kills it then. What it
/// had been taught by its own words.
fn run(board: &mut Command, mut taught: Taught, things: usize, longer: Duration) -> Taught {
    let mut child = board.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (send, said) = channel();
    let reader = thread::spawn(move || {
        for line in lines {
            // The last line may be half.
            let Ok(event) = serde_json::from_str::<serde_json::Value>(&line.unwrap()) else {
                break;
            };
            if ["learned", "undone"].contains(&event["event"].as_str().unwrap()) {
                let _ = send.send(event);
            }
        }
    });
    let count = |taught: &mut Taught, event: serde_json::Value| {
        let class = event["class"].as_str().unwrap().to_owned();
        let burst = (class, event["samples"].as_u64().unwrap() as usize);
        match event["event"].as_str() {
            Some("learned") => taught.push(burst),
            _ => assert_eq!(taught.pop(), Some(burst)),
        }
    };
    for _ in 0..things {
        match said.recv() {
            Ok(event) => count(&mut taught, event),
            Err(_) => break,
        }
    }
    let end = Instant::now() + longer;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match said.recv_timeout(left) {
            Ok(event) => count(&mut taught, event),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    // What it had said before it was killed counts too.
    said.try_iter().for_each(|event| count(&mut taught, event));
    taught
}

#[test]
fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    let kills = match std::env::var_os("LASTLAYER_REQUIRE_ALL") {
        Some(_) => KILLS_IN_CI,
        None => KILLS,
    };
    let site = Site::new();
    fs::write(site.path("story.scene"), scene()).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let (mut taught, mut whole, mut between, mut acknowledged) = (Taught::new(), 0, 0, 0);
    for kill in 0..kills {
        let state = site.path(&format!("state-{}", kill / BOARD));
        if kill % BOARD == 0 {
            taught = Taught::new();
        }
        let mut board = site.board(&site.path("site.llp"), &["--burst", "3"]);
        board.arg("--state").arg(&state);
        board.arg("--scene").arg(site.path("story.scene"));
        let things = random.random_range(0..BURSTS);
        let longer = Duration::from_micros(random.random_range(0..300_000));
        let before = taught.len();
        let said = run(&mut board, taught, things, longer);
        acknowledged += said.len().abs_diff(before);
        let there = on_disk(&state);
        // One thing may have been done and not said yet.
        let more = there.len() == said.len() + 1 && there[..said.len()] == said[..];
        let less = there.len() + 1 == said.len() && said[..there.len()] == there[..];
        assert!(
            there == said || more || less,
            "kill {kill}: {} bursts were said to be there, and {} are",
            said.len(),
            there.len()
        );
        match there == said {
            true => whole += 1,
            false => between += 1,
        }
        taught = there;
    }
    println!(
        "{kills} kills: {whole} times just what was said was there, {between} times one thing more \
         was done; {acknowledged} bursts came"
    );
    assert!(acknowledged > kills, "it was killed before it was taught");
}
