//! The blink language: what a board with one light says of itself.
//!
//! A person must be able to tell any two apart, so they differ in the number of flashes or in a time
//! by at least a factor of two (a test says so). Standing states are even rhythms; what happened
//! once is dark, then long flashes or a count of short ones, then dark; a fault is a long flash with
//! a number of short ones, again and again, until it is over.

use std::time::Duration;

/// What the board is doing; shown as long as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Starting,
    /// Watching, and nothing was taught that could be seen.
    Untaught,
    Watching,
    Collecting,
    Training,
    Stopped,
}

/// What happened; shown once, then what is going on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// This class is selected now, counted from 0.
    Selected(usize),
    Learned,
    /// Learned, and this class, counted from 0, pays for it.
    Costly(usize),
    /// Learned, and older samples made room.
    Crowded,
    Undone,
    ClassAdded,
    Refused,
    /// Another package runs than the one that should.
    PackageRefused,
}

/// What is wrong; shown while it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    CameraLost,
    DiskFull,
}

/// The classes that flashes count; later ones flash as the last of these.
const MOST_COUNTED: usize = 10;

/// A rhythm: dark for `before`, then flashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    before: Duration,
    /// Lit for the first, then dark for the second.
    flashes: Vec<(Duration, Duration)>,
    /// Again from `before`, for ever.
    again: bool,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Pattern {
    fn again(flashes: &[(u64, u64)]) -> Self {
        Self {
            before: Duration::ZERO,
            flashes: flashes.iter().map(|&(on, off)| (ms(on), ms(off))).collect(),
            again: true,
        }
    }

    /// `count` flashes between two darks, so that the first and the last are seen as well where the
    /// light was on and will be.
    fn once(count: usize, on: u64, off: u64) -> Self {
        let mut flashes = vec![(ms(on), ms(off)); count];
        if let Some((_, last)) = flashes.last_mut() {
            *last = ms(500);
        }
        Self {
            before: ms(500),
            flashes,
            again: false,
        }
    }

    /// The same with a flash before the others.
    fn after(mut self, on: u64, off: u64) -> Self {
        self.flashes.insert(0, (ms(on), ms(off)));
        self
    }

    /// One long flash, then as many short ones as the fault has for a number.
    fn fault(number: usize) -> Self {
        let mut flashes = vec![(800, 200)];
        flashes.extend(std::iter::repeat_n((150, 200), number));
        if let Some((_, last)) = flashes.last_mut() {
            *last = 1200;
        }
        Self::again(&flashes)
    }

    /// How long it takes, once.
    pub fn length(&self) -> Duration {
        let flashes = self.flashes.iter().map(|(on, off)| *on + *off);
        self.before + flashes.sum::<Duration>()
    }

    /// Whether the light is on at `time` since the pattern began; `None` when it is over.
    pub fn lit(&self, time: Duration) -> Option<bool> {
        let length = self.length().as_nanos();
        let mut rest = time;
        if self.again {
            let nanos = time.as_nanos() % length.max(1);
            rest = Duration::from_nanos(nanos as u64);
        } else if time.as_nanos() >= length {
            return None;
        }
        if rest < self.before {
            return Some(false);
        }
        rest -= self.before;
        for &(on, off) in &self.flashes {
            if rest < on {
                return Some(true);
            }
            rest = rest.saturating_sub(on);
            if rest < off {
                return Some(false);
            }
            rest -= off;
        }
        Some(false)
    }
}

impl Standing {
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Untaught,
        Self::Watching,
        Self::Collecting,
        Self::Training,
        Self::Stopped,
    ];

    pub fn pattern(self) -> Pattern {
        match self {
            Self::Starting => Pattern::again(&[(1000, 1000)]),
            Self::Untaught => Pattern::again(&[(100, 1900)]),
            Self::Watching => Pattern::again(&[(1000, 0)]),
            Self::Collecting => Pattern::again(&[(100, 100)]),
            Self::Training => Pattern::again(&[(300, 300)]),
            Self::Stopped => Pattern::again(&[(0, 1000)]),
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Starting => ("starting", "slow and even"),
            Self::Untaught => (
                "watching, with nothing taught that it could tell apart",
                "a short flash every other second",
            ),
            Self::Watching => ("watching", "on"),
            Self::Collecting => ("collecting a burst", "fast and even"),
            Self::Training => ("training", "even, a third as fast"),
            Self::Stopped => ("stopped", "off"),
        }
    }
}

impl Once {
    pub fn pattern(self) -> Pattern {
        match self {
            Self::Selected(class) => {
                Pattern::once(class.saturating_add(1).min(MOST_COUNTED), 150, 250)
            }
            Self::Learned => Pattern::once(1, 1000, 0),
            Self::Costly(class) => {
                let count = class.saturating_add(1).min(MOST_COUNTED);
                Pattern::once(count, 150, 250).after(1000, 500)
            }
            Self::Crowded => Pattern::once(5, 50, 50).after(1000, 300),
            Self::Undone => Pattern::once(2, 1000, 300),
            Self::ClassAdded => Pattern::once(3, 1000, 300),
            Self::Refused => Pattern::once(15, 50, 50),
            Self::PackageRefused => Pattern::once(5, 50, 50).after(1000, 300).after(1000, 300),
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Selected(_) => (
                "another class is selected",
                "dark, as many short flashes as the class has for a number (the tenth and later: ten), dark",
            ),
            Self::Learned => ("learned", "dark, one long flash, dark"),
            Self::Costly(_) => (
                "learned, and another class is called wrongly more often; the log says how often",
                "the same, and as many short flashes as that class has for a number, dark",
            ),
            Self::Crowded => (
                "learned; the memory is full, and the oldest samples made room",
                "dark, one long flash and a flicker, dark",
            ),
            Self::Undone => ("the last burst is undone", "dark, two long flashes, dark"),
            Self::ClassAdded => ("a class is added", "dark, three long flashes, dark"),
            Self::Refused => ("refused; the log says why", "dark, a flicker, dark"),
            Self::PackageRefused => (
                "a new package is refused, or the one before is back; the log says why",
                "dark, two long flashes and a flicker, dark",
            ),
        }
    }
}

impl Fault {
    pub const ALL: [Self; 2] = [Self::CameraLost, Self::DiskFull];

    pub fn pattern(self) -> Pattern {
        match self {
            Self::CameraLost => Pattern::fault(2),
            Self::DiskFull => Pattern::fault(4),
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::CameraLost => (
                "the camera is lost",
                "one long and two short flashes, again",
            ),
            Self::DiskFull => ("the disk is full", "one long and four short flashes, again"),
        }
    }
}

/// The language for a person: a Markdown table, one line a word of it, as in docs/wiring.md.
pub fn table() -> Vec<String> {
    let mut rows = vec![
        "| the board | the status light | lit and dark, in seconds |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    let mut row = |(what, light): (&str, &str), pattern: Pattern| {
        rows.push(format!("| {what} | {light} | {} |", pattern.times()));
    };
    for standing in Standing::ALL {
        row(standing.words(), standing.pattern());
    }
    for once in [
        Once::Selected(1),
        Once::Learned,
        Once::Costly(1),
        Once::Crowded,
        Once::Undone,
        Once::ClassAdded,
        Once::Refused,
        Once::PackageRefused,
    ] {
        row(once.words(), once.pattern());
    }
    for fault in Fault::ALL {
        row(fault.words(), fault.pattern());
    }
    rows
}

impl Pattern {
    /// `0.5 dark; 0.2 lit, 0.25 dark; ...`, repetitions counted.
    fn times(&self) -> String {
        let seconds = |time: Duration| time.as_secs_f64();
        let mut parts = Vec::new();
        if !self.before.is_zero() {
            parts.push(format!("{} dark", seconds(self.before)));
        }
        for flashes in self.flashes.chunk_by(|a, b| a == b) {
            let (on, off) = flashes[0];
            let part = match (on.is_zero(), off.is_zero()) {
                (_, true) => "lit".to_owned(),
                (true, _) => "dark".to_owned(),
                _ => format!("{} lit, {} dark", seconds(on), seconds(off)),
            };
            parts.push(match flashes.len() {
                1 => part,
                count => format!("{count} times {part}"),
            });
        }
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests;
