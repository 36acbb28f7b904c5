//! `lastlayer inspect`: what is in a package.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use lastlayer_shared::{
    backbone::{Backbone, EMBEDDING},
    error::plain,
    file,
    package::{MAX_SIZE, Package},
};
use serde_json::json;

use super::class_table;
use crate::{
    graph::{cost, metadata::Metadata, onnx},
    signing, ui,
};

/// Show what is in a package, and whether it runs here
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lastlayer inspect site.llp\n  \
    lastlayer inspect site.llp --trust site.pub\n\n\
    Without --trust it is said whose signature the package bears, and not checked.")]
pub struct Inspect {
    /// The package
    package: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Refuse the package unless this public key signed it, as a board does
    #[arg(long, value_name = "FILE")]
    trust: Vec<PathBuf>,
}

impl Inspect {
    pub fn run(self) -> anyhow::Result<()> {
        let place = || format!("{}", self.package.display());
        let bytes = file::read(&self.package, MAX_SIZE)?;
        let checked = !self.trust.is_empty();
        let package = match checked {
            true => Package::from_bytes_trusted(&bytes, &signing::trusted(&self.trust)?),
            false => Package::from_bytes(&bytes),
        };
        let package = package.with_context(place)?;
        // Before anything else looks at the network: it is checked here.
        let backbone = Backbone::load(&package.backbone, &package.preprocess)?;
        if let Some(head) = &package.head {
            anyhow::ensure!(
                head.layout() == backbone.layout(),
                "the package's head is for another network than its own; pack it again"
            );
        }
        let model = onnx::decode(&package.backbone)?;
        let metadata = Metadata::read(&model)?;
        let taps = metadata.filter(|metadata| !metadata.taps.is_empty());
        let mut cost = cost::of(&model, &[EMBEDDING])?;
        let tap_macs = match &taps {
            Some(metadata) => cost::of(&model, metadata.outputs())?.macs - cost.macs,
            None => 0,
        };
        cost.file_bytes = package.backbone.len() as u64;
        let goes_by = goes_by(&package, taps.as_ref());
        let difference = package.run_self_test(&mut backbone.embedder()?)?;
        if self.json {
            let classes: Vec<_> = package
                .classes
                .iter()
                .zip(package.counts())
                .map(|(name, samples)| json!({ "name": name, "samples": samples }))
                .collect();
            let value = json!({
                "version": package.version,
                "signed_by": package.signed_by.map(|key| key.to_string()),
                "signature_checked": checked,
                "sha256": file::sha256(&bytes),
                "bytes": bytes.len(),
                "classes": classes,
                "samples": package.samples.len(),
                "head": package.head.as_ref().map(|head| head.kind().name()),
                "head_goes_by": goes_by.iter().map(|(part, share)| json!({
                    "part": part,
                    "share": share,
                })).collect::<Vec<_>>(),
                "preprocess": package.preprocess,
                "provenance": package.provenance,
                "backbone": {
                    "id": backbone.id(),
                    "embedding_width": backbone.layout().last(),
                    "taps": taps.map(|metadata| metadata.taps),
                    "tap_macs": tap_macs,
                    "operators": cost.operators,
                    "parameters": cost.parameters,
                    "macs": cost.macs,
                    "bytes": cost.file_bytes,
                },
                "self_test": {
                    "pictures": package.self_test.len(),
                    "largest_relative_difference": difference,
                },
            });
            crate::say!("{}", serde_json::to_string_pretty(&value)?);
            return Ok(());
        }
        let size = package.preprocess.input_size;
        crate::say!(
            "{}: version {}, {}, {}",
            place(),
            package.version,
            match (package.signed_by, checked) {
                (None, _) => "unsigned".into(),
                (Some(key), true) => format!("signed by {key}"),
                (Some(key), false) => format!("signed by {key} (not checked: give --trust FILE)"),
            },
            ui::bytes(bytes.len() as u64)
        );
        crate::say!(
            "backbone: {size} x {size} pixels -> {} numbers; {} parameters, {} multiply-accumulates, {}",
            backbone.layout().last(),
            ui::amount(cost.parameters).trim(),
            ui::amount(cost.macs).trim(),
            ui::bytes(cost.file_bytes)
        );
        if let Some(metadata) = &taps {
            crate::say!(
                "taps: {}; {} multiply-accumulates, {:.2}% more",
                metadata.tap_list(),
                ui::amount(tap_macs).trim(),
                tap_macs as f64 / cost.macs.max(1) as f64 * 100.0
            );
        }
        for (key, value) in &package.provenance {
            // Whoever made the file wrote these: they get one line each, and no command of a terminal.
            crate::say!("{}: {}", plain(key), plain(value));
        }
        crate::say!(
            "preprocessing: {}",
            serde_json::to_string(&package.preprocess)?
        );
        match &package.head {
            Some(head) => crate::say!(
                "head: {}, fitted on the starting samples",
                head.kind().name()
            ),
            None => crate::say!("head: none, every verdict is `unknown` until something is taught"),
        }
        if !goes_by.is_empty() {
            let parts = goes_by.iter();
            let parts = parts.map(|(part, share)| format!("{} {:.0}%", plain(part), share * 100.0));
            crate::say!("the head goes by: {}", parts.collect::<Vec<_>>().join(", "));
        }
        if let Some(table) = class_table(&package) {
            crate::say!("{table}");
        }
        crate::say!(
            "self-test: {} pictures pass here, at most {:.4}% off",
            package.self_test.len(),
            difference * 100.0
        );
        Ok(())
    }
}

/// What the head tells the starting samples apart by: the parts of the embedding with their shares.
/// Empty where there is nothing to tell apart, or one part only.
fn goes_by(package: &Package, metadata: Option<&Metadata>) -> Vec<(String, f64)> {
    let (Some(head), Some(metadata)) = (&package.head, metadata) else {
        return Vec::new();
    };
    let samples = package.samples.iter();
    let shares = head.reliance(samples.map(|sample| sample.embedding.as_slice()));
    let taps = metadata.taps.iter().map(|tap| tap.layer.clone());
    let parts = std::iter::once(EMBEDDING.to_owned()).chain(taps);
    parts.zip(shares.unwrap_or_default()).collect()
}
