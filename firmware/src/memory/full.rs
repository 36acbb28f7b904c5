//! What goes when no more fits: what is not learned from anyway, then the oldest burst of the class
//! that has the most, never below a floor. What is only set aside costs nothing that is learned from.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Memory, MemoryError};

/// How much is kept: the `[memory]` table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Samples that are kept at most, 10..=100000. One takes some 15 kB of the disk, and 5 kB of
    /// memory, with a network of 1280 numbers and 224 pixels.
    pub samples: usize,
    /// A class keeps at least this many, 1..=`samples`.
    pub floor: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            samples: 2000,
            floor: 40,
        }
    }
}

impl Limits {
    /// What is out of range, as a line that names it.
    pub fn check(&self) -> Result<(), String> {
        if !(10..=100_000).contains(&self.samples) {
            return Err("memory.samples: give a number from 10 to 100000".into());
        }
        if !(1..=self.samples).contains(&self.floor) {
            return Err(format!(
                "memory.floor: give a number from 1 to {} (memory.samples)",
                self.samples
            ));
        }
        Ok(())
    }

    /// The bursts that have to go for so many more samples of a class, in the order in which they go.
    pub(super) fn victims(
        &self,
        memory: &Memory,
        class: u16,
        more: usize,
        aside: bool,
    ) -> Result<Vec<u32>, MemoryError> {
        let all: usize = memory.all().map(|burst| burst.samples.len()).sum();
        let mut left = (all + more).saturating_sub(self.samples);
        let mut victims = Vec::new();
        for burst in memory.all().filter(|b| memory.aside(b.number).is_some()) {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(burst.samples.len());
            victims.push(burst.number);
        }
        let mut counts: BTreeMap<u16, usize> = BTreeMap::from([(class, more)]);
        for burst in memory.bursts() {
            *counts.entry(burst.class).or_default() += burst.samples.len();
        }
        while left > 0 {
            let candidates = memory.bursts().filter(|burst| {
                !aside
                    && !victims.contains(&burst.number)
                    && counts[&burst.class] - burst.samples.len() >= self.floor
            });
            // Of the fullest class; of equal ones the oldest burst.
            let victim = candidates
                .max_by_key(|burst| (counts[&burst.class], std::cmp::Reverse(burst.number)));
            let Some(victim) = victim else {
                return Err(MemoryError::Full {
                    samples: all,
                    floor: self.floor,
                });
            };
            left = left.saturating_sub(victim.samples.len());
            *counts.entry(victim.class).or_default() -= victim.samples.len();
            victims.push(victim.number);
        }
        Ok(victims)
    }
}
