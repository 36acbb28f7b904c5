//! The board's disk, as far as memory and updates need it. All that they keep goes through one small
//! trait, so that the tests can put a disk under them that loses, tears and reorders what was not
//! synced (`simulated`).
//!
//! What holds of every disk here: `write` and `rename` last only after a `sync`, of the file for its
//! content, and of its folder for its name. `put` is the one way in which a file is replaced.

mod disk;
mod ram;
#[cfg(test)]
pub mod simulated;

use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

pub use disk::{Disk, DiskError};
pub use ram::Ram;

/// How the names of files begin that are being written.
const UNFINISHED: &str = ".new-";

/// Paths are relative, with `/` between names; the root is the empty path.
pub trait Storage: Send + Sync {
    /// Bytes in a file.
    fn size(&self, path: &str) -> io::Result<u64>;
    /// At most `most` bytes of a file from `from` on; fewer where it ends.
    fn read(&self, path: &str, from: u64, most: usize) -> io::Result<Vec<u8>>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes a folder where it is not there; its parent is.
    fn make_folder(&self, folder: &str) -> io::Result<()>;
    /// Makes a file with this content, or gives it this content.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content last.
    fn sync(&self, path: &str) -> io::Result<()>;
    /// Gives a file another name, in place of a file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes names in a folder last: those that came, and those that went.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
}

/// A state folder, or without one what lasts as long as the program.
pub fn open(folder: Option<&Path>) -> Result<Arc<dyn Storage>, DiskError> {
    Ok(match folder {
        Some(folder) => Arc::new(Disk::open(folder)?),
        None => Arc::new(Ram::default()),
    })
}

/// Makes or replaces a file: after a power cut at any moment the old one is there or the new one, and
/// after this has returned the new one.
pub fn put(storage: &dyn Storage, path: &str, bytes: &[u8]) -> io::Result<()> {
    let (folder, name) = split(path);
    let unfinished = join(folder, &format!("{UNFINISHED}{name}"));
    let written = storage
        .write(&unfinished, bytes)
        .and_then(|()| storage.sync(&unfinished))
        .and_then(|()| storage.rename(&unfinished, path));
    if written.is_err() {
        // Otherwise `remove_unfinished` does it.
        let _ = storage.remove(&unfinished);
    }
    written?;
    storage.sync_folder(folder)
}

/// A whole file; `None` where there is none. More than `limit` bytes are an error.
pub fn get(storage: &dyn Storage, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
    match storage.read(path, 0, limit + 1) {
        Ok(bytes) if bytes.len() > limit => Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("{path} has more than {limit} bytes"),
        )),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names in a folder; none where there is no folder.
pub fn names(storage: &dyn Storage, folder: &str) -> io::Result<Vec<String>> {
    match storage.list(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        names => names,
    }
}

/// Removes what was being written when the power went. What cannot be removed is in nobody's way.
pub fn remove_unfinished(storage: &dyn Storage, folder: &str) -> io::Result<()> {
    for name in names(storage, folder)? {
        if name.starts_with(UNFINISHED) {
            let _ = storage.remove(&join(folder, &name));
        }
    }
    Ok(())
}

/// Makes a folder that lasts.
pub fn make_folder(storage: &dyn Storage, folder: &str) -> io::Result<()> {
    storage.make_folder(folder)?;
    storage.sync_folder(split(folder).0)
}

pub fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.into(),
        folder => format!("{folder}/{name}"),
    }
}

/// A path's folder and its last name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same for every storage.
    fn behaves(storage: &dyn Storage) {
        let missing = |result: io::Result<()>| {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
        };
        assert_eq!(get(storage, "a", 9).unwrap(), None);
        assert!(names(storage, "f").unwrap().is_empty());
        missing(storage.list("f").map(drop));
        missing(storage.remove("a"));
        missing(storage.rename("a", "b"));
        missing(storage.size("a").map(drop));
        missing(storage.write("f/x", b"1"));
        make_folder(storage, "f").unwrap();
        make_folder(storage, "f").unwrap();
        put(storage, "f/x", b"one").unwrap();
        put(storage, "f/x", b"three").unwrap();
        storage.write("f/w", b"12345").unwrap();
        storage.write("f/w", b"12").unwrap();
        assert_eq!(names(storage, "f").unwrap(), ["w", "x"]);
        assert_eq!(storage.size("f/w").unwrap(), 2);
        assert_eq!(get(storage, "f/x", 5).unwrap().unwrap(), b"three");
        assert!(get(storage, "f/x", 4).is_err());
        assert_eq!(storage.read("f/x", 2, 2).unwrap(), b"re");
        assert_eq!(storage.read("f/x", 4, 9).unwrap(), b"e");
        assert!(storage.read("f/x", 9, 9).unwrap().is_empty());
        storage.rename("f/w", "f/x").unwrap();
        assert_eq!(get(storage, "f/x", 5).unwrap().unwrap(), b"12");
        storage.write("f/.new-y", b"half").unwrap();
        remove_unfinished(storage, "f").unwrap();
        storage.remove("f/x").unwrap();
        assert!(names(storage, "f").unwrap().is_empty());
        assert_eq!(storage.list("").unwrap(), ["f"]);
    }

    #[test]
    fn every_storage_is_alike() {
        behaves(&Ram::default());
        behaves(&simulated::Simulated::default());
        let folder = tempfile::tempdir().unwrap();
        behaves(&Disk::of(folder.path()));
    }
}
