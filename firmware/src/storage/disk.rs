//! A folder of a real disk, for one program at a time.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::Storage;

const LOCK: &str = "lock";

#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("the state folder {folder} cannot be used: {source}; give another with --state")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the state folder {0} is in use by another lastlayerd; stop that one or give another")]
    InUse(PathBuf),
}

pub struct Disk {
    root: PathBuf,
    /// Goes with the file handle, also when the program is killed.
    _lock: Option<File>,
}

impl Disk {
    /// Makes the folder where it is not there, and keeps a second program out of it.
    pub fn open(root: &Path) -> Result<Self, DiskError> {
        let failed = |source| DiskError::Folder {
            folder: root.into(),
            source,
        };
        fs::create_dir_all(root).map_err(failed)?;
        let lock = File::create(root.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                root: root.into(),
                _lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(DiskError::InUse(root.into())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// A folder that nobody else uses.
    #[cfg(test)]
    pub fn of(root: &Path) -> Self {
        Self {
            root: root.into(),
            _lock: None,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        match path {
            "" => self.root.clone(),
            path => self.root.join(path),
        }
    }
}

impl Storage for Disk {
    fn size(&self, path: &str) -> io::Result<u64> {
        Ok(self.path(path).metadata()?.len())
    }

    fn read(&self, path: &str, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(path))?;
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            // Other names are none of ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        match fs::create_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        File::create(self.path(path))?.write_all(bytes)
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        File::options()
            .write(true)
            .open(self.path(path))?
            .sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }
}
