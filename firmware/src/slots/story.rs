//! A long story on a disk that loses, tears and reorders what was not synced, with the power cut
//! after every operation, and by chance up to five times, also while it recovers.
//!
//! What must hold after each start: what was acknowledged is there, what was asked for when the power
//! went is there wholly or not at all, nothing else is, and nothing is called damaged. A package runs,
//! and it is one that may: the one that ran, or the one that is offered.

mod teller;

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::{
    SettleError,
    fake::{open, samples},
};
use crate::{
    memory::MemoryError,
    storage::{
        Storage,
        simulated::{Disk, Fault, Outcome, Simulated, below, chance},
    },
};
use teller::{Counts, STORY, Seen, Step, Teller, keep_head};

fn outcomes(random: &mut ChaCha8Rng, run: &mut dyn FnMut(&mut Outcome<'_>)) {
    run(&mut Outcome::Lost);
    run(&mut Outcome::Kept);
    for _ in 0..6 {
        run(&mut Outcome::Chance(random));
    }
}

#[test]
fn the_power_is_cut_after_every_operation() {
    let mut whole = Teller::new();
    let begin = whole.storage.lock().operations;
    assert_eq!(whole.tell(&STORY).0, STORY.len());
    let operations = whole.storage.lock().operations;
    let mut counts = Counts::default();
    let mut random = chance(7);
    for cut in begin..operations {
        let mut teller = Teller::new();
        teller.storage.lock().fault = Fault::Cut(cut);
        let (done, would_be) = teller.tell(&STORY);
        counts.cuts += 1;
        let disk = teller.storage.lock().clone();
        outcomes(&mut random, &mut |outcome| {
            let mut again = Teller {
                storage: Arc::new(Simulated::new(disk.clone())),
                ..teller.clone()
            };
            again.start(outcome, would_be.as_ref(), &mut counts);
            // And the story goes on.
            let rest = &STORY[done..];
            assert_eq!(again.tell(rest).0, rest.len());
        });
    }
    println!("a story of {} operations: {counts:?}", operations - begin);
    assert!(operations - begin >= 300, "{}", operations - begin);
    assert_eq!(counts.violations, 0);
}

fn any_step(random: &mut ChaCha8Rng) -> Step {
    let class = below(random, 3) as usize;
    let samples = 1 + below(random, 6) as usize;
    match below(random, 22) {
        0..7 => Step::Teach { class, samples },
        7 => Step::Refused { class, samples },
        8 | 9 => Step::Undo,
        10 => Step::AddClass(class),
        11 => Step::Rename {
            from: class,
            to: (class + 1) % 3,
        },
        12 => Step::RemoveClass(class),
        13 => Step::RemoveBursts(samples / 2),
        14 => Step::RollBack,
        15..18 => Step::Offer(below(random, 6) as usize),
        18 => Step::Start,
        19 => Step::Proved,
        20 => Step::Back,
        _ => match below(random, 4) {
            0 => Step::Forget,
            _ => Step::TakeBack,
        },
    }
}

#[test]
fn ten_thousand_stories_with_up_to_five_power_cuts() {
    const STORIES: u64 = 10_000;
    let mut counts = Counts::default();
    let mut operations = 0;
    for seed in 0..STORIES {
        let mut random = chance(seed);
        let mut teller = Teller::new();
        for _ in 0..=below(&mut random, 5) {
            let steps = 1 + below(&mut random, 10) as usize;
            let story: Vec<Step> = (0..steps).map(|_| any_step(&mut random)).collect();
            let cut = below(&mut random, 60);
            teller.storage.lock().operations = 0;
            teller.storage.lock().fault = Fault::Cut(cut);
            let (_, would_be) = teller.tell(&story);
            operations += teller.storage.lock().operations;
            counts.cuts += 1;
            // A cut while it recovers: nothing is asked of it then.
            while below(&mut random, 3) == 0 {
                let disk = teller
                    .storage
                    .lock()
                    .after_cut(&mut Outcome::Chance(&mut random));
                teller.storage = Arc::new(Simulated::new(disk));
                teller.storage.lock().fault = Fault::Cut(below(&mut random, 6));
                drop(open(&teller.storage, teller.offer));
                counts.cuts += 1;
            }
            let mut chance = Outcome::Chance(&mut random);
            teller.start(&mut chance, would_be.as_ref(), &mut counts);
        }
    }
    println!("{STORIES} stories, {operations} operations: {counts:?}");
    assert_eq!(counts.violations, 0);
}

#[test]
fn a_disk_that_fails_or_is_full_loses_nothing() {
    let (mut failures, mut refused) = (0, 0);
    for seed in 0..2000 {
        let mut random = chance(seed);
        let mut teller = Teller::new();
        let mut board = teller.open().unwrap();
        let at = below(&mut random, 60);
        let fault = match below(&mut random, 2) {
            0 => Fault::Fails(at),
            _ => Fault::Full(at),
        };
        teller.storage.lock().operations = 0;
        teller.storage.lock().fault = fault;
        for _ in 0..12 {
            let step = any_step(&mut random);
            let after = teller.would_be(&board, step);
            let done = teller.act(&mut board, step);
            let seen = Seen::of(&board);
            match done {
                Ok(()) => assert!(seen.bursts_alike(&after), "{step:?}"),
                Err(SettleError::Memory(MemoryError::Full { .. })) => {
                    assert!(seen.bursts_alike(&teller.known));
                }
                Err(error) => {
                    failures += 1;
                    refused += usize::from(matches!(
                        &error,
                        SettleError::Memory(error) if error.disk_is_full()
                    ));
                    assert!(
                        seen.bursts_alike(&teller.known) || seen.bursts_alike(&after),
                        "{step:?}: {error}"
                    );
                }
            }
            keep_head(&board);
            teller.known = seen;
        }
        // What a program sees that starts now is what this one knew.
        teller.storage.lock().fault = Fault::None;
        let again = teller.open().unwrap();
        assert!(Seen::of(&again).bursts_alike(&teller.known), "seed {seed}");
        drop(again);
        teller.start(&mut Outcome::Lost, None, &mut Counts::default());
    }
    println!("{failures} failures, {refused} of them for want of room");
    assert!(failures > 500 && refused > 200, "{failures} {refused}");
}

#[test]
fn the_simulated_disk_finds_what_is_not_synced() {
    // The same check on a memory that forgets to sync must fail, or it checks nothing.
    let teller = Teller::new();
    let storage = &teller.storage;
    let mut board = teller.open().unwrap();
    board
        .memory
        .add_burst("car", samples(&mut 0, 2, 1))
        .unwrap();
    let path = "a/bursts/0000000000";
    let bytes = storage.read(path, 0, 1 << 20).unwrap();
    storage.remove(path).unwrap();
    storage.sync_folder("a/bursts").unwrap();
    storage.write(path, &bytes).unwrap();
    let disk: Disk = storage.lock().after_cut(&mut Outcome::Lost);
    let again = open(&Arc::new(Simulated::new(disk)), 0).unwrap();
    assert_eq!(again.memory.all().count(), 0);
}
