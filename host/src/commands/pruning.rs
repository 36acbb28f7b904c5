//! What `lastlayer export` is told about pruning.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use lastlayer_shared::{
    error::{one_line, plain},
    frame::Frame,
    photos,
    preprocess::Preprocess,
    view::View,
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    cores,
    graph::{compare, cost, metadata::Metadata, onnx::ModelProto},
    prune::{self, Goal, MOST_PHOTOS, PruneError, Pruned, Step},
    ui,
};

/// What may be lost where nothing is said.
const MAX_LOSS: f64 = 2.0;
/// The least share that is kept where there are no photos.
const CAUTIOUS: f64 = 0.85;
/// Pictures where there are no photos.
const MADE_UP: u64 = 192;
/// Names of photos that cannot be read, shown.
const NAMED: usize = 3;

#[derive(Args, Default)]
#[command(next_help_heading = "Pruning to a site")]
pub struct Pruning {
    /// Prune the network by unlabelled photos of the site in this folder, at any depth; 256 are good, up to 2000 are used
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,
    /// Share of the multiplications to keep, from 0.05 to 1; without photos from 0.85
    #[arg(long, value_name = "SHARE", value_parser = share)]
    keep: Option<f64>,
    /// Multiply-accumulates to keep at most, such as 120M
    #[arg(long, value_name = "N", conflicts_with = "keep", value_parser = macs)]
    max_macs: Option<u64>,
    /// What may be lost of what the network tells apart, in per cent, on photos held back; 2 where
    /// nothing is said
    #[arg(long, value_name = "P", requires = "calibrate", conflicts_with_all = ["keep", "max_macs"], value_parser = per_cent)]
    max_loss: Option<f64>,
    /// Which photos are taken where there are many
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn number(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "give a number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

fn share(text: &str) -> Result<f64, String> {
    number(text, 0.05..=1.0)
}

fn per_cent(text: &str) -> Result<f64, String> {
    number(text, 0.0..=100.0)
}

/// "120M", "0.12G", "120000000".
fn macs(text: &str) -> Result<u64, String> {
    let units = [("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9)];
    let (digits, unit) = units
        .into_iter()
        .find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, unit)))
        .unwrap_or((text, 1.0));
    match digits.trim().parse::<f64>() {
        Ok(number) if (1.0..1e15).contains(&(number * unit)) => Ok((number * unit) as u64),
        _ => Err("give a number of multiply-accumulates, such as 120M".into()),
    }
}

impl Pruning {
    /// Whether it can begin: before anything is fetched or computed.
    pub fn check(&self) -> anyhow::Result<()> {
        let Some(folder) = &self.calibrate else {
            return match self.keep {
                Some(share) if share < CAUTIOUS => bail!(
                    "without photos of the site --keep goes down to {CAUTIOUS}, because what is not \
                     needed there is not known; give some with --calibrate DIR"
                ),
                _ => Ok(()),
            };
        };
        let found = self.photos(folder)?.len();
        if found < prune::FEWEST_PHOTOS {
            return Err(PruneError::TooFew(found)).with_context(|| folder.display().to_string());
        }
        Ok(())
    }

    /// The pruned network, and what it says of its taps; None where nothing is asked for.
    pub fn run(
        &self,
        whole: &ModelProto,
        metadata: &mut Metadata,
    ) -> anyhow::Result<Option<ModelProto>> {
        let crops = match &self.calibrate {
            Some(folder) => self.crops(folder, &metadata.preprocess)?,
            None if self.keep.is_none() && self.max_macs.is_none() => return Ok(None),
            None => self.made_up(metadata.preprocess.input_size),
        };
        let goal = match (self.keep, self.max_macs) {
            (Some(share), _) => Goal::Keep(share),
            (_, Some(macs)) => Goal::MaxMacs(macs),
            _ => Goal::MaxLoss(self.max_loss.unwrap_or(MAX_LOSS) / 100.0),
        };
        let bar = Bar::default();
        let watch = |step| bar.draw(step);
        let whole_macs =
            || Ok::<_, anyhow::Error>(cost::of(whole, metadata.outputs())?.macs as f64);
        if let (None, Goal::MaxMacs(macs)) = (&self.calibrate, goal)
            && (macs as f64) < CAUTIOUS * whole_macs()?
        {
            bail!(
                "without photos of the site --max-macs goes down to {CAUTIOUS} of the network's, because \
                 what is not needed there is not known; give some with --calibrate DIR"
            );
        }
        let pruned = prune::prune(whole, &crops, &metadata.preprocess, goal, self.seed, &watch)?;
        bar.clear();
        for tap in &mut metadata.taps {
            if let Some(layer) = pruned.layers.iter().find(|layer| layer.name == tap.layer) {
                tap.width = layer.kept as u32;
            }
        }
        let share = |macs| format!("{:.1} %", 100.0 * macs as f64 / pruned.macs_before as f64);
        let provenance = [
            ("pruned_to", share(pruned.macs)),
            ("pruned_by", self.source(crops.len())),
            ("pruned_lost", format!("{:.2} %", 100.0 * pruned.lost)),
        ];
        let provenance = provenance.map(|(key, value)| (key.to_owned(), value));
        metadata.provenance.extend(provenance);
        self.tell(&pruned, crops.len());
        Ok(Some(pruned.model))
    }

    /// What stands for photos where there are none.
    fn made_up(&self, size: u32) -> Vec<Frame> {
        ui::warn(
            "there are no photos of the site (--calibrate), so made-up pictures say what the network \
             can do without; that costs more accuracy",
        );
        let seeds = (0..MADE_UP).map(|at| self.seed.wrapping_mul(MADE_UP).wrapping_add(at));
        seeds
            .map(|seed| compare::made_up_picture(size, seed))
            .collect()
    }

    /// What it was pruned by.
    fn source(&self, count: usize) -> String {
        let made_up = if self.calibrate.is_none() {
            "made-up "
        } else {
            ""
        };
        format!("{count} {made_up}photos")
    }

    fn tell(&self, pruned: &Pruned, photos: usize) {
        let rows = pruned.layers.iter().map(|layer| {
            [
                plain(&layer.name),
                format!("{} of {}", layer.kept, layer.channels),
                format!("{:.1} %", 100.0 * layer.error),
                ui::amount(layer.saved),
                format!("{:.2}", layer.took[0]),
                format!("{:.2}", layer.took[1]),
            ]
        });
        crate::say!(
            "{}",
            ui::table(
                [
                    "layer",
                    "channels kept",
                    "error added",
                    "multiplications saved",
                    "ms before",
                    "ms after"
                ],
                rows
            )
        );
        for name in &pruned.whole {
            crate::say!("left whole: {} (no block that can be pruned)", plain(name));
        }
        crate::say!(
            "pruned by {} to {:.1} % of the multiplications; lost on those held back: {:.2} % of what \
             the network tells apart",
            self.source(photos),
            100.0 * pruned.macs as f64 / pruned.macs_before as f64,
            100.0 * pruned.lost,
        );
        if self.keep.is_none() && self.max_macs.is_none() {
            let most = self.max_loss.unwrap_or(MAX_LOSS);
            crate::say!("stopped where more than {most} % would be lost (--max-loss)");
        }
    }

    /// In an order of chance, as many as are used.
    fn photos(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let found = photos::find(folder);
        let mut paths =
            found.with_context(|| format!("the folder {} cannot be read", folder.display()))?;
        paths.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        paths.truncate(MOST_PHOTOS);
        Ok(paths)
    }

    /// What the network sees of them; those that cannot be read are passed over.
    fn crops(&self, folder: &Path, preprocess: &Preprocess) -> anyhow::Result<Vec<Frame>> {
        let paths = self.photos(folder)?;
        let bar = ui::bar("reading photos", paths.len() as u64);
        let read = |_: &mut (), at: usize| {
            let frame = Frame::open(&paths[at]);
            let crop = frame.map_err(|error| (at, one_line(&error)));
            bar.inc(1);
            Ok(match crop {
                Ok(frame) => Ok(preprocess.crop(&frame, &View::default())?),
                Err(error) => Err(error),
            })
        };
        let read = cores::map(paths.len(), || Ok::<_, PruneError>(()), read)?;
        bar.finish_and_clear();
        let (crops, unreadable): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
        let reasons: Vec<String> = unreadable
            .into_iter()
            .filter_map(Result::err)
            .map(|(_, reason)| reason)
            .collect();
        for reason in reasons.iter().take(NAMED) {
            ui::warn(&format!("{reason}; passed over"));
        }
        if reasons.len() > NAMED {
            ui::warn(&format!(
                "{} more cannot be read",
                ui::count(reasons.len() - NAMED, "photo")
            ));
        }
        Ok(crops.into_iter().filter_map(Result::ok).collect())
    }
}

/// One bar after the other.
#[derive(Default)]
struct Bar(RefCell<Option<(&'static str, ProgressBar)>>);

impl Bar {
    fn draw(&self, step: Step) {
        let (what, done, of) = match step {
            Step::Measured(done, of) => ("measuring layers", done, of),
            Step::Pruned(done, of) => ("pruning layers", done, of),
        };
        let mut bar = self.0.borrow_mut();
        if bar.as_ref().is_none_or(|(now, _)| *now != what) {
            if let Some((_, bar)) = bar.take() {
                bar.finish_and_clear();
            }
            *bar = Some((what, ui::bar(what, of as u64)));
        }
        if let Some((_, bar)) = bar.as_ref() {
            bar.set_position(done as u64);
        }
    }

    fn clear(&self) {
        if let Some((_, bar)) = self.0.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_numbers_with_or_without_a_unit() {
        assert_eq!(macs("120M"), Ok(120_000_000));
        assert_eq!(macs("0.5G"), Ok(500_000_000));
        assert_eq!(macs("7"), Ok(7));
        for wrong in ["", "M", "-1M", "NaN", "inf", "1e30", "12X"] {
            assert!(macs(wrong).is_err(), "{wrong}");
        }
        assert!(share("0.4").is_ok() && share("40").is_err() && share("NaN").is_err());
        assert!(per_cent("3").is_ok() && per_cent("-1").is_err());
    }
}
