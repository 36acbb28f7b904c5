//! Who tells the story to a board, and knows what it must be after each step.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    memory::{Burst, ChangedClass, Memory, MemoryError, tests::head},
    slots::{
        Installed, News, SettleError, Slots,
        fake::{Board, Kind, LIMITS, PACKAGES, open, samples},
    },
    storage::simulated::{Fault, Outcome, Simulated},
};

const CLASSES: [&str; 3] = ["car", "bird", "tram"];

/// One thing that is asked of the board.
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
    /// The board is started with this package on offer.
    Offer(usize),
    /// It is started again, in order or not.
    Start,
    Crash,
    /// The package has watched for a while.
    Proved,
    /// The package before is wanted.
    Back,
}

/// What a board is, as far as anybody can see: its package, the one before, classes, what became of
/// the package's, and each burst with its class, its samples and whether it is learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    package: usize,
    before: Option<usize>,
    classes: Vec<String>,
    changed: Vec<ChangedClass>,
    bursts: BTreeMap<u32, (String, Vec<f32>, bool)>,
}

impl Seen {
    pub fn of(Board { slots, memory, .. }: &Board) -> Self {
        let place = |package: &Installed| package.version as usize - 1;
        let package = slots.running().map(place).expect("a package runs");
        let network = f32::from(PACKAGES[package].0);
        let burst = |burst: &Burst| {
            let numbers = burst.samples.iter().map(|sample| {
                let [number, other] = [0, 1].map(|at| sample.embedding[at].to_f32());
                assert_eq!(other, network, "another network's");
                number
            });
            let learned = memory.aside(burst.number).is_none();
            let class = memory.class_of(burst).to_owned();
            (burst.number, (class, numbers.collect(), learned))
        };
        Self {
            package,
            before: slots.before().map(place),
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

/// Does a step as the trainer does, with a new head after it.
fn teach(memory: &mut Memory, step: Step, network: u8, next: &mut u32) -> Result<(), SettleError> {
    match step {
        Step::Teach { class, samples: n } => {
            memory.add_burst(CLASSES[class], samples(next, n, network))?;
        }
        Step::Refused { class, samples: n } => {
            memory.add_aside(CLASSES[class], samples(next, n, network), "refused")?;
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
        Step::Offer(_) | Step::Start | Step::Crash | Step::Proved | Step::Back => {}
    }
    Ok(())
}

/// The head's fate is not the step's: it can always be fitted again.
pub fn keep_head(board: &Board) {
    let memory = &board.memory;
    let _ = memory.keep_head(&head(), memory.basis(&0));
}

pub const STORY: [Step; 44] = {
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
        Start,
        Teach {
            class: 1,
            samples: 5,
        },
        Refused {
            class: 0,
            samples: 4,
        },
        // The same network.
        Offer(1),
        AddClass(2),
        Teach {
            class: 2,
            samples: 6,
        },
        RollBack,
        Proved,
        TakeBack,
        // Another network, which ends the program again and again.
        Offer(2),
        Teach {
            class: 0,
            samples: 6,
        },
        Crash,
        Undo,
        Crash,
        Crash,
        Teach {
            class: 0,
            samples: 6,
        },
        Offer(3),
        Offer(4),
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
        Offer(5),
        Undo,
        Proved,
        RemoveBursts(3),
        Teach {
            class: 2,
            samples: 3,
        },
        RemoveClass(1),
        Rename { from: 0, to: 1 },
        Back,
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

#[derive(Clone)]
pub struct Teller {
    pub storage: Arc<Simulated>,
    /// As it was acknowledged.
    pub known: Seen,
    pub next: u32,
    /// The package that is offered at every start.
    pub offer: usize,
}

impl Teller {
    pub fn new() -> Self {
        let storage = Arc::new(Simulated::default());
        let known = Seen::of(&open(&storage, 0).unwrap());
        Self {
            storage,
            known,
            next: 0,
            offer: 0,
        }
    }

    pub fn open(&self) -> Result<Board, SettleError> {
        open(&self.storage, self.offer)
    }

    pub fn act(&mut self, board: &mut Board, step: Step) -> Result<(), SettleError> {
        let network = PACKAGES[Seen::of(board).package].0;
        match step {
            Step::Offer(package) => {
                self.offer = package;
                board.slots.end_well()?;
                *board = self.open()?;
            }
            Step::Start => {
                board.slots.end_well()?;
                *board = self.open()?;
            }
            Step::Crash => *board = self.open()?,
            Step::Proved if board.slots.proving().is_some() => board.slots.prove()?,
            Step::Back => {
                board.slots.go_back("by hand")?;
                board.slots.end_well()?;
                *board = self.open()?;
            }
            step => teach(&mut board.memory, step, network, &mut self.next)?,
        }
        Ok(())
    }

    /// Tells the rest of a story until the power goes: how many steps were done, and what the next
    /// one would have made of it.
    pub fn tell(&mut self, story: &[Step]) -> (usize, Option<Seen>) {
        let Ok(mut board) = self.open() else {
            return (0, None);
        };
        self.known = Seen::of(&board);
        for (done, step) in story.iter().enumerate() {
            let mut after = self.would_be(&board, *step);
            match self.act(&mut board, *step) {
                Ok(()) => self.known = Seen::of(&board),
                Err(SettleError::Memory(MemoryError::Full { .. })) => after = self.known.clone(),
                Err(_) => return (done, Some(after)),
            }
            if self.storage.lock().is_off() {
                // It was done, and what makes room for it is still there.
                return (done + 1, Some(after));
            }
            assert!(
                after.bursts_alike(&self.known) && after.package == self.known.package,
                "{step:?} does something else: {after:?} {:?}",
                self.known
            );
            keep_head(&board);
        }
        (story.len(), None)
    }

    /// What a step makes of the board where nothing goes wrong.
    pub fn would_be(&self, board: &Board, step: Step) -> Seen {
        let mut disk = self.storage.lock().clone();
        disk.fault = Fault::None;
        let mut other = Self {
            storage: Arc::new(Simulated::new(disk)),
            ..self.clone()
        };
        // As it runs: no start that would be counted.
        let mut slots = Slots::open(other.storage.clone(), LIMITS).unwrap();
        slots.counted = board.slots.counted;
        let memory = slots.memory().unwrap();
        let mut board = Board {
            slots,
            memory,
            news: Vec::new(),
        };
        match other.act(&mut board, step) {
            Ok(()) => Seen::of(&board),
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
        let mut board = match self.open() {
            Ok(board) => board,
            Err(error) => panic!("it does not start: {error}"),
        };
        let seen = Seen::of(&board);
        let well = seen.bursts_alike(&self.known)
            || would_be.is_some_and(|would_be| {
                seen.bursts_alike(would_be) || seen.is_between(&self.known, would_be)
            });
        let classes_there = seen
            .bursts
            .values()
            .all(|(class, ..)| seen.classes.contains(class));
        let may_run = [
            Some(self.known.package),
            self.known.before,
            Some(self.offer),
        ];
        let runs = PACKAGES[seen.package].1 == Kind::Good
            && (may_run.contains(&Some(seen.package))
                || would_be.is_some_and(|would_be| would_be.package == seen.package));
        let mut warnings = board.memory.warnings();
        warnings.extend(board.news.iter().filter_map(|news| match news {
            News::Note { text } => Some(text.clone()),
            _ => None,
        }));
        if !well || !runs || !classes_there || !warnings.is_empty() {
            counts.violations += 1;
            eprintln!(
                "violation: {warnings:?}\n known {:?}\n would be {would_be:?}\n seen {seen:?}",
                self.known
            );
        }
        for burst in board.memory.all() {
            for place in 0..burst.samples.len() {
                let number = burst.samples[place].embedding[0].to_f32() as u32;
                let crop = board.memory.crop(burst, place).unwrap();
                assert_eq!(crop, number.to_le_bytes().repeat(8));
            }
        }
        self.known = seen;
    }
}
