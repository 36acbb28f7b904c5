//! Two places for a package, so that the one before comes back where a new one does not do.
//!
//! ```text
//! slots        which one is current, what is on trial, what was refused; replaced whole
//! a/package    the file as its maker signed it; it is checked again at every start
//! a/...        what was taught, by that package's network (`memory`)
//! b/           the same
//! ```
//!
//! A new package goes to the spare slot and is checked there, with all that was taught; replacing
//! `slots` makes it current. From then on it is on trial: it has a few starts to watch for a while,
//! else the one before comes back, with what was taught meanwhile. Once it has proved itself only the
//! package before is kept, and no longer its memory: crops can be looked at again.

mod examined;
#[cfg(test)]
mod fake;
mod install;
mod mend;
mod proof;
mod record;
mod settle;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use lastlayer_shared::framed::{self, FramedError};

use crate::{
    memory::{Limits, Memory, MemoryError, reading, writing},
    storage::{Storage, get, join, make_folder, names, put, remove_unfinished},
};
pub use examined::{Examiner, Network, News};
pub use proof::Proof;
pub use record::{Installed, Refused, STARTS, Slot, Trial};
use record::{KIND, MOST, Record};
pub use settle::{Offer, Running, SettleError, settle};

const RECORD: &str = "slots";
const PACKAGE: &str = "package";
/// Added to the name of what cannot be read.
const DAMAGED: &str = ".damaged";
/// What lay in the folder itself before there were slots.
const OLD: [&str; 2] = ["table", "samples"];

pub struct Slots {
    storage: Arc<dyn Storage>,
    limits: Limits,
    record: Record,
    /// It could not be read, and has to be made again from what is there.
    lost: Option<FramedError>,
    /// This start counts against the package that is on trial.
    counted: bool,
}

/// Whether anything was taught in either slot.
fn is_taught(storage: &dyn Storage) -> Result<bool, MemoryError> {
    for slot in [Slot::A, Slot::B] {
        if Memory::is_there(storage, slot.name())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn file(storage: &dyn Storage, slot: Slot) -> Result<Option<Vec<u8>>, MemoryError> {
    let most = lastlayer_shared::package::MAX_SIZE as usize;
    get(storage, &join(slot.name(), PACKAGE), most).map_err(reading)
}

impl Slots {
    pub fn open(storage: Arc<dyn Storage>, limits: Limits) -> Result<Self, MemoryError> {
        let here = names(&*storage, "").map_err(reading)?;
        if here.iter().any(|name| OLD.contains(&name.as_str())) {
            return Err(MemoryError::Older);
        }
        remove_unfinished(&*storage, "").map_err(writing)?;
        let bytes = get(&*storage, RECORD, MOST).map_err(reading)?;
        let opened = bytes.map(|bytes| framed::open::<Record>(KIND, &bytes));
        let (record, lost) = match opened.transpose() {
            Ok(Some(record)) => (record, None),
            // Before the first package, or it is lost.
            Ok(None) => {
                let lost = is_taught(&*storage)?.then_some(FramedError::Length);
                (Record::default(), lost)
            }
            // A newer program's: it is not damaged, and must not be taken for lost.
            Err(reason @ FramedError::Version { .. }) => {
                let path = RECORD.into();
                return Err(MemoryError::Damaged { path, reason });
            }
            Err(reason) => (Record::default(), Some(reason)),
        };
        Ok(Self {
            storage,
            limits,
            record,
            lost,
            counted: false,
        })
    }

    /// The package that runs, or would.
    pub fn running(&self) -> Option<&Installed> {
        self.record.running()
    }

    /// The package that can come back.
    pub fn before(&self) -> Option<&Installed> {
        let spare = self.record.current.other();
        let is_new = |trial: &Trial| trial.slot == spare;
        match self.record.trial.as_ref().is_some_and(is_new) {
            true => None,
            false => self.record.package(spare),
        }
    }

    /// The running package's trial, until it has proved itself.
    pub fn proving(&self) -> Option<&Trial> {
        self.record.proving()
    }

    /// The latest last.
    pub fn refused(&self) -> &[Refused] {
        &self.record.refused
    }

    pub fn why_refused(&self, id: &str) -> Option<&str> {
        self.record.why_refused(id)
    }

    /// The running package's file.
    pub fn package(&self) -> Result<Option<Vec<u8>>, MemoryError> {
        self.file(self.record.current)
    }

    /// Reads it again, whenever it is asked.
    pub fn reader(&self) -> impl Fn() -> Result<Option<Vec<u8>>, MemoryError> + Send + 'static {
        let (storage, slot) = (self.storage.clone(), self.record.current);
        move || file(&*storage, slot)
    }

    fn file(&self, slot: Slot) -> Result<Option<Vec<u8>>, MemoryError> {
        file(&*self.storage, slot)
    }

    /// What was taught here, whatever network it comes from.
    pub fn memory(&self) -> Result<Memory, MemoryError> {
        self.memory_of(self.record.current)
    }

    fn memory_of(&self, slot: Slot) -> Result<Memory, MemoryError> {
        self.make(slot)?;
        Memory::open_any(self.storage.clone(), slot.name(), self.limits)
    }

    fn make(&self, slot: Slot) -> Result<(), MemoryError> {
        make_folder(&*self.storage, slot.name()).map_err(writing)
    }

    /// The running package has watched long enough: the memory of the one before can go.
    pub fn prove(&mut self) -> Result<(), MemoryError> {
        let mut next = self.record.clone();
        next.trial = None;
        self.commit(next)?;
        let spare = self.record.current.other();
        // What cannot go now goes with the next package. What is damaged may still be of use.
        if self
            .memory_of(spare)
            .is_ok_and(|memory| !memory.has_damage())
        {
            let _ = self.forget_spare();
        }
        Ok(())
    }

    /// The program ends as it should: this start counts against nobody.
    pub fn end_well(&mut self) -> Result<(), MemoryError> {
        let mut next = self.record.clone();
        if let Some(trial) = &mut next.trial
            && std::mem::take(&mut self.counted)
        {
            trial.left = (trial.left + 1).min(STARTS);
        }
        self.commit(next)
    }

    /// The next start takes the package before again. `None` where there is none.
    pub fn go_back(&mut self, why: &str) -> Result<Option<Installed>, MemoryError> {
        let (Some(running), Some(before)) = (self.running().cloned(), self.before().cloned())
        else {
            return Ok(None);
        };
        let mut next = self.record.clone();
        let left = self.proving().map_or(STARTS, |trial| trial.left);
        next.trial = Some(Trial {
            slot: next.current,
            package: running,
            left,
            sent_back: Some(why.into()),
        });
        self.commit(next)?;
        Ok(Some(before))
    }

    /// Refused packages are taken again where they are offered: how many there were.
    pub fn pardon(&mut self) -> Result<usize, MemoryError> {
        let mut next = self.record.clone();
        let count = next.refused.len();
        next.refused.clear();
        self.commit(next)?;
        Ok(count)
    }

    /// Forgets what was taught while the package before ran; the package stays.
    pub fn forget_spare(&self) -> Result<(), MemoryError> {
        let spare = self.record.current.other();
        self.make(spare)?;
        Memory::clear(&*self.storage, spare.name())
    }

    /// Forgets what was taught, also where it cannot be read any more.
    pub fn forget(&self) -> Result<(), MemoryError> {
        self.forget_spare()?;
        self.make(self.record.current)?;
        Memory::clear(&*self.storage, self.record.current.name())
    }

    /// Why it is not known which package is current; a start finds it out.
    pub fn damage(&self) -> Option<&FramedError> {
        self.lost.as_ref()
    }

    /// Removes all that is in a slot.
    fn clear(&self, slot: Slot) -> Result<(), MemoryError> {
        self.make(slot)?;
        Memory::clear(&*self.storage, slot.name())?;
        for name in names(&*self.storage, slot.name()).map_err(reading)? {
            // Folders stay.
            let _ = self.storage.remove(&join(slot.name(), &name));
        }
        Ok(())
    }

    fn commit(&mut self, next: Record) -> Result<(), MemoryError> {
        if next == self.record {
            return Ok(());
        }
        let sealed = framed::seal(KIND, &next).map_err(|reason| MemoryError::Damaged {
            path: RECORD.into(),
            reason,
        })?;
        // A disk that fails once leaves open whether it will last; written again it is clear.
        let written =
            put(&*self.storage, RECORD, &sealed).or_else(|_| put(&*self.storage, RECORD, &sealed));
        if let Err(error) = written {
            // What a reader of the disk sees is what counts.
            let seen = get(&*self.storage, RECORD, MOST).ok().flatten();
            if let Some(Ok(seen)) = seen.map(|bytes| framed::open(KIND, &bytes)) {
                self.record = seen;
            }
            return Err(writing(error));
        }
        self.record = next;
        Ok(())
    }
}
