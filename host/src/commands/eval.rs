//! `lastlayer eval`: how well a package's heads learn from a folder of labelled folders.

mod fine_tuning;
mod then;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use lastlayer_shared::{backbone::Backbone, file, package::Package, tuning::Cut};
use serde_json::json;

use crate::{
    evaluate::{self, Dump, Embeddings, EvaluateError, Order, Score, Splits, Strangers},
    photos::{self, LabelledPhotos},
    pretrained::cache::Cache,
    report::{Folder, Report},
    statistics::mean,
    ui,
};

/// Photos taught a class where nothing is said.
const SHOTS: [usize; 4] = [1, 5, 10, 20];

/// Measure how well a package learns from few photos, on photos it was not taught
#[derive(Args)]
#[command(
    after_help = "photos/ holds one folder a class, named after it. Photos in folders within a \
    class's folder count for\nthat class. Only the package's network is used: its own classes and \
    samples are not.\n\n\
    Examples:\n  lastlayer eval site.llp --photos photos/ --shots 5,20\n  \
    lastlayer eval site.llp --photos photos/ --report report\n  \
    lastlayer eval site.llp --photos photos/ --then truck,pickup\n\n\
    The page of --report holds all that it shows, small copies of photos among it, and opens without a\n\
    network."
)]
pub struct Eval {
    /// The package
    package: PathBuf,
    /// A folder of labelled folders
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Photos taught a class; by default those of 1,5,10,20 that leave photos to test on, with --then
    /// the most of them
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    shots: Option<Vec<u32>>,
    /// How often other photos are drawn
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    splits: u64,
    /// Which photos are drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a page with plots and example photos to DIR/index.html; DIR is a new or an empty folder,
    /// or one with an older report
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Show instead what is forgotten where all other classes are known from the start and these are
    /// taught one after another
    #[arg(
        long,
        value_name = "CLASS,...",
        value_delimiter = ',',
        conflicts_with_all = ["dump_splits", "report"]
    )]
    then: Vec<String>,
    /// Photos that a press of the button teaches of those
    #[arg(
        long,
        default_value_t = 5,
        requires = "then",
        conflicts_with_all = ["fine_tune", "dump_splits", "report"],
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    press: u32,
    /// Show instead what it is worth to retrain the network's last layer too, which takes seconds each
    #[arg(long, conflicts_with_all = ["then", "dump_splits", "report"])]
    fine_tune: bool,
    /// Print a JSON array: an object a line of what is shown otherwise
    #[arg(long)]
    json: bool,
    /// Also write embeddings, splits and accuracies to a file, as JSON, for other programs
    #[arg(long, value_name = "FILE")]
    dump_splits: Option<PathBuf>,
}

impl Eval {
    pub fn run(self) -> anyhow::Result<()> {
        let report = self.report.as_deref();
        let report = report
            .map(|folder| Folder::new(folder, &self.photos))
            .transpose()?;
        if let Some(path) = &self.dump_splits {
            self.check_dump(path)?;
        }
        let package = Package::open(&self.package)?;
        let backbone = Backbone::load(&package.backbone, &package.preprocess)?;
        let labelled = photos::labelled(&self.photos)?;
        let cut = match self.fine_tune {
            true => Some(Cut::of(&package.backbone, &package.preprocess)?.context(
                "this network does not end in a 1 x 1 convolution that could be tuned; evaluate it \
                 without --fine-tune",
            )?),
            false => None,
        };
        let order = Order::new(&labelled.classes, &self.then)?;
        let shots = self.shots(&labelled)?;
        let bar = ui::bar("embedding photos", 0);
        let data = evaluate::embeddings(
            &backbone,
            &labelled,
            &Cache::of_user(),
            |photos| bar.set_length(photos),
            || bar.inc(1),
            |error| {
                bar.finish_and_clear();
                ui::warn_not_kept(&error);
            },
        )?;
        bar.finish_and_clear();
        let drawn = shots
            .iter()
            .map(|&shots| Splits::new(&data, shots, self.splits, self.seed))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(cut) = &cut {
            let bar = ui::bar("photos before the last layer", data.labels.len() as u64);
            let before = evaluate::maps(cut, &backbone, &labelled, || bar.inc(1))?;
            bar.finish_and_clear();
            let bar = ui::bar("tuning", self.splits * shots.len() as u64);
            let rows = drawn
                .iter()
                .map(|splits| evaluate::fine_tuning(&data, &before, splits, || bar.inc(1)))
                .collect::<Result<Vec<_>, _>>()?;
            bar.finish_and_clear();
            return fine_tuning::print(&rows, &data, self.seed, self.json);
        }
        let bar = ui::bar("teaching", self.splits * shots.len() as u64);
        if !self.then.is_empty() {
            let mut stories = Vec::new();
            for splits in &drawn {
                let press = self.press as usize;
                stories.push(evaluate::one_by_one(&data, splits, &order, press, || {
                    bar.inc(1)
                })?);
            }
            bar.finish_and_clear();
            return then::print(&stories, &data.classes, self.seed, self.json);
        }
        let mut scores = Vec::new();
        for splits in &drawn {
            scores.extend(evaluate::score(&data, splits, || bar.inc(1))?);
        }
        bar.finish_and_clear();
        self.print(&data, &scores)?;
        if let Some(folder) = &report {
            let page = Report {
                package: &name(&self.package),
                folder: &name(&self.photos),
                photos: &labelled,
                preprocess: &package.preprocess,
                splits: self.splits,
                seed: self.seed,
                scores: &scores,
            };
            folder.write(&page.page())?;
            if !self.json {
                crate::say!("the report is {}", folder.page().display());
            }
        }
        if let Some(path) = &self.dump_splits {
            let dump = Dump {
                package: &name(&self.package),
                backbone: backbone.id(),
                seed: self.seed,
                photos: labelled.below(&self.photos),
                data: &data,
                drawn: &drawn,
                scores: &scores,
            };
            dump.write(path)?;
        }
        Ok(())
    }

    fn print(&self, data: &Embeddings, scores: &[Score]) -> anyhow::Result<()> {
        if self.json {
            let rows: Vec<_> = scores
                .iter()
                .map(|score| object(score, &data.classes))
                .collect();
            crate::say!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        crate::say!(
            "{} of {} classes, {}, seed {}; accuracy on the photos not taught, in %",
            ui::count(data.labels.len(), "photo"),
            data.classes.len(),
            ui::count(self.splits as usize, "split"),
            self.seed
        );
        let rows = scores.iter().map(|score| {
            let mark = if score.method.is_default() {
                " (default)"
            } else {
                ""
            };
            let of = |pick: fn(Strangers) -> f64| match score.strangers() {
                Some(strangers) => per_cent(pick(strangers)),
                None => String::new(),
            };
            [
                format!("{}{mark}", score.method.name()),
                score.shots.to_string(),
                format!(
                    "{} ± {}",
                    per_cent(score.mean()),
                    per_cent(score.interval())
                ),
                per_cent(mean(&score.confidences)),
                per_cent(score.calibration_error()),
                of(|strangers| strangers.own),
                of(|strangers| strangers.confidence),
                of(|strangers| strangers.lost),
                of(|strangers| strangers.noticed),
                format!("{:.1}", score.train_ms_median()),
                score.train_peak_bytes.map_or(String::new(), megabytes),
            ]
        });
        let header = [
            "head",
            "photos a class",
            "accuracy",
            "confidence",
            "calibration error",
            "unknown",
            "by confidence",
            "taught lost",
            "strangers noticed",
            "training ms",
            "training MB",
        ];
        crate::say!("{}", ui::table(header, rows));
        if let Some(last) = scores.iter().rfind(|score| score.method.is_default()) {
            crate::say!(
                "taught {} a class, a board is right about {:.0} of 100 photos that it was \
                 not taught",
                ui::count(last.shots, "photo"),
                last.mean() * 100.0
            );
            print_confusion(last, &data.classes);
        }
        Ok(())
    }
}

impl Eval {
    /// Whether a file there takes nothing away, before the work.
    fn check_dump(&self, path: &Path) -> anyhow::Result<()> {
        let taken = if file::same(path, &self.package) {
            Some("the package")
        } else if is_within(path, &self.photos) {
            Some("among the photos")
        } else if self.report.as_ref().is_some_and(|r| is_within(path, r)) {
            Some("in the report's place")
        } else {
            None
        };
        if let Some(taken) = taken {
            anyhow::bail!("{} is {taken}; give another --dump-splits", path.display());
        }
        Ok(file::can_write(path)?)
    }

    /// What was asked for, ascending and each once, or what the smallest class allows.
    fn shots(&self, photos: &LabelledPhotos) -> anyhow::Result<Vec<usize>> {
        let (class, fewest) = photos.smallest();
        let too_few = |shots| EvaluateError::TooFewPhotos {
            class: class.into(),
            photos: fewest,
            shots,
        };
        if let Some(shots) = &self.shots {
            let shots: BTreeSet<usize> = shots.iter().map(|&shots| shots as usize).collect();
            return match shots.last() {
                Some(&most) if most >= fewest => Err(too_few(most).into()),
                _ => Ok(shots.into_iter().collect()),
            };
        }
        let (mut fit, too_many): (Vec<usize>, Vec<usize>) =
            SHOTS.iter().partition(|&&shots| shots < fewest);
        if fit.is_empty() {
            return Err(too_few(SHOTS[0]).into());
        }
        if let Some(first) = too_many.first() {
            ui::warn(&format!(
                "the class {class:?} has {}; teaching {first} and more is left out",
                ui::count(fewest, "photo")
            ));
        }
        if !self.then.is_empty() {
            fit.drain(..fit.len() - 1);
        }
        Ok(fit)
    }
}

/// Whether a path is a folder or leads into it; neither need be there.
fn is_within(path: &Path, folder: &Path) -> bool {
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    let below = matches!(
        (above.canonicalize(), folder.canonicalize()),
        (Ok(above), Ok(folder)) if above.starts_with(&folder)
    );
    below || path == folder || file::same(path, folder)
}

/// Of a file or a folder, without what is above it; it may be given as `.`.
fn name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_os_string());
    let name = name.or_else(|| Some(path.canonicalize().ok()?.file_name()?.to_os_string()));
    name.unwrap_or_default().to_string_lossy().into_owned()
}

fn object(score: &Score, classes: &[String]) -> serde_json::Value {
    json!({
        "shots": score.shots,
        "head": score.method.name(),
        "default": score.method.is_default(),
        "accuracy_mean": score.mean(),
        "accuracy_std": score.deviation(),
        "accuracy_interval": score.interval(),
        "confidence_mean": mean(&score.confidences),
        "calibration_error": score.calibration_error(),
        "unknown_auroc": score.strangers().map(|strangers| strangers.own),
        "unknown_auroc_by_confidence": score.strangers().map(|strangers| strangers.confidence),
        "unknown_of_taught": score.strangers().map(|strangers| strangers.lost),
        "unknown_of_strangers": score.strangers().map(|strangers| strangers.noticed),
        "train_ms_median": score.train_ms_median(),
        "train_peak_bytes": score.train_peak_bytes,
        "splits": score.accuracies.len(),
        "classes": classes,
        "confusion": score.confusion,
    })
}

fn per_cent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// In per cent of each row.
fn print_confusion(score: &Score, classes: &[String]) {
    crate::say!(
        "what the {} head said with {} photos a class, in % of each row:",
        score.method.name(),
        score.shots
    );
    let mut header = vec![String::new()];
    header.extend_from_slice(classes);
    let rows = classes.iter().zip(&score.confusion).map(|(class, row)| {
        let sum: u64 = row.iter().sum();
        let share = |&count: &u64| format!("{:.1}", 100.0 * count as f64 / sum.max(1) as f64);
        let mut cells = vec![class.clone()];
        cells.extend(row.iter().map(share));
        cells
    });
    crate::say!("{}", ui::table(header, rows));
}
