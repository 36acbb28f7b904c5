//! What the test of the virtual board teaches: two kinds of photos, some to be shown while the
//! button is pressed and others that are never taught, and a package that knows nothing yet.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::site::{Own, Site, folder};
use crate::{
    cross::{self, Kind},
    image::{Content, Debian, Image},
    tools,
};

/// The classes, by the names of the demo's folders.
pub const CLASSES: [&str; 2] = ["car", "bird"];
/// Photos that are shown for teaching.
const TAUGHT: usize = 20;
/// Photos that are shown afterwards.
pub const NEW: usize = 10;
/// Pixels of the newer package's network: another one than the first's.
const NEWER: &str = "48";

/// Names of photos for `Machine::show`.
pub fn taught(class: &str) -> String {
    format!("{class}-taught")
}

pub fn new(class: &str) -> String {
    format!("{class}-new")
}

/// Writes an image with them.
pub fn image(site: &Site) -> Result<Image> {
    super::setup()?;
    let program = match &site.program {
        Some(program) => program.clone(),
        None => cross::build(Kind::Aarch64, &site.profile, None)?,
    };
    let own = Own::make()?;
    let folder = folder().join("lesson");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let tool = || Command::new(tools::target().join("release/lastlayer"));
    let backbone = folder.join("newer.onnx");
    let mut export = tool();
    export.args(["export", "mobilenet-v2", "--input-size", NEWER, "--output"]);
    tools::output(export.arg(&backbone))?;
    let pack = |backbone: &Path, version: &str| -> Result<PathBuf> {
        let package = folder.join(format!("{version}.llp"));
        let mut pack = tool();
        pack.arg("package").arg(backbone);
        pack.args([
            "--classes",
            &CLASSES.join(","),
            "--version",
            version,
            "--key",
        ]);
        pack.arg(own.key.secret()).arg("--output").arg(&package);
        tools::output(&mut pack)?;
        Ok(package)
    };
    let (package, newer) = (pack(&own.backbone, "1")?, pack(&backbone, "2")?);
    let mut photos = Vec::new();
    for class in CLASSES {
        let from = sorted(&own.demo.join("start").join(class))?;
        ensure!(
            from.len() >= TAUGHT + NEW,
            "{class} has {} photos, {} are needed",
            from.len(),
            TAUGHT + NEW
        );
        let (first, rest) = from.split_at(TAUGHT);
        photos.push((taught(class), copy(first, &folder.join(taught(class)))?));
        photos.push((new(class), copy(&rest[..NEW], &folder.join(new(class)))?));
    }
    let content = Content {
        program,
        package,
        newer: Some(newer),
        key: own.key.public(),
        photos,
        most_photos: TAUGHT,
    };
    Image::build(&Debian::unpacked()?, &content, &folder)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}

fn copy(files: &[PathBuf], to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to)?;
    for file in files {
        fs::copy(file, to.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(to.into())
}
