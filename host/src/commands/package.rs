//! `lastlayer package`: a backbone becomes a package for boards.

use std::{convert::Infallible, path::PathBuf};

use anyhow::Context;
use clap::Args;
use lastlayer_shared::{
    backbone::Backbone,
    file,
    frame::Frame,
    head::{Head, Kind},
    package::Package,
    sample::{Sample, examples},
    verdict::check_classes,
    view::View,
};

use super::{class_table, password};
use crate::{
    embed,
    graph::{metadata::Metadata, onnx},
    photos::{self, LabelledPhotos},
    pretrained::cache::MAX_FILE,
    signing::SecretKey,
    ui,
};

/// Pack a backbone for boards, with classes and starting samples where there are any
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lastlayer package backbone.onnx --key site.key --output site.llp\n  \
    lastlayer package backbone.onnx --photos photos/ --classes car,truck --output site.llp\n\n\
    Boards run what is signed with a key that they trust: `lastlayer keygen` makes one. Without --key\n\
    the package is unsigned, and `lastlayer sign` signs it later.\n\n\
    photos/ holds one folder a class, named after it. Photos in folders within a class's folder\n\
    count for that class. A class that --classes names and photos/ has no folder for is there to be\n\
    taught on the board.")]
pub struct Pack {
    /// What `lastlayer export` wrote
    pub backbone: PathBuf,
    /// The package to write
    #[arg(long, short)]
    pub output: PathBuf,
    /// A folder of labelled folders: the starting samples
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// The classes, in this order; by default the folders of --photos
    #[arg(long, value_delimiter = ',', value_name = "A,B", value_parser = trimmed)]
    pub classes: Vec<String>,
    /// A whole number; a board takes a package with a higher one as an update
    #[arg(long, default_value_t = 1)]
    pub version: u64,
    /// Sign it with this secret key, from `lastlayer keygen` or minisign
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

impl Pack {
    pub fn run(self) -> anyhow::Result<()> {
        let key = match &self.key {
            Some(key) => Some(SecretKey::open(key, || password::of(key))?),
            None => None,
        };
        self.run_with(key.as_ref())
    }

    /// With a key that need not be in a file.
    pub fn run_with(self, key: Option<&SecretKey>) -> anyhow::Result<()> {
        // Embedding many photos takes long: what would fail at the end is found now.
        anyhow::ensure!(
            !file::same(&self.backbone, &self.output),
            "{} would be replaced by its own package; give another --output",
            self.backbone.display()
        );
        file::can_write(&self.output)?;
        let onnx = file::read(&self.backbone, MAX_FILE)?;
        anyhow::ensure!(
            !onnx.starts_with(b"PK"),
            "{} is a package or another archive; give the backbone that `lastlayer export` wrote",
            self.backbone.display()
        );
        let model = onnx::decode(&onnx)
            .with_context(|| format!("{} is not a backbone", self.backbone.display()))?;
        let metadata = Metadata::read(&model)?.with_context(|| {
            format!(
                "{} does not say how it wants its pictures; make it with `lastlayer export`",
                self.backbone.display()
            )
        })?;
        let backbone = Backbone::load(&onnx, &metadata.preprocess)?;
        let labelled = self.photos.as_deref().map(photos::labelled).transpose()?;
        let classes = classes(&self.classes, labelled.as_ref())?;
        let samples = match &labelled {
            Some(labelled) => samples(&backbone, labelled, &classes)?,
            None => Vec::new(),
        };
        let head = match samples.is_empty() {
            true => None,
            false => Some(Head::fit(
                Kind::default(),
                backbone.layout(),
                &examples(&samples),
            )?),
        };
        let package = Package {
            version: self.version,
            classes,
            preprocess: metadata.preprocess,
            provenance: metadata.provenance,
            self_test: crate::self_test(&backbone)?,
            backbone: onnx,
            samples,
            head,
            signed_by: None,
        };
        let bytes = package.to_bytes()?;
        let (bytes, signed) = match key {
            Some(key) => {
                let (bytes, id) = key.sign(&bytes)?;
                (bytes, format!("signed by {id}"))
            }
            None => (bytes, "unsigned".into()),
        };
        file::write(&self.output, &bytes)?;
        match class_table(&package) {
            Some(table) => crate::say!("{table}"),
            None => {
                crate::say!("no classes yet: every verdict is `unknown` until something is taught");
            }
        }
        crate::say!(
            "wrote {}, version {}, {signed}",
            self.output.display(),
            self.version
        );
        if key.is_none() {
            ui::warn("boards do not run unsigned packages; `lastlayer sign` signs it");
        }
        Ok(())
    }
}

/// `--classes "car, truck"` means the class `truck`.
fn trimmed(text: &str) -> Result<String, Infallible> {
    Ok(text.trim().to_owned())
}

/// The given classes, or the folders; every folder must be among the given ones.
fn classes(given: &[String], labelled: Option<&LabelledPhotos>) -> anyhow::Result<Vec<String>> {
    let folders = labelled
        .map(|labelled| labelled.classes.as_slice())
        .unwrap_or_default();
    if given.is_empty() {
        return Ok(folders.to_vec());
    }
    check_classes(given)?;
    if let Some(stranger) = folders.iter().find(|folder| !given.contains(folder)) {
        anyhow::bail!(
            "the photos have a folder {stranger:?} that --classes does not name; name it or take \
             it out"
        );
    }
    Ok(given.to_vec())
}

/// Every photo a burst of its own.
fn samples(
    backbone: &Backbone,
    labelled: &LabelledPhotos,
    classes: &[String],
) -> anyhow::Result<Vec<Sample>> {
    let paths: Vec<PathBuf> = labelled
        .photos
        .iter()
        .map(|(_, path)| path.clone())
        .collect();
    let bar = ui::bar("embedding photos", paths.len() as u64);
    let keep = |crop: Frame, embedding| Ok((embedding, crop.to_jpeg()?));
    let embedded = embed::photos(backbone, &paths, keep, || bar.inc(1))?;
    bar.finish_and_clear();
    let mut samples = Vec::with_capacity(embedded.len());
    for (number, (kept, (folder, _))) in embedded.into_iter().zip(&labelled.photos).enumerate() {
        let (embedding, crop) = kept;
        let class = classes
            .iter()
            .position(|class| *class == labelled.classes[*folder])
            .context("a folder is not among the classes")?;
        samples.push(Sample {
            class: u16::try_from(class)?,
            burst: u32::try_from(number)?,
            sequence: number as u64,
            embedding,
            crop,
            view: View::default(),
        });
    }
    Ok(samples)
}
