//! What the board was taught, on disk: `samples` and `head` in the state folder, each a framed
//! file (`lastlayer_shared::framed`) that is replaced whole, and `lock`, which keeps a second
//! program out. Nothing is reported as learned before it is on disk.
//!
//! The samples are the truth; the head is a cache of what fitting them gave.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use lastlayer_shared::{
    file::{self, FileError},
    framed::{self, FramedError},
    head::Head,
    sample::Sample,
    verdict::check_classes,
    view::View,
};
use serde::{Deserialize, Serialize};

const SAMPLES: &str = "samples";
const HEAD: &str = "head";
const LOCK: &str = "lock";
/// The largest file of ours that is read: some 100,000 samples.
const MAX_SIZE: u64 = 2 << 30;

const SAMPLES_KIND: framed::Kind = framed::Kind {
    name: *b"LLSM",
    version: 2,
};
const HEAD_KIND: framed::Kind = framed::Kind {
    name: *b"LLHD",
    version: 2,
};

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("the state folder {folder} cannot be used: {source}; give another with --state")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the state folder {0} is in use by another lastlayerd; stop that one or give another")]
    InUse(PathBuf),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{path} cannot be read: {reason}. It is left as it is; move it away to start anew, or give \
         another folder with --state; `lastlayerd reset --yes` removes it"
    )]
    Damaged { path: PathBuf, reason: FramedError },
    #[error(
        "what was taught in {folder} was taught with another network and cannot be used with this \
         package; give another folder with --state, the package it was taught with, or forget it with \
         `lastlayerd reset --yes`"
    )]
    OtherBackbone { folder: PathBuf },
    #[error("no more samples fit; undo some, or start anew with another --state")]
    Full,
    #[error("there are {0} classes already, and no more fit")]
    TooManyClasses(usize),
}

impl MemoryError {
    pub fn disk_is_full(&self) -> bool {
        let source = match self {
            Self::File(FileError::Write { source, .. }) | Self::Folder { source, .. } => source,
            _ => return false,
        };
        matches!(
            source.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        )
    }
}

/// Taught classes and samples, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// The backbone that the embeddings come from.
    backbone: String,
    /// Classes that samples refer to, or that were added on the board.
    classes: Vec<String>,
    /// Classes of the package that are called otherwise here, or are gone.
    changed: Vec<ChangedClass>,
    samples: Vec<Sample>,
    next_burst: u32,
    next_sequence: u64,
}

/// What became of a class of the package on this board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedClass {
    /// Its name in the package.
    pub class: String,
    /// Its name here; `None` where it was removed, with its starting samples.
    pub now: Option<String>,
}

/// The head with what it was fitted on, so that a head that is behind the samples is noticed.
#[derive(Serialize, Deserialize)]
struct KeptHead {
    backbone: String,
    /// `Taught::next_sequence` and the number of samples and package of when it was fitted.
    fitted_on: FittedOn,
    head: Head,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedOn {
    /// The starting samples: hash of the package file.
    pub package: String,
    /// All classes in order: the head answers with places in this list.
    pub classes: Vec<String>,
    pub next_sequence: u64,
    pub samples: u64,
    /// Which of the package's samples count, and as what.
    pub changed: Vec<ChangedClass>,
}

/// One embedded frame that is about to be remembered.
pub struct NewSample {
    pub embedding: Vec<f32>,
    pub crop: Vec<u8>,
    pub view: View,
}

pub struct Memory {
    /// `None`: nothing outlives the program.
    folder: Option<PathBuf>,
    taught: Taught,
    _lock: Option<File>,
}

impl Memory {
    /// Opens the state folder, making it where it is not there. Samples of another backbone are an
    /// error and stay untouched. `width` is the numbers in an embedding of this backbone.
    pub fn open(folder: Option<&Path>, backbone: &str, width: usize) -> Result<Self, MemoryError> {
        let Some(folder) = folder else {
            return Ok(Self {
                folder: None,
                taught: Taught {
                    backbone: backbone.into(),
                    ..Taught::default()
                },
                _lock: None,
            });
        };
        let mut memory = Self::open_any(folder)?;
        let taught = &mut memory.taught;
        // Nothing is there that another network would not fit.
        if taught.samples.is_empty() {
            taught.backbone = backbone.into();
        }
        if taught.backbone != backbone {
            return Err(MemoryError::OtherBackbone {
                folder: folder.into(),
            });
        }
        if !taught.fits(width) {
            return Err(damaged(folder, "an embedding does not fit the network"));
        }
        Ok(memory)
    }

    /// Opens the state folder to look after it, whatever network its samples come from.
    pub fn open_any(folder: &Path) -> Result<Self, MemoryError> {
        let lock = lock(folder)?;
        file::remove_leftovers(folder).map_err(|source| MemoryError::Folder {
            folder: folder.into(),
            source,
        })?;
        let taught: Taught = read(&folder.join(SAMPLES), SAMPLES_KIND)?.unwrap_or_default();
        taught.check().map_err(|reason| damaged(folder, reason))?;
        Ok(Self {
            folder: Some(folder.into()),
            taught,
            _lock: Some(lock),
        })
    }

    /// Removes what is kept in the folder, also where it cannot be read any more.
    pub fn clear(folder: &Path) -> Result<(), MemoryError> {
        let _lock = lock(folder)?;
        for name in [SAMPLES, HEAD] {
            match std::fs::remove_file(folder.join(name)) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(MemoryError::Folder {
                        folder: folder.into(),
                        source,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What became of the package's classes.
    pub fn changed(&self) -> &[ChangedClass] {
        &self.taught.changed
    }

    pub fn classes(&self) -> &[String] {
        &self.taught.classes
    }

    /// `class` indexes `classes`.
    pub fn samples(&self) -> &[Sample] {
        &self.taught.samples
    }

    /// Remembers a burst, all of it or nothing; returns its number.
    pub fn add_burst(&mut self, class: &str, burst: Vec<NewSample>) -> Result<u32, MemoryError> {
        let mut next = self.taught.clone();
        let class = next.class(class)?;
        let number = next.next_burst;
        for new in burst {
            next.samples.push(Sample {
                class,
                burst: number,
                sequence: next.next_sequence,
                embedding: new.embedding,
                crop: new.crop,
                view: new.view,
            });
            next.next_sequence += 1;
        }
        next.next_burst += 1;
        self.commit(next)?;
        Ok(number)
    }

    /// Forgets the burst that was remembered last: its class and number of samples, or `None` where
    /// there is none.
    pub fn undo(&mut self) -> Result<Option<(String, usize)>, MemoryError> {
        let Some(last) = self.taught.samples.last() else {
            return Ok(None);
        };
        let (burst, class) = (
            last.burst,
            self.taught.classes[usize::from(last.class)].clone(),
        );
        let mut next = self.taught.clone();
        next.samples.retain(|sample| sample.burst != burst);
        let count = self.taught.samples.len() - next.samples.len();
        self.commit(next)?;
        Ok(Some((class, count)))
    }

    pub fn add_class(&mut self, name: &str) -> Result<(), MemoryError> {
        let mut next = self.taught.clone();
        next.class(name)?;
        self.commit(next)
    }

    /// `from` is called `to` from now on; `of_package` is its name there, where it comes from there.
    pub fn rename(
        &mut self,
        of_package: Option<&str>,
        from: &str,
        to: &str,
    ) -> Result<(), MemoryError> {
        let mut next = self.taught.clone();
        if let Some(class) = of_package {
            next.change(class, Some(to));
        }
        if let Some(own) = next.classes.iter_mut().find(|class| *class == from) {
            *own = to.into();
        }
        self.commit(next)
    }

    /// Forgets a class with its samples; `of_package` is its name there, where it comes from there.
    pub fn remove_class(
        &mut self,
        of_package: Option<&str>,
        name: &str,
    ) -> Result<(), MemoryError> {
        let mut next = self.taught.clone();
        if let Some(class) = of_package {
            next.change(class, None);
        }
        if let Some(place) = next.classes.iter().position(|class| class == name) {
            next.classes.remove(place);
            let place = place as u16;
            next.samples.retain(|sample| sample.class != place);
            for sample in &mut next.samples {
                sample.class -= u16::from(sample.class > place);
            }
        }
        self.commit(next)
    }

    /// Forgets these bursts, all or none: how many samples they had.
    pub fn remove_bursts(&mut self, bursts: &[u32]) -> Result<usize, MemoryError> {
        let mut next = self.taught.clone();
        next.samples
            .retain(|sample| !bursts.contains(&sample.burst));
        let removed = self.taught.samples.len() - next.samples.len();
        self.commit(next)?;
        Ok(removed)
    }

    /// Forgets everything that was taught here; numbers go on counting.
    pub fn forget_all(&mut self) -> Result<(), MemoryError> {
        let next = Taught {
            backbone: self.taught.backbone.clone(),
            next_burst: self.taught.next_burst,
            next_sequence: self.taught.next_sequence,
            ..Taught::default()
        };
        self.commit(next)
    }

    /// What a head that is fitted now is fitted on.
    pub fn fitted_on(&self, package: &str, classes: &[String]) -> FittedOn {
        FittedOn {
            package: package.into(),
            classes: classes.to_vec(),
            next_sequence: self.taught.next_sequence,
            samples: self.taught.samples.len() as u64,
            changed: self.taught.changed.clone(),
        }
    }

    pub fn keep_head(&self, head: &Head, fitted_on: FittedOn) -> Result<(), MemoryError> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let kept = KeptHead {
            backbone: self.taught.backbone.clone(),
            fitted_on,
            head: head.clone(),
        };
        write(&folder.join(HEAD), HEAD_KIND, &kept)
    }

    /// The kept head, if it was fitted on just this; it can always be fitted again.
    pub fn head(&self, fitted_on: &FittedOn) -> Option<Head> {
        let path = self.folder.as_ref()?.join(HEAD);
        let kept: KeptHead = read(&path, HEAD_KIND).ok().flatten()?;
        let current = kept.backbone == self.taught.backbone && kept.fitted_on == *fitted_on;
        current.then_some(kept.head)
    }

    /// On disk first, then here.
    fn commit(&mut self, next: Taught) -> Result<(), MemoryError> {
        if let Some(folder) = &self.folder {
            write(&folder.join(SAMPLES), SAMPLES_KIND, &next)?;
        }
        self.taught = next;
        Ok(())
    }
}

impl Taught {
    /// That its parts fit one another.
    fn check(&self) -> Result<(), String> {
        check_classes(&self.classes).map_err(|error| error.to_string())?;
        for sample in &self.samples {
            if usize::from(sample.class) >= self.classes.len() {
                return Err("a sample is of a class that is not there".into());
            }
            if sample.embedding.iter().any(|v| !v.is_finite()) {
                return Err("an embedding has a number that is none".into());
            }
        }
        Ok(())
    }

    fn fits(&self, width: usize) -> bool {
        self.samples
            .iter()
            .all(|sample| sample.embedding.len() == width)
    }

    fn change(&mut self, class: &str, now: Option<&str>) {
        self.changed.retain(|changed| changed.class != class);
        self.changed.push(ChangedClass {
            class: class.into(),
            now: now.map(Into::into),
        });
    }

    fn class(&mut self, name: &str) -> Result<u16, MemoryError> {
        let at = match self.classes.iter().position(|class| class == name) {
            Some(at) => at,
            None => {
                self.classes.push(name.into());
                self.classes.len() - 1
            }
        };
        u16::try_from(at).map_err(|_| MemoryError::TooManyClasses(at))
    }
}

fn damaged(folder: &Path, reason: impl Into<String>) -> MemoryError {
    MemoryError::Damaged {
        path: folder.join(SAMPLES),
        reason: FramedError::Content(reason.into()),
    }
}

/// The lock goes with the file handle, also when the program is killed.
fn lock(folder: &Path) -> Result<File, MemoryError> {
    let failed = |source| MemoryError::Folder {
        folder: folder.into(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = File::create(folder.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MemoryError::InUse(folder.into())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// `None` where there is no file.
fn read<T: serde::de::DeserializeOwned>(
    path: &Path,
    kind: framed::Kind,
) -> Result<Option<T>, MemoryError> {
    let bytes = match file::read(path, MAX_SIZE) {
        Ok(bytes) => bytes,
        // Any other failure may pass: what is there must not be taken for gone and replaced.
        Err(FileError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    framed::open(kind, &bytes)
        .map(Some)
        .map_err(|reason| MemoryError::Damaged {
            path: path.into(),
            reason,
        })
}

fn write<T: Serialize>(path: &Path, kind: framed::Kind, value: &T) -> Result<(), MemoryError> {
    let bytes = framed::seal(kind, value).map_err(|reason| MemoryError::Damaged {
        path: path.into(),
        reason,
    })?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(MemoryError::Full);
    }
    Ok(file::write(path, &bytes)?)
}

#[cfg(test)]
mod tests;
