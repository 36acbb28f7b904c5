//! Every change, each in one step: a burst's file comes or goes, or the table is replaced.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use lastlayer_shared::framed;

use super::{
    Added, Aside, BURSTS, Burst, Memory, MemoryError, NewSample, TABLE, Table,
    burst::{self, Origin},
    error::writing,
    table,
};
use crate::storage::{join, put};

impl Memory {
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
        let (more, only_kept) = (samples.len(), aside.is_some());
        let victims = self.limits.victims(self, class_number, more, only_kept)?;
        if let Some(why) = aside {
            // Before its file, so that it is never learned from.
            let burst = number;
            table.aside.push(Aside { burst, why });
            table.next_burst = number + 1;
        }
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

    pub(super) fn next_burst(&self) -> u32 {
        let last = self.bursts.keys().next_back();
        let next = last.map_or(0, |last| last.saturating_add(1));
        next.max(self.table.next_burst)
    }

    pub(crate) fn next_sequence(&self) -> u64 {
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
    pub(super) fn forget(&mut self, mut next: Table, bursts: &[u32]) -> Result<(), MemoryError> {
        next.next_burst = next.next_burst.max(self.next_burst());
        next.next_sequence = next.next_sequence.max(self.next_sequence());
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

    pub(super) fn commit(&mut self, next: Table) -> Result<(), MemoryError> {
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
        self.write(next)
    }

    /// A burst may come that has the number of one that is gone.
    pub(super) fn forget_what_is_gone(&mut self) -> Result<(), MemoryError> {
        if !self.swept || self.table.gone.is_empty() {
            return Ok(());
        }
        let mut next = self.table.clone();
        next.gone.clear();
        self.write(next)
    }

    fn write(&mut self, next: Table) -> Result<(), MemoryError> {
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
        let mut seen = Self::blank(self.storage.clone(), &self.at, self.limits);
        if seen.load().is_ok() {
            seen.table.backbone.clone_from(&self.table.backbone);
            (self.table, self.bursts, self.swept) = (seen.table, seen.bursts, seen.swept);
            self.warnings.append(&mut seen.warnings);
        }
        Err(writing(error))
    }
}

fn add_class(table: &mut Table, name: &str) -> Result<u16, MemoryError> {
    let count = table.classes.len();
    table.add(name).ok_or(MemoryError::TooManyClasses(count))
}
