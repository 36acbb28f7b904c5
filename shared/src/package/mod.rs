//! The package, `.llp`: what the host makes for boards.
//!
//! A ZIP archive of stored (uncompressed) entries with a fixed date, so that `unzip` opens it and
//! the same content gives the same bytes:
//!
//! | entry | what |
//! |---|---|
//! | `manifest.json` | format, version, classes, preprocessing, where the network comes from |
//! | `backbone.onnx` | the network, output `embedding` |
//! | `samples.postcard` | the starting samples (`Vec<Sample>`), may be missing |
//! | `head.postcard` | the head fitted on them (`Head`), may be missing |
//! | `self-test/N.png` | crops for the self-test, from 0 |
//! | `self-test/expected.json` | their embeddings, in order |
//! | `SHA256SUMS` | the SHA-256 of every entry above, as `sha256sum -c` reads it |
//! | `SHA256SUMS.minisig` | minisign's signature of `SHA256SUMS`, may be missing |
//!
//! What is read is checked before it is used: the container byte by byte, the signature where a
//! board asks for one, every hash, then every value. A package of a newer format is refused; it has
//! the same container, sums and signature, or it is no package.

mod container;
mod read;
mod self_test;
mod signed;
#[cfg(test)]
mod tampered;
#[cfg(test)]
mod tests;
mod write;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use container::ContainerError;
use container::Entry;
pub use self_test::{SelfTest, SelfTestError};
pub use signed::{signed_part, with_signature};

use crate::{
    file,
    frame::Frame,
    head::Head,
    preprocess::Preprocess,
    sample::Sample,
    trust::{KeyId, SignatureError, TrustError},
    verdict::ClassNameError,
};

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 3;
/// The largest package, in bytes.
pub const MAX_SIZE: u64 = 512 << 20;

const MANIFEST: &str = "manifest.json";
const BACKBONE: &str = "backbone.onnx";
const SAMPLES: &str = "samples.postcard";
const HEAD: &str = "head.postcard";
const EXPECTED: &str = "self-test/expected.json";
const SUMS: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.minisig";

#[derive(Clone, Debug)]
pub struct Package {
    /// Given by its maker; a board takes higher ones.
    pub version: u64,
    /// May be empty: every verdict is `unknown` until something is taught.
    pub classes: Vec<String>,
    pub preprocess: Preprocess,
    /// Where the network comes from: licence, recipe, hash of the source, as its ONNX file says.
    pub provenance: BTreeMap<String, String>,
    /// ONNX bytes.
    pub backbone: Vec<u8>,
    /// `class` indexes `classes`.
    pub samples: Vec<Sample>,
    pub head: Option<Head>,
    pub self_test: Vec<SelfTest>,
    /// Whose signature the file bears. `from_bytes_trusted` has checked it, `from_bytes` has not;
    /// what is written from here is unsigned.
    pub signed_by: Option<KeyId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    version: u64,
    classes: Vec<String>,
    preprocess: Preprocess,
    provenance: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error("the package is not signed; sign it with `lastlayer sign PACKAGE --key FILE`")]
    Unsigned,
    #[error("the package's signature is damaged: {0}; copy the package again, or sign it again")]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the package was changed after {signed_by} signed it: {how}")]
    Changed { signed_by: KeyId, how: String },
    #[error("the package has no {0}; it was edited or is not from `lastlayer package`")]
    Missing(&'static str),
    #[error("the package has an entry {0:?} that does not belong in one; make it again")]
    Stranger(String),
    #[error("the package was edited or damaged: {0} does not match SHA256SUMS; copy it again")]
    Sum(String),
    #[error("the package was edited: SHA256SUMS does not list {0}; copy it again")]
    NotListed(String),
    #[error("the package was edited: {0} is gone, which SHA256SUMS lists; copy it again")]
    Gone(String),
    #[error(
        "the package is of format {found}, this program reads up to format {FORMAT}; update \
         this program"
    )]
    Newer { found: u64 },
    #[error("{entry} in the package is damaged: {reason}; make the package again")]
    Content { entry: String, reason: String },
    #[error("the package's classes are not valid: {0}")]
    Classes(#[from] ClassNameError),
    #[error("the package cannot be written: {0}")]
    Write(String),
    #[error("{path}: {error}")]
    At {
        path: PathBuf,
        error: Box<PackageError>,
    },
}

impl Package {
    /// Reads and checks a package; what is wrong with its content is said with its path.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        Self::from_bytes(&file::read(path, MAX_SIZE)?).map_err(|error| PackageError::At {
            path: path.into(),
            error: Box::new(error),
        })
    }

    /// Writes the file, unsigned, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), PackageError> {
        Ok(file::write(path, &self.to_bytes()?)?)
    }

    /// Samples a class, in the order of `classes`.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for sample in &self.samples {
            counts[usize::from(sample.class)] += 1;
        }
        counts
    }
}

fn picture_name(number: usize) -> String {
    format!("self-test/{number}.png")
}

fn damaged(entry: &str, reason: impl ToString) -> PackageError {
    PackageError::Content {
        entry: entry.into(),
        reason: reason.to_string(),
    }
}

/// A crop in the form that self-tests keep.
fn decode_crop(entry: &str, bytes: &[u8], size: u32) -> Result<Frame, PackageError> {
    // A small file can be a huge picture; it is not decoded before its size is known.
    let crop = Frame::decode_within(bytes, size).map_err(|error| damaged(entry, error))?;
    if crop.width() != size || crop.height() != size {
        return Err(damaged(entry, "it is not of the network's input size"));
    }
    Ok(crop)
}
