//! `lastlayer eval`: how well a package's heads learn from a folder of labelled folders.

use std::path::PathBuf;

use clap::Args;
use lastlayer_shared::{backbone::Backbone, head::Kind, package::Package};
use serde_json::json;

use crate::{
    evaluate::{self, Score},
    photos,
    pretrained::cache::Cache,
    ui,
};

/// Measure how well a package learns from few photos, on photos it was not taught
#[derive(Args)]
#[command(after_help = "Example:\n  lastlayer eval site.llp --photos photos/ --shots 5,20")]
pub struct Eval {
    /// The package
    package: PathBuf,
    /// A folder of labelled folders
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Photos taught a class
    #[arg(long, value_delimiter = ',', default_value = "1,5,10,20",
          value_parser = clap::value_parser!(u32).range(1..))]
    shots: Vec<u32>,
    /// How often other photos are drawn
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    splits: u64,
    /// Which photos are drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print a JSON array with one object a number of shots and head
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub fn run(self) -> anyhow::Result<()> {
        let package = Package::open(&self.package)?;
        let backbone = Backbone::load(&package.backbone, &package.preprocess)?;
        let labelled = photos::labelled(&self.photos)?;
        let bar = ui::bar("embedding photos", 0);
        let data = evaluate::embeddings(
            &backbone,
            &labelled,
            &Cache::of_user()?,
            |photos| bar.set_length(photos),
            || bar.inc(1),
        )?;
        bar.finish_and_clear();
        let bar = ui::bar("teaching", self.splits * self.shots.len() as u64);
        let mut scores = Vec::new();
        for &shots in &self.shots {
            let shots = shots as usize;
            scores.extend(evaluate::score(
                &data,
                shots,
                self.splits,
                self.seed,
                || bar.inc(1),
            )?);
        }
        bar.finish_and_clear();
        if self.json {
            let rows: Vec<_> = scores
                .iter()
                .map(|score| object(score, &data.classes))
                .collect();
            println!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        println!(
            "{} photos of {} classes, {} splits, seed {}; accuracy on the photos not taught, in %",
            data.labels.len(),
            data.classes.len(),
            self.splits,
            self.seed
        );
        let rows = scores.iter().map(|score| {
            let mark = if score.kind == Kind::default() {
                " (default)"
            } else {
                ""
            };
            [
                format!("{}{mark}", score.kind.name()),
                score.shots.to_string(),
                format!("{:.1}", score.mean() * 100.0),
                format!("{:.1}", score.deviation() * 100.0),
                format!("{:.1}", score.train_ms_median()),
            ]
        });
        let header = ["head", "photos a class", "mean", "deviation", "training ms"];
        println!("{}", ui::table(header, rows));
        if let Some(last) = scores.iter().rfind(|score| score.kind == Kind::default()) {
            print_confusion(last, &data.classes);
        }
        Ok(())
    }
}

fn object(score: &Score, classes: &[String]) -> serde_json::Value {
    json!({
        "shots": score.shots,
        "head": score.kind.name(),
        "default": score.kind == Kind::default(),
        "accuracy_mean": score.mean(),
        "accuracy_std": score.deviation(),
        "train_ms_median": score.train_ms_median(),
        "splits": score.accuracies.len(),
        "classes": classes,
        "confusion": score.confusion,
    })
}

/// In per cent of each row.
fn print_confusion(score: &Score, classes: &[String]) {
    println!(
        "what the {} head said with {} photos a class, in % of each row:",
        score.kind.name(),
        score.shots
    );
    let width = classes
        .iter()
        .map(|class| class.chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    print!("{:width$}", "");
    for class in classes {
        print!("  {class:>width$}");
    }
    println!();
    for (class, row) in classes.iter().zip(&score.confusion) {
        let sum: u64 = row.iter().sum();
        print!("{class:width$}");
        for &count in row {
            print!("  {:>width$.1}", 100.0 * count as f64 / sum.max(1) as f64);
        }
        println!();
    }
}
