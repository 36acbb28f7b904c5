//! The user's cache folder: files by their hash. What is in it is checked every time it is used,
//! and may be deleted at any time.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use lastlayer_shared::file;

/// The largest file that is cached, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("there is no home folder to keep a cache in; set XDG_CACHE_HOME to a folder")]
    NoHome,
    #[error("the cache folder {path} cannot be made: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    File(#[from] file::FileError),
}

impl Cache {
    /// `lastlayer` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache` on Linux).
    pub fn of_user() -> Result<Self, CacheError> {
        let base = etcetera::choose_base_strategy().map_err(|_| CacheError::NoHome)?;
        Self::at(base.cache_dir().join("lastlayer"))
    }

    pub fn at(folder: PathBuf) -> Result<Self, CacheError> {
        std::fs::create_dir_all(&folder).map_err(|source| CacheError::Folder {
            path: folder.clone(),
            source,
        })?;
        Ok(Self { folder })
    }

    /// The file with this SHA-256, if it is here and still has it; a damaged one is removed.
    pub fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.path(sha256);
        let bytes = file::read(&path, MAX_FILE).ok()?;
        if file::sha256(&bytes) == sha256 {
            return Some(bytes);
        }
        // If it cannot be removed it will fail the same check again.
        let _ = std::fs::remove_file(path);
        None
    }

    /// Keeps `bytes`, whose hash the caller has checked.
    pub fn put(&self, sha256: &str, bytes: &[u8]) -> Result<(), CacheError> {
        Ok(file::write(&self.path(sha256), bytes)?)
    }

    /// A file for something that can be computed again, by a name of the caller's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_not_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let sum = file::sha256(b"weights");
        assert_eq!(cache.get(&sum), None);
        cache.put(&sum, b"weights").unwrap();
        assert_eq!(cache.get(&sum).unwrap(), b"weights");
        std::fs::write(cache.path(&sum), b"wei").unwrap();
        assert_eq!(cache.get(&sum), None);
        assert!(!cache.path(&sum).exists());
    }
}
