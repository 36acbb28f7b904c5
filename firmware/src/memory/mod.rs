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
mod full;
mod heads;
#[cfg(test)]
mod story;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    sync::Arc,
};

use lastlayer_shared::{
    framed::{self, FramedError},
    head::Head,
    view::View,
};
use serde::Serialize;

use crate::storage::{DiskError, Storage, get, join, make_folder, names, put, remove_unfinished};
pub use burst::{Burst, Kept, rounded};
use burst::{BurstError, Origin};
pub use full::Limits;
pub use heads::Basis;
use heads::{Heads, KeptHead};
use table::Table;
pub use table::{Aside, ChangedClass};

const TABLE: &str = "table";
const BURSTS: &str = "bursts";
/// Added to the name of what cannot be read.
const DAMAGED: &str = ".damaged";
/// Where versions before this one had all of it.
const OLD: [&str; 2] = ["samples", "head"];

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error(transparent)]
    Folder(#[from] DiskError),
    #[error("the memory in the state folder cannot be {what}: {}", advice(.source))]
    Disk {
        what: &'static str,
        source: io::Error,
    },
    #[error(
        "{path} in the state folder cannot be read: {reason}. It is left as it is; give another \
         folder with --state; `lastlayerd reset --yes` removes it"
    )]
    Damaged { path: String, reason: FramedError },
    #[error(
        "what was taught here was taught with another network and cannot be used with this package; \
         give another folder with --state, the package it was taught with, or forget it with \
         `lastlayerd reset --yes`"
    )]
    OtherBackbone,
    #[error(
        "the state folder is of an older lastlayerd, which kept `samples` there; give another with \
         --state, or remove that file"
    )]
    Older,
    #[error(
        "the memory is full: {samples} samples, and no class has more than {floor} to make room; \
         remove some (`lastlayerd samples`), or raise memory.samples"
    )]
    Full { samples: usize, floor: usize },
    #[error("there are {0} classes already, and no more fit")]
    TooManyClasses(usize),
    #[error("there is no earlier head to go back to")]
    NoEarlierHead,
}

fn advice(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full; make room".into(),
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only; is it worn out?".into(),
        ErrorKind::PermissionDenied => "this user may not; who owns the folder?".into(),
        _ => source.to_string(),
    }
}

impl MemoryError {
    pub fn disk_is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Disk { source, .. } | Self::Folder(DiskError::Folder { source, .. }) => {
                matches!(
                    source.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                )
            }
            _ => false,
        }
    }
}

fn reading(source: io::Error) -> MemoryError {
    let what = "read";
    MemoryError::Disk { what, source }
}

fn writing(source: io::Error) -> MemoryError {
    let what = "written";
    MemoryError::Disk { what, source }
}

/// One embedded frame that is about to be remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSample {
    pub embedding: Vec<f32>,
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

    /// Opens it to look after it, whatever network its samples come from.
    pub fn open_any(
        storage: Arc<dyn Storage>,
        at: &str,
        limits: Limits,
    ) -> Result<Self, MemoryError> {
        let mut memory = Self {
            storage,
            at: at.into(),
            limits,
            table: Table::default(),
            bursts: BTreeMap::new(),
            heads: Heads::new(at),
            swept: false,
            warnings: Vec::new(),
        };
        memory.load()?;
        Ok(memory)
    }

    /// Removes what is kept there, also where it cannot be read any more.
    pub fn clear(storage: &dyn Storage, at: &str) -> Result<(), MemoryError> {
        for folder in [join(at, BURSTS), Heads::new(at).folder().into()] {
            for name in names(storage, &folder).map_err(reading)? {
                storage.remove(&join(&folder, &name)).map_err(writing)?;
            }
        }
        for name in OLD.into_iter().chain([TABLE]) {
            match storage.remove(&join(at, name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(writing(error)),
                _ => {}
            }
        }
        storage.sync_folder(at).map_err(writing)
    }

    fn load(&mut self) -> Result<(), MemoryError> {
        let storage = self.storage.clone();
        let storage = &*storage;
        let here = names(storage, &self.at).map_err(reading)?;
        if here.iter().any(|name| name == OLD[0]) {
            return Err(MemoryError::Older);
        }
        let folders = [join(&self.at, BURSTS), self.heads.folder().to_owned()];
        for folder in &folders {
            make_folder(storage, folder).map_err(writing)?;
        }
        for folder in folders.iter().chain([&self.at]) {
            remove_unfinished(storage, folder).map_err(writing)?;
        }
        let table = self.read_table()?;
        let mut bursts = BTreeMap::new();
        let mut origins = Vec::new();
        for name in names(storage, &folders[0]).map_err(reading)? {
            let path = join(&folders[0], &name);
            if name.ends_with(DAMAGED) {
                continue;
            }
            match burst::read(storage, &path) {
                Ok((burst, origin)) if name == file_name(burst.number) => {
                    origins.push((burst.class, origin));
                    bursts.insert(burst.number, burst);
                }
                Err(BurstError::Disk(error)) => return Err(reading(error)),
                unread => {
                    let reason = match unread {
                        Err(error) => error.to_string(),
                        Ok(_) => "it has another burst's name".into(),
                    };
                    self.set_damaged_aside(&path, &reason)?;
                }
            }
        }
        self.table = match table {
            Some(table) => table,
            None => rebuilt(&origins),
        };
        // A burst that was to be set aside and never came.
        self.table
            .aside
            .retain(|aside| bursts.contains_key(&aside.burst));
        // What was being forgotten.
        let known = |burst: &Burst| {
            self.table.name_of(burst.class).is_some() && !self.table.gone.contains(&burst.number)
        };
        let (kept, forgotten): (BTreeMap<_, _>, BTreeMap<_, _>) =
            bursts.into_iter().partition(|(_, burst)| known(burst));
        for number in forgotten.into_keys() {
            storage.remove(&self.path(number)).map_err(writing)?;
        }
        if !self.table.gone.is_empty() {
            storage.sync_folder(&folders[0]).map_err(writing)?;
        }
        self.swept = true;
        self.bursts = kept;
        Ok(())
    }

    /// `None` where there is none, or none that can be read.
    fn read_table(&mut self) -> Result<Option<Table>, MemoryError> {
        let path = join(&self.at, TABLE);
        let bytes = get(&*self.storage, &path, table::MOST).map_err(reading)?;
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let opened = framed::open::<Table>(table::KIND, &bytes).and_then(|table| {
            table.check().map_err(FramedError::Content)?;
            Ok(table)
        });
        match opened {
            Ok(table) => Ok(Some(table)),
            // A newer program's: it is not damaged, and must not be taken for lost.
            Err(reason @ FramedError::Version { .. }) => Err(MemoryError::Damaged { path, reason }),
            Err(reason) => {
                self.set_damaged_aside(&path, &reason.to_string())?;
                Ok(None)
            }
        }
    }

    fn set_damaged_aside(&mut self, path: &str, reason: &str) -> Result<(), MemoryError> {
        let aside = format!("{path}{DAMAGED}");
        self.storage.rename(path, &aside).map_err(writing)?;
        self.warnings.push(format!(
            "{path} in the state folder cannot be read ({reason}) and is kept as {aside}; what it \
             taught is gone, everything else is there"
        ));
        Ok(())
    }

    /// What went wrong since the last call without anything failing.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn path(&self, burst: u32) -> String {
        join(&join(&self.at, BURSTS), &file_name(burst))
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

    /// Remembers a burst, all of it or nothing. Where the memory is full, older ones go for it.
    pub fn add_burst(&mut self, class: &str, burst: Vec<NewSample>) -> Result<Added, MemoryError> {
        self.add(class, burst, None)
    }

    /// Keeps a burst without learning from it.
    pub fn add_aside(
        &mut self,
        class: &str,
        burst: Vec<NewSample>,
        why: &str,
    ) -> Result<u32, MemoryError> {
        Ok(self.add(class, burst, Some(why.into()))?.burst)
    }

    fn add(
        &mut self,
        class: &str,
        samples: Vec<NewSample>,
        aside: Option<String>,
    ) -> Result<Added, MemoryError> {
        let mut table = self.table.clone();
        let number = self.next_burst();
        let class_number = add_class(&mut table, class)?;
        if let Some(why) = aside {
            // Before its file, so that it is never learned from.
            let burst = number;
            table.aside.push(Aside { burst, why });
            table.next_burst = number + 1;
        }
        let victims = self.limits.victims(self, class_number, samples.len())?;
        self.commit(table)?;
        let sequence = self.next_sequence();
        let origin = Origin {
            class_name: class.into(),
            backbone: self.table.backbone.clone(),
        };
        let sealed = burst::seal((number, class_number, sequence), origin, samples);
        let (burst, bytes) = sealed.map_err(|reason| MemoryError::Damaged {
            path: self.path(number),
            reason,
        })?;
        let path = self.path(number);
        let written = put(&*self.storage, &path, &bytes);
        if written.is_err() {
            // The name may be there though its folder could not be synced.
            let _ = self.storage.remove(&path);
            let _ = self.storage.sync_folder(&join(&self.at, BURSTS));
        }
        self.settle(written)?;
        self.bursts.insert(number, burst);
        Ok(Added {
            burst: number,
            lost: self.lose(&victims),
        })
    }

    /// The new burst is there, so this is no failure: what cannot go now goes for the next one.
    fn lose(&mut self, victims: &[u32]) -> Vec<(String, usize)> {
        let mut lost: BTreeMap<String, usize> = BTreeMap::new();
        for burst in victims.iter().filter_map(|number| self.bursts.get(number)) {
            *lost.entry(self.class_of(burst).into()).or_default() += burst.samples.len();
        }
        let gone = victims.is_empty() || self.forget(self.table.clone(), victims).is_ok();
        match gone {
            true => lost.into_iter().collect(),
            false => Vec::new(),
        }
    }

    fn next_burst(&self) -> u32 {
        let last = self.bursts.keys().next_back();
        let next = last.map_or(0, |last| last.saturating_add(1));
        next.max(self.table.next_burst)
    }

    fn next_sequence(&self) -> u64 {
        let next = |burst: &Burst| burst.sequence + burst.samples.len() as u64;
        let last = self.bursts.values().map(next).max();
        last.unwrap_or(0).max(self.table.next_sequence)
    }

    /// Forgets the burst that was remembered last: its class and number of samples, or `None` where
    /// there is none.
    pub fn undo(&mut self) -> Result<Option<(String, usize)>, MemoryError> {
        let Some(last) = self.bursts().next_back() else {
            return Ok(None);
        };
        let number = last.number;
        let undone = (self.class_of(last).to_owned(), last.samples.len());
        let removed = self
            .storage
            .remove(&self.path(number))
            .and_then(|()| self.storage.sync_folder(&join(&self.at, BURSTS)));
        self.settle(removed)?;
        self.bursts.remove(&number);
        Ok(Some(undone))
    }

    pub fn add_class(&mut self, name: &str) -> Result<(), MemoryError> {
        let mut next = self.table.clone();
        add_class(&mut next, name)?;
        self.commit(next)
    }

    /// `from` is called `to` from now on; `of_package` is its name there, where it comes from there.
    pub fn rename(
        &mut self,
        of_package: Option<&str>,
        from: &str,
        to: &str,
    ) -> Result<(), MemoryError> {
        let mut next = self.table.clone();
        if let Some(class) = of_package {
            next.change(class, Some(to));
        }
        if let Some(own) = next.classes.iter_mut().find(|class| class.name == from) {
            own.name = to.into();
        }
        self.commit(next)
    }

    /// Forgets a class with its samples; `of_package` is its name there, where it comes from there.
    pub fn remove_class(
        &mut self,
        of_package: Option<&str>,
        name: &str,
    ) -> Result<(), MemoryError> {
        let mut next = self.table.clone();
        if let Some(class) = of_package {
            next.change(class, None);
        }
        let number = next.number_of(name);
        next.classes.retain(|class| class.name != name);
        let of_class = |burst: &&Burst| Some(burst.class) == number;
        let gone = self.all().filter(of_class).map(|burst| burst.number);
        let gone: Vec<u32> = gone.collect();
        self.forget(next, &gone)
    }

    /// Forgets these bursts, all or none: how many samples they had.
    pub fn remove_bursts(&mut self, bursts: &[u32]) -> Result<usize, MemoryError> {
        let there = bursts
            .iter()
            .filter(|number| self.bursts.contains_key(number));
        let there: BTreeSet<u32> = there.copied().collect();
        let there: Vec<u32> = there.into_iter().collect();
        let removed = there.iter().map(|number| self.bursts[number].samples.len());
        let removed = removed.sum();
        self.forget(self.table.clone(), &there)?;
        Ok(removed)
    }

    /// Keeps these bursts and no longer learns from them, or learns from them again (`None`).
    pub fn set_aside(&mut self, bursts: &[u32], why: Option<&str>) -> Result<(), MemoryError> {
        let mut next = self.table.clone();
        next.aside.retain(|aside| !bursts.contains(&aside.burst));
        if let Some(why) = why {
            next.aside.extend(bursts.iter().map(|burst| Aside {
                burst: *burst,
                why: why.into(),
            }));
        }
        self.commit(next)
    }

    /// Forgets everything that was taught here; numbers go on counting.
    pub fn forget_all(&mut self) -> Result<(), MemoryError> {
        let next = Table {
            backbone: self.table.backbone.clone(),
            next_class: self.table.next_class,
            ..Table::default()
        };
        let all: Vec<u32> = self.bursts.keys().copied().collect();
        self.forget(next, &all)?;
        self.heads.forget(&*self.storage).map_err(writing)
    }

    /// The table says first what is gone, so that all of it goes or nothing.
    fn forget(&mut self, mut next: Table, bursts: &[u32]) -> Result<(), MemoryError> {
        next.next_burst = self.next_burst();
        next.next_sequence = self.next_sequence();
        next.aside.retain(|aside| !bursts.contains(&aside.burst));
        self.commit_without(next, bursts)?;
        let mut swept = self.swept;
        for number in bursts {
            self.bursts.remove(number);
            swept &= self.storage.remove(&self.path(*number)).is_ok();
        }
        // What is still there is removed at the next start.
        let folder = join(&self.at, BURSTS);
        self.swept = swept && self.storage.sync_folder(&folder).is_ok();
        Ok(())
    }

    fn commit(&mut self, next: Table) -> Result<(), MemoryError> {
        self.commit_without(next, &[])
    }

    /// On disk first, then here.
    fn commit_without(&mut self, mut next: Table, gone: &[u32]) -> Result<(), MemoryError> {
        if self.swept {
            next.gone.clear();
        }
        next.gone.extend(gone);
        let alike = Table {
            gone: self.table.gone.clone(),
            ..next.clone()
        };
        if gone.is_empty() && alike == self.table {
            return Ok(());
        }
        let sealed = framed::seal(table::KIND, &next).map_err(|reason| MemoryError::Damaged {
            path: TABLE.into(),
            reason,
        })?;
        let written = put(&*self.storage, &join(&self.at, TABLE), &sealed);
        self.settle(written)?;
        self.table = next;
        Ok(())
    }

    /// After a failure it is not known what came of it: what a reader of the disk sees is what counts.
    fn settle(&mut self, written: io::Result<()>) -> Result<(), MemoryError> {
        let Err(error) = written else {
            return Ok(());
        };
        // Where it cannot be read, what is known here stays.
        let mut seen = Self {
            storage: self.storage.clone(),
            at: self.at.clone(),
            limits: self.limits,
            table: Table::default(),
            bursts: BTreeMap::new(),
            heads: Heads::new(&self.at),
            swept: false,
            warnings: Vec::new(),
        };
        if seen.load().is_ok() {
            seen.table.backbone.clone_from(&self.table.backbone);
            (self.table, self.bursts, self.swept) = (seen.table, seen.bursts, seen.swept);
            self.warnings.append(&mut seen.warnings);
        }
        Err(writing(error))
    }

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

fn add_class(table: &mut Table, name: &str) -> Result<u16, MemoryError> {
    let count = table.classes.len();
    table.add(name).ok_or(MemoryError::TooManyClasses(count))
}

fn file_name(burst: u32) -> String {
    format!("{burst:010}")
}

/// A table of what bursts say themselves. Later names count.
fn rebuilt(origins: &[(u16, Origin)]) -> Table {
    let mut names: BTreeMap<u16, &str> = BTreeMap::new();
    for (class, origin) in origins {
        names.insert(*class, &origin.class_name);
    }
    let mut table = Table {
        backbone: origins
            .last()
            .map(|(_, o)| o.backbone.clone())
            .unwrap_or_default(),
        ..Table::default()
    };
    for (number, name) in names {
        // Two numbers may have had one name, one after the other.
        let mut name = name.to_owned();
        while table.number_of(&name).is_some() {
            name.push('\'');
        }
        table.next_class = number.saturating_add(1);
        table.classes.push(table::Class { number, name });
    }
    table
}
