//! Gets the file that a recipe's source names, and lets nothing through whose hash is another.

mod archive;
mod https;
mod tools;

use std::collections::{HashMap, hash_map::Entry};

use lastlayer_shared::file;

use self::tools::{Package, Tool};
use super::{
    cache::{Cache, CacheError, MAX_FILE},
    recipe::Source,
};

/// What happens while something is fetched; the caller draws it.
#[derive(Debug)]
pub enum Progress<'a> {
    /// `bytes` is the size where it is known beforehand.
    Started { what: &'a str, bytes: Option<u64> },
    /// All bytes that have come so far. Not every tool lets them be counted.
    Received { bytes: u64 },
    /// Whether it worked or not.
    Finished,
    /// What was fetched could not be kept for the next time. Told once by a fetcher, at most.
    NotKept { error: CacheError },
}

/// Called on the thread that fetches.
pub type Watcher<'a> = &'a dyn Fn(Progress<'_>);

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error("{tool} was not found, which fetches {what}; {remedy}")]
    NoTool {
        tool: &'static str,
        what: String,
        remedy: &'static str,
    },
    #[error(
        "{tool} could not fetch {what}: {reason}; is there a network, and is its registry set?"
    )]
    Tool {
        tool: &'static str,
        what: String,
        reason: String,
    },
    #[error("{address} could not be fetched: {reason}; is there a network?")]
    Address { address: String, reason: String },
    #[error("{what} has no file {path}; the recipe's `path` is wrong")]
    NotInside { what: String, path: String },
    #[error("{what} is damaged: {reason}; try again")]
    Archive { what: String, reason: String },
    #[error(
        "{what} has the SHA-256 {found} instead of {expected}: it is another file than the recipe \
         means, or was changed on its way; it is not used"
    )]
    Sum {
        what: String,
        found: String,
        expected: String,
    },
    #[error("a source names no place; give it one of `file`, `pypi`, `npm`, `https`")]
    NoPlace,
    #[error("none of the sources worked: {0}")]
    AllFailed(String),
}

/// Fetches, and remembers downloaded packages as long as it lives: several files of one package
/// cost one download.
pub struct Fetcher<'a> {
    cache: Cache,
    /// Whether `NotKept` was told.
    warned: bool,
    watcher: Watcher<'a>,
    /// By what people call them.
    packages: HashMap<String, Package>,
}

impl<'a> Fetcher<'a> {
    /// Nothing is fetched or touched yet.
    pub fn new(cache: Cache, watcher: Watcher<'a>) -> Self {
        Self {
            cache,
            warned: false,
            watcher,
            packages: HashMap::new(),
        }
    }

    /// The file from the first source that gives it with the right hash, and that hash. Local
    /// files are read where they are; all others go through the cache.
    pub fn fetch(&mut self, sources: &[Source]) -> Result<(Vec<u8>, String), FetchError> {
        let mut failures = Vec::new();
        for source in sources {
            match self.fetch_one(source) {
                Ok(bytes) => return Ok((bytes, source.sha256.clone())),
                Err(error) => failures.push(error),
            }
        }
        match failures.pop() {
            Some(only) if failures.is_empty() => Err(only),
            last => {
                let texts: Vec<String> = failures
                    .iter()
                    .chain(&last)
                    .map(ToString::to_string)
                    .collect();
                Err(FetchError::AllFailed(texts.join("; ")))
            }
        }
    }

    fn fetch_one(&mut self, source: &Source) -> Result<Vec<u8>, FetchError> {
        let (what, bytes) = if let Some(path) = &source.file {
            (path.display().to_string(), file::read(path, MAX_FILE)?)
        } else if let Some(bytes) = self.cache.get(&source.sha256) {
            return Ok(bytes);
        } else if let Some(address) = &source.https {
            (address.clone(), https::fetch(address, self.watcher)?)
        } else {
            self.unpack(source)?
        };
        let found = file::sha256(&bytes);
        if found != source.sha256 {
            return Err(FetchError::Sum {
                what,
                found,
                expected: source.sha256.clone(),
            });
        }
        if source.file.is_none()
            && let Err(error) = self.cache.put(&found, &bytes)
            && !std::mem::replace(&mut self.warned, true)
        {
            (self.watcher)(Progress::NotKept { error });
        }
        Ok(bytes)
    }

    /// What the file is called, and the file, out of a package.
    fn unpack(&mut self, source: &Source) -> Result<(String, Vec<u8>), FetchError> {
        let path = source.path.as_deref().unwrap_or_default();
        // Recipes are checked to have one of the four places.
        let tool = Tool::of(source).ok_or(FetchError::NoPlace)?;
        let what = tool.what.clone();
        let package = match self.packages.entry(what.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(tool.run(self.watcher)?),
        };
        let bytes = archive::extract(&package.archive, path);
        let bytes = bytes.map_err(|reason| FetchError::Archive {
            what: what.clone(),
            reason,
        })?;
        match bytes {
            Some(bytes) => Ok((format!("{path} in {what}"), bytes)),
            None => Err(FetchError::NotInside {
                what,
                path: path.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn local(path: &Path, sha256: &str) -> Source {
        Source {
            file: Some(path.into()),
            sha256: sha256.into(),
            ..Source::default()
        }
    }

    #[test]
    fn the_first_source_with_the_right_hash_wins() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
        std::fs::write(&good, b"right").unwrap();
        std::fs::write(&bad, b"wrong").unwrap();
        let sum = file::sha256(b"right");
        let mut fetcher = Fetcher::new(cache, &|_| ());
        let missing = folder.path().join("missing");
        let sources = [local(&missing, &sum), local(&bad, &sum), local(&good, &sum)];
        assert_eq!(fetcher.fetch(&sources).unwrap().0, b"right");
        let error = fetcher.fetch(&sources[1..2]).unwrap_err();
        assert!(matches!(error, FetchError::Sum { .. }));
        let error = fetcher.fetch(&sources[..2]).unwrap_err().to_string();
        assert!(
            error.contains("missing") && error.contains("SHA-256"),
            "{error}"
        );
    }

    #[test]
    fn a_cached_file_needs_no_network() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().into());
        let sum = file::sha256(b"kept");
        cache.put(&sum, b"kept").unwrap();
        let source = Source {
            https: Some("https://127.0.0.1:9/nothing".into()),
            sha256: sum,
            ..Source::default()
        };
        let mut fetcher = Fetcher::new(cache, &|_| ());
        assert_eq!(fetcher.fetch(&[source]).unwrap().0, b"kept");
    }

    #[test]
    fn an_address_that_does_not_answer_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source {
            https: Some("https://127.0.0.1:9/nothing".into()),
            sha256: file::sha256(b""),
            ..Source::default()
        };
        let mut fetcher = Fetcher::new(Cache::at(folder.path().into()), &|_| ());
        let message = fetcher.fetch(&[source]).unwrap_err().to_string();
        assert!(
            message.contains("127.0.0.1") && !message.contains('\n'),
            "{message}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn without_a_cache_it_is_fetched_all_the_same_and_that_is_said_once() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"right").unwrap();
        let told = std::cell::RefCell::new(Vec::new());
        let watch = |progress: Progress<'_>| {
            if let Progress::NotKept { error } = progress {
                told.borrow_mut().push(error.to_string());
            }
        };
        // No folder can be made below a file.
        let mut fetcher = Fetcher::new(Cache::at(file.join("cache")), &watch);
        let sum = file::sha256(b"right");
        fetcher.fetch(&[local(&file, &sum)]).unwrap();
        assert!(told.borrow().is_empty(), "a file needs no cache");

        let wheel = folder.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&wheel).unwrap());
        zip.start_file("w", zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(b"right").unwrap();
        zip.finish().unwrap();
        let source = Source {
            npm: Some("a".into()),
            version: Some("1".into()),
            path: Some("w".into()),
            sha256: sum,
            ..Source::default()
        };
        // As if it had been downloaded before.
        let what = Tool::of(&source).unwrap().what;
        fetcher.packages.insert(what, Package::at(wheel));
        for _ in 0..2 {
            assert_eq!(
                fetcher.fetch(std::slice::from_ref(&source)).unwrap().0,
                b"right"
            );
        }
        assert_eq!(told.borrow().len(), 1, "{told:?}");
    }
}
