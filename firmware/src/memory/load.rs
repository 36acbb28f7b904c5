//! What a start finds: it reads everything, finishes what was being forgotten when the power went, and
//! keeps apart what is damaged, so that the rest goes on.

use std::{collections::BTreeMap, io::ErrorKind};

use lastlayer_shared::framed::{self, FramedError};

use super::{
    BURSTS, Heads, Memory, MemoryError, TABLE, Table,
    burst::{self, Burst, BurstError, Origin},
    error::{reading, writing},
    file_name, table,
};
use crate::storage::{Storage, get, join, make_folder, names, remove_unfinished};

/// Added to the name of what cannot be read.
const DAMAGED: &str = ".damaged";
/// Where versions before this one had all of it.
const OLD: [&str; 2] = ["samples", "head"];

impl Memory {
    /// Whether anything was kept there, readable or not.
    pub fn is_there(storage: &dyn Storage, at: &str) -> Result<bool, MemoryError> {
        let bursts = names(storage, &join(at, BURSTS)).map_err(reading)?;
        let here = names(storage, at).map_err(reading)?;
        Ok(!bursts.is_empty() || here.iter().any(|name| name == TABLE))
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

    pub(super) fn load(&mut self) -> Result<(), MemoryError> {
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
            if let Some(name) = name.strip_suffix(DAMAGED) {
                self.damaged.extend(name.parse::<u32>());
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
                    self.damaged.extend(name.parse::<u32>());
                }
            }
        }
        self.rebuilt |= table.is_none() && !origins.is_empty();
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
