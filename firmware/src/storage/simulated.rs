//! A disk that does the worst that disks may do. What was not synced is, after a power cut, as it
//! was, as it should be, or torn; names that came or went without their folder being synced did so or
//! not, each by itself. On demand it is full, or fails.
//!
//! The file systems of boards keep more than this in order; whoever is right here is right there.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Storage, split};

#[derive(Clone, Default)]
pub struct Disk {
    /// By number; a name points to one.
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    /// As programs see them.
    names: BTreeMap<String, u64>,
    /// As they are on the platter.
    lasting: BTreeMap<String, u64>,
    /// Changes of names that their folders were not synced for.
    pending: Vec<Change>,
    /// Operations that changed something, since the start.
    pub operations: u64,
    pub fault: Fault,
}

#[derive(Clone)]
struct Inode {
    folder: bool,
    content: Vec<u8>,
    synced: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Change {
    folder: String,
    /// `None`: the name goes.
    names: Vec<(String, Option<u64>)>,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// The power goes before this operation; every later one fails too.
    Cut(u64),
    /// This operation fails once, after some of it was done.
    Fails(u64),
    /// From this operation on nothing more can be written.
    Full(u64),
}

/// How a power cut leaves what was not synced.
pub enum Outcome<'a> {
    /// Nothing of it came.
    Lost,
    /// All of it came.
    Kept,
    /// Each by chance.
    Chance(&'a mut ChaCha8Rng),
}

#[derive(Default)]
pub struct Simulated(Mutex<Disk>);

impl Simulated {
    pub fn new(disk: Disk) -> Self {
        Self(Mutex::new(disk))
    }

    pub fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// What a machine finds that is switched on again.
    pub fn after_cut(&self, outcome: &mut Outcome<'_>) -> Disk {
        let mut come = |share: f64| match outcome {
            Outcome::Lost => false,
            Outcome::Kept => true,
            Outcome::Chance(random) => random.random_bool(share),
        };
        let mut names = self.lasting.clone();
        for change in &self.pending {
            if come(0.5) {
                apply(&mut names, change);
            }
        }
        let mut inodes = BTreeMap::new();
        for (number, inode) in &self.inodes {
            let synced = inode.synced.clone();
            let content = match synced {
                Some(synced) if synced == inode.content => synced,
                synced => match come(0.4) {
                    true => inode.content.clone(),
                    false => match outcome_tears(&mut come) {
                        true => torn(&inode.content, &mut come),
                        false => synced.unwrap_or_default(),
                    },
                },
            };
            inodes.insert(
                *number,
                Inode {
                    folder: inode.folder,
                    synced: Some(content.clone()),
                    content,
                },
            );
        }
        Disk {
            inodes,
            next: self.next,
            lasting: names.clone(),
            names,
            ..Disk::default()
        }
    }

    /// The power was cut.
    pub fn is_off(&self) -> bool {
        matches!(self.fault, Fault::Cut(cut) if self.operations > cut)
    }

    fn count(&mut self) -> io::Result<bool> {
        let at = self.operations;
        self.operations += 1;
        match self.fault {
            Fault::Cut(cut) if at >= cut => Err(io::Error::other("the power is off")),
            Fault::Fails(fails) if at == fails => Ok(false),
            Fault::Full(full) if at >= full => Err(ErrorKind::StorageFull.into()),
            _ => Ok(true),
        }
    }

    fn find(&self, path: &str) -> io::Result<&Inode> {
        let number = self.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(&self.inodes[number])
    }

    fn is_folder(&self, folder: &str) -> bool {
        folder.is_empty() || self.find(folder).is_ok_and(|inode| inode.folder)
    }

    fn change(&mut self, folder: &str, names: Vec<(String, Option<u64>)>) {
        let change = Change {
            folder: folder.into(),
            names,
        };
        apply(&mut self.names, &change);
        self.pending.push(change);
    }

    fn make(&mut self, path: &str, folder: bool) -> u64 {
        let number = self.next;
        self.next += 1;
        self.inodes.insert(
            number,
            Inode {
                folder,
                content: Vec::new(),
                synced: folder.then(Vec::new),
            },
        );
        self.change(split(path).0, vec![(path.into(), Some(number))]);
        number
    }
}

fn outcome_tears(come: &mut impl FnMut(f64) -> bool) -> bool {
    come(0.5)
}

/// A beginning of it, and then nothing or zeros.
fn torn(content: &[u8], come: &mut impl FnMut(f64) -> bool) -> Vec<u8> {
    let mut length = 0;
    for bit in (0..24).rev() {
        let more = length + (1 << bit);
        if more <= content.len() && come(0.5) {
            length = more;
        }
    }
    let mut torn = content[..length].to_vec();
    if come(0.5) {
        torn.resize(content.len(), 0);
    }
    torn
}

fn apply(names: &mut BTreeMap<String, u64>, change: &Change) {
    for (name, number) in &change.names {
        match number {
            Some(number) => drop(names.insert(name.clone(), *number)),
            None => drop(names.remove(name)),
        }
    }
}

fn failed<T>() -> io::Result<T> {
    Err(io::Error::other("the disk fails"))
}

impl Storage for Simulated {
    fn size(&self, path: &str) -> io::Result<u64> {
        Ok(self.lock().find(path)?.content.len() as u64)
    }

    fn read(&self, path: &str, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let disk = self.lock();
        let bytes = &disk.find(path)?.content;
        let from = usize::try_from(from).unwrap().min(bytes.len());
        let to = from.saturating_add(most).min(bytes.len());
        Ok(bytes[from..to].to_vec())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let disk = self.lock();
        if !disk.is_folder(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let inside = disk.names.keys().filter(|path| split(path).0 == folder);
        Ok(inside.map(|path| split(path).1.into()).collect())
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        let mut disk = self.lock();
        if disk.is_folder(folder) {
            return Ok(());
        }
        let well = disk.count()?;
        disk.make(folder, true);
        if well { Ok(()) } else { failed() }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        if !disk.is_folder(split(path).0) {
            return Err(ErrorKind::NotFound.into());
        }
        let full = matches!(disk.fault, Fault::Full(full) if disk.operations >= full);
        let well = match disk.count() {
            // A full disk takes a name and a part of the content.
            Err(error) if !full => return Err(error),
            well => well,
        };
        let number = match disk.names.get(path) {
            Some(number) => *number,
            None => disk.make(path, false),
        };
        let part = match &well {
            Ok(true) => bytes.len(),
            _ => bytes.len() / 2,
        };
        let inode = disk.inodes.get_mut(&number).unwrap();
        inode.content = bytes[..part].into();
        match well {
            Ok(true) => Ok(()),
            Ok(false) => failed(),
            Err(error) => Err(error),
        }
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        let mut disk = self.lock();
        let number = *disk.names.get(path).ok_or(ErrorKind::NotFound)?;
        if !disk.count()? {
            return failed();
        }
        let inode = disk.inodes.get_mut(&number).unwrap();
        inode.synced = Some(inode.content.clone());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.lock();
        let number = *disk.names.get(from).ok_or(ErrorKind::NotFound)?;
        // What is full has no room for content; names still change.
        let well = match disk.count() {
            Err(error) if error.kind() == ErrorKind::StorageFull => true,
            well => well?,
        };
        let names = vec![(from.into(), None), (to.into(), Some(number))];
        disk.change(split(to).0, names);
        if well { Ok(()) } else { failed() }
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut disk = self.lock();
        disk.find(path)?;
        let well = match disk.count() {
            Err(error) if error.kind() == ErrorKind::StorageFull => true,
            well => well?,
        };
        disk.change(split(path).0, vec![(path.into(), None)]);
        if well { Ok(()) } else { failed() }
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut disk = self.lock();
        let well = match disk.count() {
            Err(error) if error.kind() == ErrorKind::StorageFull => true,
            well => well?,
        };
        if !well {
            return failed();
        }
        let pending = std::mem::take(&mut disk.pending);
        let (now, later) = pending
            .into_iter()
            .partition(|change| change.folder == folder);
        disk.pending = later;
        let now: Vec<Change> = now;
        now.iter()
            .for_each(|change| apply(&mut disk.lasting, change));
        Ok(())
    }
}

/// Chance that comes again with its number.
pub fn chance(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A number below `end`.
pub fn below(random: &mut impl Rng, end: u64) -> u64 {
    random.random_range(0..end)
}

#[cfg(test)]
mod tests {
    use super::{super::put, *};

    fn after(storage: &Simulated, outcome: &mut Outcome<'_>) -> Simulated {
        Simulated::new(storage.lock().after_cut(outcome))
    }

    #[test]
    fn what_was_not_synced_may_be_lost_and_what_was_is_there() {
        let storage = Simulated::default();
        storage.write("a", b"unsynced").unwrap();
        storage.write("b", b"content").unwrap();
        storage.sync("b").unwrap();
        put(&storage, "c", b"put").unwrap();
        let lost = after(&storage, &mut Outcome::Lost);
        // The name of c came with its folder, and those of a and b with it.
        assert_eq!(lost.list("").unwrap(), ["a", "b", "c"]);
        assert_eq!(lost.size("a").unwrap(), 0);
        assert_eq!(lost.read("c", 0, 9).unwrap(), b"put");
        storage.remove("c").unwrap();
        storage.write("d", b"new").unwrap();
        let lost = after(&storage, &mut Outcome::Lost);
        assert_eq!(lost.list("").unwrap(), ["a", "b", "c"]);
        let kept = after(&storage, &mut Outcome::Kept);
        assert_eq!(kept.list("").unwrap(), ["a", "b", "d"]);
    }

    #[test]
    fn content_is_torn_and_names_are_reordered_by_chance() {
        let storage = Simulated::default();
        storage.write("a", &[7; 100]).unwrap();
        storage.write("b", b"1").unwrap();
        let (mut torn, mut only_b) = (0, 0);
        for seed in 0..500 {
            let disk = after(&storage, &mut Outcome::Chance(&mut chance(seed)));
            let names = disk.list("").unwrap();
            only_b += usize::from(names == ["b"]);
            let content = disk.read("a", 0, 200).unwrap_or_default();
            let sevens = content.iter().filter(|byte| **byte == 7).count();
            torn += usize::from(sevens > 0 && sevens < 100);
        }
        assert!(torn > 20 && only_b > 20, "{torn} {only_b}");
    }

    #[test]
    fn it_fails_once_and_is_full_for_good() {
        let storage = Simulated::default();
        storage.lock().fault = Fault::Fails(1);
        storage.write("a", b"1").unwrap();
        assert!(storage.sync("a").is_err());
        storage.sync("a").unwrap();
        storage.lock().fault = Fault::Full(3);
        let error = put(&storage, "b", b"12").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(storage.list("").unwrap(), ["a"]);
    }
}
