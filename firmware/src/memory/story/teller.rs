//! Who tells the story to a memory, and knows what it must be after each step.

use std::{collections::BTreeMap, sync::Arc};

use lastlayer_shared::view::View;

use super::super::{Burst, ChangedClass, Limits, Memory, MemoryError, NewSample, tests::head};
use crate::storage::{
    Storage,
    simulated::{Fault, Outcome, Simulated},
};

const WIDTH: usize = 2;
const LIMITS: Limits = Limits {
    samples: 40,
    floor: 6,
};
const CLASSES: [&str; 3] = ["car", "bird", "tram"];

/// One thing that is asked of the memory.
#[derive(Clone, Copy, Debug)]
pub enum Step {
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
pub struct Seen {
    classes: Vec<String>,
    changed: Vec<ChangedClass>,
    bursts: BTreeMap<u32, (String, Vec<f32>, bool)>,
}

impl Seen {
    pub fn of(memory: &Memory) -> Self {
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
    pub fn bursts_alike(&self, other: &Self) -> bool {
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

pub fn open(storage: &Arc<Simulated>) -> Result<Memory, MemoryError> {
    let storage: Arc<dyn Storage> = storage.clone();
    Memory::open(storage, "", "net", WIDTH, LIMITS)
}

/// Each sample is known by its number.
pub fn samples(next: &mut u32, count: usize) -> Vec<NewSample> {
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

/// Does a step as the trainer does, with a new head after it.
pub fn act(memory: &mut Memory, step: Step, next: &mut u32) -> Result<(), MemoryError> {
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
pub fn keep_head(memory: &Memory) {
    let _ = memory.keep_head(&head(), memory.basis(&0));
}

pub const STORY: [Step; 30] = {
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
pub struct Counts {
    pub cuts: usize,
    pub starts: usize,
    pub violations: usize,
}

pub struct Teller {
    pub storage: Arc<Simulated>,
    /// As it was acknowledged.
    pub known: Seen,
    pub next: u32,
}

impl Teller {
    pub fn new() -> Self {
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
    pub fn tell(&mut self, story: &[Step]) -> (usize, Option<Seen>) {
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
    pub fn would_be(&self, step: Step) -> Seen {
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
    pub fn start(
        &mut self,
        outcome: &mut Outcome<'_>,
        would_be: Option<&Seen>,
        counts: &mut Counts,
    ) {
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
