//! The last heads, each with what it was fitted on: a start, an undo and a way back need no training.
//! A head is a cache of its samples, so one that is damaged is none.

use std::io;

use lastlayer_shared::{file::sum, framed, head::Head};
use serde::{Deserialize, Serialize};

use super::{
    Aside, Memory, MemoryError,
    burst::Sum,
    error::{reading, writing},
};
use crate::storage::{Storage, get, join, names, put};

const FOLDER: &str = "heads";
const KIND: framed::Kind = framed::Kind {
    name: *b"LLHD",
    version: 4,
};
/// Heads that are kept.
pub const KEPT: usize = 4;
/// Bytes: 1,000 classes of 8,192 numbers.
const MOST: usize = 64 << 20;

/// What a head is fitted on, as a checksum: package, classes and samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis(Sum);

impl Basis {
    pub fn of(value: &impl Serialize) -> Self {
        // Only sums, numbers and names are put in, and memory takes all of them.
        let bytes = postcard::to_stdvec(value).unwrap_or_default();
        Self(sum(&bytes))
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct KeptHead {
    pub basis: Basis,
    /// Bursts that it learned from.
    pub bursts: Vec<u32>,
    pub head: Head,
}

/// Heads in a folder, by generation.
pub struct Heads {
    folder: String,
}

impl Heads {
    pub fn new(at: &str) -> Self {
        Self {
            folder: join(at, FOLDER),
        }
    }

    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Generations, the newest first.
    pub fn generations(&self, storage: &dyn Storage) -> io::Result<Vec<u64>> {
        let names = names(storage, &self.folder)?;
        let mut all: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        Ok(all)
    }

    fn path(&self, generation: u64) -> String {
        join(&self.folder, &format!("{generation:010}"))
    }

    pub fn read(&self, storage: &dyn Storage, generation: u64) -> Option<KeptHead> {
        let bytes = get(storage, &self.path(generation), MOST).ok()??;
        framed::open(KIND, &bytes).ok()
    }

    /// The one that was fitted on just this.
    pub fn find(&self, storage: &dyn Storage, basis: Basis) -> Option<KeptHead> {
        let generations = self.generations(storage).ok()?;
        let mut heads = generations
            .into_iter()
            .filter_map(|g| self.read(storage, g));
        heads.find(|kept| kept.basis == basis)
    }

    /// Keeps a head as the newest; the oldest go once it is there.
    pub fn keep(&self, storage: &dyn Storage, kept: &KeptHead) -> io::Result<()> {
        let generations = self.generations(storage)?;
        let next = generations.first().map_or(0, |last| last + 1);
        let bytes = framed::seal(KIND, kept).map_err(io::Error::other)?;
        put(storage, &self.path(next), &bytes)?;
        for old in generations.into_iter().skip(KEPT - 1) {
            storage.remove(&self.path(old))?;
        }
        Ok(())
    }

    pub fn forget(&self, storage: &dyn Storage) -> io::Result<()> {
        for generation in self.generations(storage)? {
            storage.remove(&self.path(generation))?;
        }
        storage.sync_folder(&self.folder)
    }
}

impl Memory {
    /// What a head that is fitted now is fitted on. `rest`: whatever else it is fitted on.
    pub fn basis(&self, rest: &impl Serialize) -> Basis {
        let sums: Vec<_> = self
            .bursts()
            .map(|burst| (burst.number, burst.sum))
            .collect();
        Basis::of(&(rest, &self.table.backbone, &self.table.changed, sums))
    }

    pub fn keep_head(&self, head: &Head, basis: Basis) -> Result<(), MemoryError> {
        let kept = KeptHead {
            basis,
            bursts: self.bursts().map(|burst| burst.number).collect(),
            head: head.clone(),
        };
        self.heads.keep(&*self.storage, &kept).map_err(writing)
    }

    /// The kept head that was fitted on just this; it can always be fitted again.
    pub fn head(&self, basis: Basis) -> Option<Head> {
        let kept = self.heads.find(&*self.storage, basis)?;
        Some(kept.head)
    }

    /// Goes back to the head before the current one: bursts that it did not know are set aside, and
    /// those that it knew are learned from again. How many samples are learned from less.
    pub fn roll_back(&mut self) -> Result<usize, MemoryError> {
        let now: Vec<u32> = self.bursts().map(|burst| burst.number).collect();
        let generations = self.heads.generations(&*self.storage).map_err(reading)?;
        let mut heads = generations
            .into_iter()
            .filter_map(|generation| self.heads.read(&*self.storage, generation))
            .filter(|kept| {
                kept.bursts
                    .iter()
                    .all(|burst| self.bursts.contains_key(burst))
            });
        let earlier = heads
            .find(|kept| kept.bursts.len() < now.len() && kept.bursts != now)
            .ok_or(MemoryError::NoEarlierHead)?;
        let before = self.len();
        let mut next = self.table.clone();
        next.aside
            .retain(|aside| !earlier.bursts.contains(&aside.burst));
        let newer = now
            .into_iter()
            .filter(|burst| !earlier.bursts.contains(burst));
        next.aside.extend(newer.map(|burst| Aside {
            burst,
            why: "went back to the head before it".into(),
        }));
        self.commit(next)?;
        Ok(before - self.len())
    }
}
