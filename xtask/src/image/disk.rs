//! The board's disk: a file with ext4 on it, which outlives the machine that uses it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::tools;

/// Bytes; the file is sparse.
const SIZE: u64 = 256 << 20;

/// A disk image. It is not removed.
#[derive(Clone, Debug)]
pub struct Disk {
    pub path: PathBuf,
}

impl Disk {
    /// An empty one, in place of whatever is there.
    pub fn new(path: &Path) -> Result<Self> {
        let failed = || format!("{} cannot be written", path.display());
        let file = File::create(path).with_context(failed)?;
        file.set_len(SIZE).with_context(failed)?;
        tools::output(
            tools::command("mke2fs")?
                .args(["-q", "-F", "-t", "ext4"])
                .arg(path),
        )?;
        Ok(Self { path: path.into() })
    }

    /// The one that is there, or a new one.
    pub fn kept(path: &Path) -> Result<Self> {
        match path.exists() {
            true => Ok(Self { path: path.into() }),
            false => Self::new(path),
        }
    }
}
