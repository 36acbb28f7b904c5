//! Package -> bytes.

use serde::Serialize;

use super::*;

impl Package {
    /// The package unsigned. The same package always gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        let mut entries = self.entries()?;
        let sums = sums(entries.iter().map(|(name, bytes)| (&**name, &**bytes)));
        entries.push((SUMS.into(), sums.into_bytes()));
        archive(&entries)
    }

    fn entries(&self) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
        let manifest = Manifest {
            format: FORMAT,
            version: self.version,
            classes: self.classes.clone(),
            preprocess: self.preprocess.clone(),
            provenance: self.provenance.clone(),
        };
        let mut entries = vec![
            (MANIFEST.into(), json(&manifest)?),
            (BACKBONE.into(), self.backbone.clone()),
        ];
        if !self.samples.is_empty() {
            entries.push((SAMPLES.into(), compact(&self.samples)?));
        }
        if let Some(head) = &self.head {
            entries.push((HEAD.into(), compact(head)?));
        }
        let mut expected = Vec::new();
        for (number, test) in self.self_test.iter().enumerate() {
            let png = test
                .crop
                .to_png()
                .map_err(|e| PackageError::Write(e.to_string()))?;
            entries.push((picture_name(number), png));
            expected.push(&test.embedding);
        }
        entries.push((EXPECTED.into(), json(&expected)?));
        Ok(entries)
    }
}

/// What `SHA256SUMS` says of these entries.
pub(super) fn sums<'a>(entries: impl Iterator<Item = Entry<'a>>) -> String {
    entries
        .map(|(name, bytes)| format!("{}  {name}\n", file::sha256(bytes)))
        .collect()
}

/// Of at most `MAX_SIZE` bytes.
pub(super) fn archive(
    entries: &[(impl AsRef<str>, impl AsRef<[u8]>)],
) -> Result<Vec<u8>, PackageError> {
    let size: u64 = entries.iter().map(|(_, c)| c.as_ref().len() as u64).sum();
    if size < MAX_SIZE
        && let Ok(bytes) = container::write(entries)
        && bytes.len() as u64 <= MAX_SIZE
    {
        return Ok(bytes);
    }
    Err(PackageError::Write(format!(
        "{} MB are more than the {} MB that boards read; start with fewer photos",
        size >> 20,
        MAX_SIZE >> 20
    )))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, PackageError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| PackageError::Write(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn compact(value: &impl Serialize) -> Result<Vec<u8>, PackageError> {
    postcard::to_stdvec(value).map_err(|e| PackageError::Write(e.to_string()))
}
