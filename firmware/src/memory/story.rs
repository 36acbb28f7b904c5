//! A long story on a disk that loses, tears and reorders what was not synced, with the power cut
//! after every operation, and by chance up to five times, also while it recovers.
//!
//! What must hold after each start: what was acknowledged is there, what was asked for when the power
//! went is there wholly or not at all, nothing else is, and nothing is called damaged.

use std::collections::BTreeMap;

use super::*;
use crate::storage::simulated::{self, Disk, Fault, Outcome, Simulated, below, chance};
use lastlayer_shared::head::{Example, Kind};
use rand_chacha::ChaCha8Rng;

const WIDTH: usize = 2;
const LIMITS: Limits = Limits {
    samples: 40,
    floor: 6,
};
const CLASSES: [&str; 3] = ["car", "bird", "tram"];

/// One thing that is asked of the memory.
#[derive(Clone, Copy, Debug)]
enum Step {
    Teach {
        class: usize,
        samples: usize,
    },
    /// A burst that the guard refuses.
    Refused {
        class: usize,
        samples: usize,
    },
    Undo,
    AddClass(usize),
    Rename {
        from: usize,
        to: usize,
    },
    RemoveClass(usize),
    /// The oldest bursts.
    RemoveBursts(usize),
    RollBack,
    TakeBack,
    Forget,
}

/// What a memory is, as far as anybody can see: classes, what became of the package's, and each
/// burst with its class, its samples and whether it is learned from.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    classes: Vec<String>,
    changed: Vec<ChangedClass>,
    bursts: BTreeMap<u32, (String, Vec<f32>, bool)>,
}

impl Seen {
    fn of(memory: &Memory) -> Self {
        let burst = |burst: &Burst| {
            let numbers = burst.samples.iter().map(|sample| sample.embedding[0]);
            let learned = memory.aside(burst.number).is_none();
            let class = memory.class_of(burst).to_owned();
            (burst.number, (class, numbers.collect(), learned))
        };
        Self {
            classes: memory.classes().map(Into::into).collect(),
            changed: memory.changed().to_vec(),
            bursts: memory.all().map(burst).collect(),
        }
    }

    /// The classes apart: one that a burst would have needed may be there without it.
    fn bursts_alike(&self, other: &Self) -> bool {
        self.bursts == other.bursts && self.changed == other.changed
    }

    /// A burst was added, and not all of what makes room for it has gone.
    fn is_between(&self, known: &Self, would_be: &Self) -> bool {
        let added = |(number, _): &(&u32, _)| !known.bursts.contains_key(number);
        let theirs = |(number, burst)| {
            known.bursts.get(number) == Some(burst) || would_be.bursts.get(number) == Some(burst)
        };
        would_be.bursts.iter().filter(added).count() == 1
            && self.changed == would_be.changed
            && would_be
                .bursts
                .iter()
                .all(|(number, burst)| self.bursts.get(number) == Some(burst))
            && self.bursts.iter().all(theirs)
    }
}

fn open(storage: &Arc<Simulated>) -> Result<Memory, MemoryError> {
    let storage: Arc<dyn Storage> = storage.clone();
    Memory::open(storage, "", "net", WIDTH, LIMITS)
}

/// Each sample is known by its number.
fn samples(next: &mut u32, count: usize) -> Vec<NewSample> {
    (0..count)
        .map(|_| {
            *next += 1;
            NewSample {
                embedding: vec![*next as f32, 1.0],
                crop: next.to_le_bytes().repeat(8),
                view: View::default(),
            }
        })
        .collect()
}

fn head() -> Head {
    let (a, b) = ([1.0, 0.0], [0.0, 1.0]);
    let example = |embedding, class| Example {
        embedding,
        class,
        burst: 0,
    };
    Head::fit(Kind::Means, &[example(&a, 0), example(&b, 1)]).unwrap()
}

/// Does a step as the trainer does, with a new head after it.
fn act(memory: &mut Memory, step: Step, next: &mut u32) -> Result<(), MemoryError> {
    match step {
        Step::Teach { class, samples: n } => {
            memory.add_burst(CLASSES[class], samples(next, n))?;
        }
        Step::Refused { class, samples: n } => {
            memory.add_aside(CLASSES[class], samples(next, n), "refused")?;
        }
        Step::Undo => drop(memory.undo()?),
        Step::AddClass(class) => memory.add_class(CLASSES[class])?,
        Step::Rename { from, to } => {
            let (from, to) = (CLASSES[from], CLASSES[to]);
            if memory.classes().all(|class| class != to) {
                memory.rename(Some(from), from, to)?;
            }
        }
        Step::RemoveClass(class) => memory.remove_class(None, CLASSES[class])?,
        Step::RemoveBursts(count) => {
            let oldest: Vec<u32> = memory.all().take(count).map(|b| b.number).collect();
            memory.remove_bursts(&oldest)?;
        }
        Step::RollBack => match memory.roll_back() {
            Err(MemoryError::NoEarlierHead) => {}
            done => drop(done?),
        },
        Step::TakeBack => {
            let aside = memory.all().map(|burst| burst.number);
            let aside: Vec<u32> = aside.filter(|n| memory.aside(*n).is_some()).collect();
            memory.set_aside(&aside, None)?;
        }
        Step::Forget => memory.forget_all()?,
    }
    Ok(())
}

/// The head's fate is not the step's: it can always be fitted again.
fn keep_head(memory: &Memory) {
    let _ = memory.keep_head(&head(), memory.basis(&0));
}

const STORY: [Step; 30] = {
    use Step::*;
    [
        Teach {
            class: 0,
            samples: 3,
        },
        Teach {
            class: 1,
            samples: 4,
        },
        Undo,
        Teach {
            class: 1,
            samples: 5,
        },
        Refused {
            class: 0,
            samples: 4,
        },
        AddClass(2),
        Teach {
            class: 2,
            samples: 6,
        },
        RollBack,
        TakeBack,
        Teach {
            class: 0,
            samples: 6,
        },
        Teach {
            class: 1,
            samples: 5,
        },
        // The memory is full from here on.
        Teach {
            class: 2,
            samples: 6,
        },
        Teach {
            class: 0,
            samples: 6,
        },
        Teach {
            class: 1,
            samples: 6,
        },
        Undo,
        Undo,
        RemoveBursts(3),
        Teach {
            class: 2,
            samples: 3,
        },
        RemoveClass(1),
        Rename { from: 0, to: 1 },
        Teach {
            class: 1,
            samples: 2,
        },
        Teach {
            class: 0,
            samples: 5,
        },
        Refused {
            class: 2,
            samples: 1,
        },
        RollBack,
        Teach {
            class: 1,
            samples: 4,
        },
        RemoveBursts(2),
        Forget,
        Teach {
            class: 0,
            samples: 2,
        },
        Teach {
            class: 1,
            samples: 2,
        },
        Undo,
    ]
};

/// Counts for the person who reads the test's output.
#[derive(Debug, Default)]
struct Counts {
    cuts: usize,
    starts: usize,
    violations: usize,
}

struct Teller {
    storage: Arc<Simulated>,
    /// As it was acknowledged.
    known: Seen,
    next: u32,
}

impl Teller {
    fn new() -> Self {
        let storage = Arc::new(Simulated::default());
        let known = Seen::of(&open(&storage).unwrap());
        Self {
            storage,
            known,
            next: 0,
        }
    }

    /// Tells the rest of a story until the power goes: how many steps were done, and what the next
    /// one would have made of it.
    fn tell(&mut self, story: &[Step]) -> (usize, Option<Seen>) {
        let Ok(mut memory) = open(&self.storage) else {
            return (0, None);
        };
        for (done, step) in story.iter().enumerate() {
            let mut after = self.would_be(*step);
            match act(&mut memory, *step, &mut self.next) {
                Ok(()) => self.known = Seen::of(&memory),
                Err(MemoryError::Full { .. }) => after = self.known.clone(),
                Err(_) => return (done, Some(after)),
            }
            if self.storage.lock().is_off() {
                // It was done, and what makes room for it is still there.
                return (done + 1, Some(after));
            }
            assert!(
                after.bursts_alike(&self.known),
                "{step:?} does something else"
            );
            keep_head(&memory);
        }
        (story.len(), None)
    }

    /// What a step makes of it where nothing goes wrong.
    fn would_be(&self, step: Step) -> Seen {
        let mut disk = self.storage.lock().clone();
        disk.fault = Fault::None;
        let storage = Arc::new(Simulated::new(disk));
        let mut memory = open(&storage).unwrap();
        let mut next = self.next;
        match act(&mut memory, step, &mut next) {
            Ok(()) => Seen::of(&memory),
            Err(_) => self.known.clone(),
        }
    }

    /// Switches on again: what is there must be what was known, or what would have been.
    fn start(&mut self, outcome: &mut Outcome<'_>, would_be: Option<&Seen>, counts: &mut Counts) {
        let disk = self.storage.lock().after_cut(outcome);
        self.storage = Arc::new(Simulated::new(disk));
        counts.starts += 1;
        let mut memory = match open(&self.storage) {
            Ok(memory) => memory,
            Err(error) => panic!("it does not start: {error}"),
        };
        let seen = Seen::of(&memory);
        let well = seen.bursts_alike(&self.known)
            || would_be.is_some_and(|would_be| {
                seen.bursts_alike(would_be) || seen.is_between(&self.known, would_be)
            });
        let classes_there = seen
            .bursts
            .values()
            .all(|(class, ..)| seen.classes.contains(class));
        let warnings = memory.warnings();
        if !well || !classes_there || !warnings.is_empty() {
            counts.violations += 1;
            eprintln!(
                "violation: {warnings:?}\n known {:?}\n would be {would_be:?}\n seen {seen:?}",
                self.known
            );
        }
        for burst in memory.all() {
            for place in 0..burst.samples.len() {
                let number = burst.samples[place].embedding[0] as u32;
                let crop = memory.crop(burst, place).unwrap();
                assert_eq!(crop, number.to_le_bytes().repeat(8));
            }
        }
        self.known = seen;
    }
}

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
        let (disk, known, next) = (
            teller.storage.lock().clone(),
            teller.known.clone(),
            teller.next,
        );
        outcomes(&mut random, &mut |outcome| {
            let mut again = Teller {
                storage: Arc::new(Simulated::new(disk.clone())),
                known: known.clone(),
                next,
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
    match below(random, 16) {
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
                drop(open(&teller.storage));
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
        let mut memory = open(&teller.storage).unwrap();
        let at = below(&mut random, 60);
        let fault = match below(&mut random, 2) {
            0 => Fault::Fails(at),
            _ => Fault::Full(at),
        };
        teller.storage.lock().operations = 0;
        teller.storage.lock().fault = fault;
        for _ in 0..12 {
            let step = any_step(&mut random);
            let after = teller.would_be(step);
            let done = act(&mut memory, step, &mut teller.next);
            let seen = Seen::of(&memory);
            match done {
                Ok(()) => assert!(seen.bursts_alike(&after), "{step:?}"),
                Err(MemoryError::Full { .. }) => assert!(seen.bursts_alike(&teller.known)),
                Err(error) => {
                    failures += 1;
                    refused += usize::from(error.disk_is_full());
                    assert!(
                        seen.bursts_alike(&teller.known) || seen.bursts_alike(&after),
                        "{step:?}: {error}"
                    );
                }
            }
            keep_head(&memory);
            teller.known = seen;
        }
        // What a program sees that starts now is what this one knew.
        teller.storage.lock().fault = Fault::None;
        let again = open(&teller.storage).unwrap();
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
    let storage = Arc::new(Simulated::default());
    let mut memory = open(&storage).unwrap();
    memory.add_burst("car", samples(&mut 0, 2)).unwrap();
    let path = memory.path(0);
    let bytes = storage.read(&path, 0, 1 << 20).unwrap();
    storage.remove(&path).unwrap();
    storage.sync_folder(BURSTS).unwrap();
    storage.write(&path, &bytes).unwrap();
    let disk: Disk = storage.lock().after_cut(&mut Outcome::Lost);
    let again = open(&Arc::new(Simulated::new(disk))).unwrap();
    assert_eq!(again.all().count(), 0);
    let _ = simulated::chance(0);
}
