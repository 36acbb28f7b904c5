//! Bytes -> package, trusting nothing.

use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::*;
use crate::{framed, verdict::check_classes};

/// More entries than any package has.
const MAX_ENTRIES: usize = 64;

/// Only this of a manifest holds for every format there will be.
#[derive(Deserialize)]
struct AnyManifest {
    format: u64,
}

impl Package {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut entries = unpack(bytes)?;
        let manifest = manifest(&mut entries)?;
        check_sums(&mut entries)?;
        check_classes(&manifest.classes)?;
        manifest
            .preprocess
            .check()
            .map_err(|error| damaged(MANIFEST, error))?;
        let samples = match entries.remove(SAMPLES) {
            Some(bytes) => compact::<Vec<Sample>>(SAMPLES, &bytes)?,
            None => Vec::new(),
        };
        let head = match entries.remove(HEAD) {
            Some(bytes) => Some(compact::<Head>(HEAD, &bytes)?),
            None => None,
        };
        let self_test = self_test(&mut entries, manifest.preprocess.input_size)?;
        let backbone = entries
            .remove(BACKBONE)
            .ok_or(PackageError::Missing(BACKBONE))?;
        if let Some(name) = entries.into_keys().next() {
            return Err(PackageError::Stranger(name));
        }
        let package = Package {
            version: manifest.version,
            classes: manifest.classes,
            preprocess: manifest.preprocess,
            provenance: manifest.provenance,
            backbone,
            samples,
            head,
            self_test,
        };
        package.check()?;
        Ok(package)
    }

    /// That the parts fit one another.
    fn check(&self) -> Result<(), PackageError> {
        let width = match self.self_test.first() {
            Some(test) => test.embedding.len(),
            None => return Err(PackageError::Missing(EXPECTED)),
        };
        let finite = |numbers: &[f32]| numbers.iter().all(|v| v.is_finite());
        for test in &self.self_test {
            if test.embedding.len() != width || !finite(&test.embedding) {
                return Err(damaged(
                    EXPECTED,
                    "its embeddings are not of one width and finite",
                ));
            }
        }
        for sample in &self.samples {
            if usize::from(sample.class) >= self.classes.len() {
                return Err(damaged(SAMPLES, "a sample is of a class that is not there"));
            }
            if sample.embedding.len() != width || !finite(&sample.embedding) {
                return Err(damaged(SAMPLES, "an embedding does not fit the backbone"));
            }
        }
        if let Some(head) = &self.head {
            head.check(self.classes.len(), width)
                .map_err(|error| damaged(HEAD, error))?;
        }
        Ok(())
    }
}

type Entries = BTreeMap<String, Vec<u8>>;

fn unpack(bytes: &[u8]) -> Result<Entries, PackageError> {
    let container = |error: &dyn std::fmt::Display| PackageError::Container(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| container(&e))?;
    if archive.len() > MAX_ENTRIES {
        return Err(PackageError::TooLarge("the list of entries".into()));
    }
    let mut entries = Entries::new();
    // Entries are stored as they are: together they are not longer than the package, and no small
    // file can ask for much memory.
    let mut left = bytes.len();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| container(&e))?;
        let name = entry.name().map_err(|e| container(&e))?.into_owned();
        if entry.compression() != CompressionMethod::Stored {
            return Err(PackageError::Stranger(name));
        }
        let mut content = Vec::new();
        entry
            .take(left as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|error| container(&format!("{name}: {error}")))?;
        left = left
            .checked_sub(content.len())
            .ok_or_else(|| PackageError::TooLarge(name.clone()))?;
        if entries.insert(name.clone(), content).is_some() {
            return Err(PackageError::Stranger(name));
        }
    }
    Ok(entries)
}

/// Taken before the sums are checked: a newer format may have other sums.
fn manifest(entries: &mut Entries) -> Result<Manifest, PackageError> {
    let bytes = entries
        .get(MANIFEST)
        .ok_or(PackageError::Missing(MANIFEST))?;
    let any: AnyManifest =
        serde_json::from_slice(bytes).map_err(|error| damaged(MANIFEST, error))?;
    if any.format > u64::from(FORMAT) {
        return Err(PackageError::Newer { found: any.format });
    }
    if any.format != u64::from(FORMAT) {
        return Err(damaged(
            MANIFEST,
            format!("format {} is not read any more", any.format),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| damaged(MANIFEST, error))
}

fn check_sums(entries: &mut Entries) -> Result<(), PackageError> {
    let sums = entries.remove(SUMS).ok_or(PackageError::Missing(SUMS))?;
    let sums = String::from_utf8(sums).map_err(|error| damaged(SUMS, error))?;
    let listed: BTreeMap<&str, &str> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name, sum))
        .collect();
    for (name, bytes) in entries.iter() {
        match listed.get(name.as_str()) {
            None => return Err(PackageError::Stranger(name.clone())),
            Some(sum) if *sum != file::sha256(bytes) => {
                return Err(PackageError::Sum(name.clone()));
            }
            Some(_) => {}
        }
    }
    match listed.keys().find(|name| !entries.contains_key(**name)) {
        Some(name) => Err(PackageError::Sum((*name).into())),
        None => {
            entries.remove(MANIFEST);
            Ok(())
        }
    }
}

fn self_test(entries: &mut Entries, size: u32) -> Result<Vec<SelfTest>, PackageError> {
    let bytes = entries
        .remove(EXPECTED)
        .ok_or(PackageError::Missing(EXPECTED))?;
    let expected: Vec<Vec<f32>> =
        serde_json::from_slice(&bytes).map_err(|error| damaged(EXPECTED, error))?;
    let mut tests = Vec::new();
    for (number, embedding) in expected.into_iter().enumerate() {
        let name = picture_name(number);
        let png = entries
            .remove(&name)
            .ok_or_else(|| damaged(EXPECTED, format!("there is no {name}")))?;
        tests.push(SelfTest {
            crop: decode_crop(&name, &png, size)?,
            embedding,
        });
    }
    Ok(tests)
}

fn compact<T: serde::de::DeserializeOwned>(entry: &str, bytes: &[u8]) -> Result<T, PackageError> {
    framed::from_postcard(bytes).map_err(|reason| damaged(entry, reason))
}
