//! For a program without a state folder: nothing outlives it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Storage, split};

#[derive(Default)]
pub struct Ram(Mutex<Content>);

/// What is on a disk, by path.
#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    files: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
}

impl Ram {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing<T>(found: Option<T>) -> io::Result<T> {
    found.ok_or_else(|| ErrorKind::NotFound.into())
}

impl Storage for Ram {
    fn size(&self, path: &str) -> io::Result<u64> {
        missing(self.lock().files.get(path).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, path: &str, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let content = self.lock();
        let bytes = missing(content.files.get(path))?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        let to = from.saturating_add(most).min(bytes.len());
        Ok(bytes[from..to].to_vec())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let content = self.lock();
        if !folder.is_empty() && !content.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let paths = content.files.keys().chain(&content.folders);
        let inside = paths.filter(|path| split(path).0 == folder && !path.is_empty());
        let mut names: Vec<String> = inside.map(|path| split(path).1.into()).collect();
        names.sort();
        Ok(names)
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        self.lock().folders.insert(folder.into());
        Ok(())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.lock();
        let folder = split(path).0;
        if !folder.is_empty() && !content.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        content.files.insert(path.into(), bytes.into());
        Ok(())
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        self.size(path).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut content = self.lock();
        let bytes = missing(content.files.remove(from))?;
        content.files.insert(to.into(), bytes);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        missing(self.lock().files.remove(path)).map(drop)
    }

    fn sync_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}
