//! The user's cache folder: files by their hash. What is in it is checked every time it is used,
//! and may be deleted at any time.
//!
//! Nothing depends on it: what cannot be read from it is fetched or computed again, and what cannot
//! be kept in it is said once and used all the same.

use std::path::PathBuf;

use etcetera::BaseStrategy;
use lastlayer_shared::file;

/// The largest file that is cached, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// Opening it touches nothing and cannot fail.
#[derive(Clone, Debug)]
pub struct Cache {
    /// `None` where the user has no home folder.
    folder: Option<PathBuf>,
}

/// Why something could not be kept. It can be used all the same: to be said as a warning.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("there is no home folder to keep a cache in; set XDG_CACHE_HOME to a folder")]
    NoHome,
    #[error(
        "the cache folder {path} cannot be made: {source}; set XDG_CACHE_HOME to another folder"
    )]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    File(#[from] file::FileError),
}

impl Cache {
    /// `lastlayer` in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache` on Linux). Touches
    /// nothing: a folder that is missing is made when something is put there.
    pub fn of_user() -> Self {
        let base = etcetera::choose_base_strategy().ok();
        Self {
            folder: base.map(|base| base.cache_dir().join("lastlayer")),
        }
    }

    /// In this folder, which need not be there.
    pub fn at(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
        }
    }

    /// The file with this SHA-256 (lower-case hexadecimal), if it is here and still has it; a
    /// damaged one is removed.
    pub fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let bytes = self.read(sha256)?;
        if file::sha256(&bytes) == sha256 {
            return Some(bytes);
        }
        if let Some(path) = self.path(sha256) {
            // If it cannot be removed it will fail the same check again.
            let _ = std::fs::remove_file(path);
        }
        None
    }

    /// Keeps `bytes`, whose hash the caller has checked.
    pub fn put(&self, sha256: &str, bytes: &[u8]) -> Result<(), CacheError> {
        self.write(sha256, bytes)
    }

    /// What `write` kept under this name, if it is here; it is for the caller to check.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        file::read(&self.path(name)?, MAX_FILE).ok()
    }

    /// Keeps something that can be computed again, by a name of the caller's.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let (Some(folder), Some(path)) = (&self.folder, self.path(name)) else {
            return Err(CacheError::NoHome);
        };
        std::fs::create_dir_all(folder).map_err(|source| CacheError::Folder {
            path: folder.clone(),
            source,
        })?;
        Ok(file::write(&path, bytes)?)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_not_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let sum = file::sha256(b"weights");
        assert_eq!(cache.get(&sum), None);
        assert!(
            !folder.path().join("cache").exists(),
            "reading makes nothing"
        );
        cache.put(&sum, b"weights").unwrap();
        assert_eq!(cache.get(&sum).unwrap(), b"weights");
        cache.write(&sum, b"wei").unwrap();
        assert_eq!(cache.get(&sum), None);
        assert_eq!(cache.read(&sum), None, "it is removed");
    }

    #[test]
    fn no_home_and_a_file_in_the_place_of_the_folder_are_errors_only_when_something_is_put() {
        let homeless = Cache { folder: None };
        assert_eq!(homeless.get("a"), None);
        assert!(matches!(homeless.put("a", b""), Err(CacheError::NoHome)));
        let file = tempfile::NamedTempFile::new().unwrap();
        let blocked = Cache::at(file.path().join("cache"));
        assert_eq!(blocked.get("a"), None);
        let error = blocked.put("a", b"").unwrap_err().to_string();
        assert!(error.contains("XDG_CACHE_HOME"), "{error}");
    }
}
