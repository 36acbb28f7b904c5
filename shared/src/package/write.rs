//! Package -> bytes.

use std::io::{Cursor, Write};

use serde::Serialize;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::*;

impl Package {
    /// The same package always gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        let entries = self.entries()?;
        let sums: String = entries
            .iter()
            .map(|(name, bytes)| format!("{}  {name}\n", file::sha256(bytes)))
            .collect();
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        let failed = |error: &dyn std::fmt::Display| PackageError::Write(error.to_string());
        for (name, bytes) in entries.iter().chain([&(SUMS.into(), sums.into_bytes())]) {
            archive
                .start_file(name.as_str(), options)
                .map_err(|e| failed(&e))?;
            archive.write_all(bytes).map_err(|e| failed(&e))?;
        }
        Ok(archive.finish().map_err(|e| failed(&e))?.into_inner())
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

fn json(value: &impl Serialize) -> Result<Vec<u8>, PackageError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| PackageError::Write(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn compact(value: &impl Serialize) -> Result<Vec<u8>, PackageError> {
    postcard::to_stdvec(value).map_err(|e| PackageError::Write(e.to_string()))
}
