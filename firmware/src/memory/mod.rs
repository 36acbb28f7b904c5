//! What the board was taught, on disk: nothing is reported as learned before it is there.
//!
//! ```text
//! table        classes, and which bursts are not learned from; replaced whole
//! bursts/N     what one press taught: a file that is there whole or not at all
//! heads/N      the last heads; a cache of what fitting the bursts gave
//! ```
//!
//! Every change is one step: a burst's file comes or goes, or the table is replaced. What the power
//! leaves behind of a step that was not done is removed at the next start.

mod burst;
mod carry;
mod change;
mod error;
mod full;
mod heads;
mod load;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use half::f16;
use lastlayer_shared::{framed::FramedError, view::View};

use crate::storage::{Storage, join};
use burst::BurstError;
pub use burst::{Burst, Kept, rounded};
pub use carry::{Carried, Carrier, Crops};
pub use error::MemoryError;
pub(crate) use error::{reading, writing};
pub use full::Limits;
pub use heads::Basis;
use heads::Heads;
use table::Table;
pub use table::{Aside, ChangedClass};

const TABLE: &str = "table";
const BURSTS: &str = "bursts";

/// One embedded frame that is about to be remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSample {
    /// What `rounded` makes of the network's answer.
    pub embedding: Vec<f16>,
    /// A JPEG of the network's input size.
    pub crop: Vec<u8>,
    pub view: View,
}

/// A burst that was remembered.
#[derive(Debug, PartialEq)]
pub struct Added {
    pub burst: u32,
    /// What had to go to make room: classes, with the samples they lost.
    pub lost: Vec<(String, usize)>,
}

pub struct Memory {
    storage: Arc<dyn Storage>,
    /// The folder in the storage.
    at: String,
    limits: Limits,
    table: Table,
    /// By number.
    bursts: BTreeMap<u32, Burst>,
    heads: Heads,
    /// The files of `table.gone` are gone for good.
    swept: bool,
    /// Bursts whose files cannot be read.
    damaged: BTreeSet<u32>,
    /// The table could not be read, and was made again from the bursts.
    rebuilt: bool,
    warnings: Vec<String>,
}

impl Memory {
    /// Opens the memory in a folder of the storage, making it where it is not there. Samples of
    /// another backbone are an error and stay untouched. `width` is the numbers in an embedding of
    /// this backbone.
    pub fn open(
        storage: Arc<dyn Storage>,
        at: &str,
        backbone: &str,
        width: usize,
        limits: Limits,
    ) -> Result<Self, MemoryError> {
        let mut memory = Self::open_any(storage, at, limits)?;
        // Nothing is there that another network would not fit.
        if memory.bursts.is_empty() {
            memory.table.backbone = backbone.into();
        }
        if memory.table.backbone != backbone {
            return Err(MemoryError::OtherBackbone);
        }
        let misfit = |burst: &&Burst| burst.samples.iter().any(|s| s.embedding.len() != width);
        if let Some(burst) = memory.bursts.values().find(misfit) {
            return Err(MemoryError::Damaged {
                path: memory.path(burst.number),
                reason: FramedError::Content("an embedding does not fit the network".into()),
            });
        }
        Ok(memory)
    }

    /// Before anything is read.
    fn blank(storage: Arc<dyn Storage>, at: &str, limits: Limits) -> Self {
        Self {
            storage,
            at: at.into(),
            limits,
            table: Table::default(),
            bursts: BTreeMap::new(),
            heads: Heads::new(at),
            swept: false,
            damaged: BTreeSet::new(),
            rebuilt: false,
            warnings: Vec::new(),
        }
    }

    /// Opens it to look after it, whatever network its samples come from.
    pub fn open_any(
        storage: Arc<dyn Storage>,
        at: &str,
        limits: Limits,
    ) -> Result<Self, MemoryError> {
        let mut memory = Self::blank(storage, at, limits);
        memory.load()?;
        Ok(memory)
    }

    /// What went wrong since the last call without anything failing.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn path(&self, burst: u32) -> String {
        join(&join(&self.at, BURSTS), &file_name(burst))
    }

    /// Something here could not be read, and lies beside what could.
    pub fn has_damage(&self) -> bool {
        self.rebuilt || !self.damaged.is_empty()
    }

    /// What became of the package's classes.
    pub fn changed(&self) -> &[ChangedClass] {
        &self.table.changed
    }

    /// Classes that bursts refer to, or that were added on the board.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.table.classes.iter().map(|class| class.name.as_str())
    }

    /// All bursts, the oldest first, also those that are not learned from.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Burst> {
        self.bursts.values()
    }

    /// The bursts that are learned from, the oldest first.
    pub fn bursts(&self) -> impl DoubleEndedIterator<Item = &Burst> {
        self.all()
            .filter(|burst| !self.table.is_aside(burst.number))
    }

    /// Why a burst is not learned from.
    pub fn aside(&self, burst: u32) -> Option<&str> {
        let aside = self.table.aside.iter().find(|aside| aside.burst == burst);
        aside.map(|aside| aside.why.as_str())
    }

    pub fn class_of(&self, burst: &Burst) -> &str {
        self.table.name_of(burst.class).unwrap_or_default()
    }

    /// Samples that are learned from.
    pub fn len(&self) -> usize {
        self.bursts().map(|burst| burst.samples.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nothing was taught or changed here.
    pub fn is_untouched(&self) -> bool {
        self.is_empty() && self.table.changed.is_empty()
    }

    /// What the network saw of a sample: a JPEG.
    pub fn crop(&self, burst: &Burst, place: usize) -> Result<Vec<u8>, MemoryError> {
        let path = self.path(burst.number);
        let damaged = |reason| MemoryError::Damaged {
            path: path.clone(),
            reason,
        };
        let kept = burst.samples.get(place);
        let kept = kept.ok_or_else(|| damaged(FramedError::Length))?;
        kept.crop(&*self.storage, &path)
            .map_err(|error| match error {
                BurstError::Disk(error) => reading(error),
                BurstError::Damaged(reason) => damaged(reason),
            })
    }
}

fn file_name(burst: u32) -> String {
    format!("{burst:010}")
}
