//! Fine-tuning while nobody teaches: the network's last layer learns from all kept samples too, and where
//! they find it better, it is asked from then on.
//!
//! It is of exactly the samples that it learned from. Whatever changes them brings the plain head back
//! at once, and when it is quiet again the layer learns anew; so nothing of it is kept on disk. Whatever
//! is to change meanwhile ends it, within a step of learning or the fit of a head.

use std::{
    fmt,
    num::NonZero,
    ops::ControlFlow,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use lastlayer_shared::{
    backbone::Backbone,
    error::one_line,
    file::sha256,
    frame::Frame,
    guard::{self, Judged, Opinion},
    head::{Answer, Head, Kind},
    operators::Operators,
    package::Package,
    preprocess::Preprocess,
    tuning::{Cut, Layer, Map, Sample, are_enough, tune},
};
use serde::Deserialize;

use super::{Knowledge, Outcome, Trainer};
use crate::{
    look::{Sight, in_size},
    teachings::Teachings,
};

/// When the network's last layer is retrained: the `[tuning]` table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// When nothing was taught or changed for so many seconds, 0..=86400; 0: never.
    pub quiet_seconds: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quiet_seconds: 60.0,
        }
    }
}

impl Settings {
    /// What is out of range, as a line that names it.
    pub fn check(&self) -> Result<(), String> {
        match (0.0..=86400.0).contains(&self.quiet_seconds) {
            true => Ok(()),
            false => Err("tuning.quiet_seconds: give a number from 0 to 86400".into()),
        }
    }
}

/// More samples are not tuned on, or it would not come to an end between two presses; nor are those whose
/// maps take more bytes.
const MOST: usize = 1500;
const MOST_BYTES: usize = 48 << 20;
/// How far what the tuned network says may be from what its samples were kept with and its layer was
/// taught by: those are half floats. A share of the length of the embedding.
const OFF: f32 = 0.02;

/// How to come by the package's file again: the network is not kept in memory in the form that can be
/// cut.
pub type Source = Box<dyn Fn() -> Result<Vec<u8>, String> + Send>;

/// What fine-tuning needs beside what was taught.
pub struct Tuner {
    source: Source,
    operators: Operators,
    quiet: Duration,
    /// What was taught changed since it was last tried.
    due: bool,
}

impl Tuner {
    /// `None` where it is never done.
    pub fn new(settings: Settings, source: Source, operators: Operators) -> Option<Self> {
        (settings.quiet_seconds > 0.0).then(|| Self {
            source,
            operators,
            quiet: Duration::from_secs_f64(settings.quiet_seconds),
            due: true,
        })
    }
}

/// A network with a tuned last layer beside its own, and the head for that.
#[derive(Debug)]
pub struct Tuned {
    pub backbone: Backbone,
    head: Head,
}

impl Tuned {
    /// `None` where the frame was looked at by the network of before.
    pub fn answers(&self, sight: &Sight) -> Option<Vec<Answer>> {
        let layout = self.backbone.layout();
        if sight.tuned.len() != layout.last() {
            return None;
        }
        let taps = sight.embedding.get(layout.last()..)?;
        self.head.confidences(&[&sight.tuned, taps].concat())
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Tried {
    pub samples: usize,
    pub seconds: f64,
    pub finding: Finding,
}

#[derive(Clone, Debug)]
pub enum Finding {
    /// The new layer is used.
    Better {
        /// How often it saw every sample.
        passes: usize,
        /// Mean cross-entropy of the samples held back with the layer before and with it, in nats.
        before: f64,
        after: f64,
    },
    NotBetter,
    /// The guard would not have it.
    TooDear,
    Failed(String),
}

impl fmt::Display for Tried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match &self.finding {
            Finding::Better { before, after, .. } => {
                return write!(
                    out,
                    "the network's last layer learned from {} samples in {:.0} s: the loss on those held \
                     back fell from {before:.3} to {after:.3}",
                    self.samples, self.seconds
                );
            }
            Finding::NotBetter => "samples that were held back are told no better with another",
            Finding::TooDear => "a class would pay for another",
            Finding::Failed(why) => why,
        };
        write!(out, "the network's last layer stays as it is: {reason}")
    }
}

/// Why there is nothing to tell.
enum Ended {
    /// Something is to be done that comes first.
    Asked,
    /// This package's network has no such layer, or the samples are too few or too many.
    Unfit,
    Failed(String),
}

impl Ended {
    fn failed(error: impl std::error::Error + 'static) -> Self {
        Self::Failed(one_line(&error))
    }
}

impl Trainer {
    /// How long it must be quiet for the last layer to be retrained; `None` where there is no need.
    pub(super) fn tunes_after(&self) -> Option<Duration> {
        let tuner = self.tuner.as_ref().filter(|tuner| tuner.due)?;
        (!self.teachings.memory.is_untouched()).then_some(tuner.quiet)
    }

    /// What was taught has changed.
    pub(super) fn tune_again(&mut self) {
        if let Some(tuner) = &mut self.tuner {
            tuner.due = true;
        }
    }

    /// Retrains the last layer, unless `asked` says that something else is to be done. `None` where there
    /// is nothing to tell.
    pub(super) fn tune(
        &mut self,
        asked: impl FnMut(&Teachings) -> bool,
        current: &Knowledge,
    ) -> Option<(Outcome, Knowledge)> {
        let start = Instant::now();
        let samples = current.counts.iter().sum();
        let (finding, tuned) = match self.try_tuning(asked) {
            Ok(found) => found,
            Err(Ended::Failed(why)) => (Finding::Failed(why), None),
            Err(Ended::Asked) => return None,
            Err(Ended::Unfit) => {
                self.is_tuned();
                return None;
            }
        };
        self.is_tuned();
        let knowledge = Knowledge {
            tuned: tuned.map(Arc::new),
            ..current.clone()
        };
        let tried = Tried {
            samples,
            seconds: start.elapsed().as_secs_f64(),
            finding,
        };
        Some((Outcome::Tuned(tried), knowledge))
    }

    fn is_tuned(&mut self) {
        if let Some(tuner) = &mut self.tuner {
            tuner.due = false;
        }
    }

    fn try_tuning(
        &self,
        mut asked: impl FnMut(&Teachings) -> bool,
    ) -> Result<(Finding, Option<Tuned>), Ended> {
        let tuner = self.tuner.as_ref().ok_or(Ended::Unfit)?;
        let classes = self.teachings.classes();
        let examples = self.teachings.examples(&classes);
        let bursts = examples
            .iter()
            .map(|example| (example.class, example.burst));
        if examples.len() > MOST || !are_enough(bursts) {
            return Err(Ended::Unfit);
        }
        let bytes = (tuner.source)().map_err(Ended::Failed)?;
        if sha256(&bytes) != self.teachings.package_id() {
            return Err(Ended::Failed("the package's file has changed".into()));
        }
        let mut package = Package::from_bytes(&bytes).map_err(Ended::failed)?;
        drop(bytes);
        // Boards have little memory, and this is the network once more.
        let network = std::mem::take(&mut package.backbone);
        let preprocess = &package.preprocess;
        let cut = Cut::of(&network, preprocess).map_err(Ended::failed)?;
        let cut = cut.ok_or(Ended::Unfit)?;
        drop(network);
        let mut trunk = cut
            .trunk(preprocess, tuner.operators)
            .map_err(Ended::failed)?;
        let mut maps = Vec::with_capacity(examples.len());
        let mut last = None;
        for crop in self.teachings.crops(&package, &classes) {
            if asked(&self.teachings) {
                return Err(Ended::Asked);
            }
            let crop = crop.map_err(Ended::failed)?;
            let crop = in_size(&crop, preprocess).map_err(Ended::Failed)?;
            let map = trunk.map(&crop).map_err(Ended::failed)?;
            if is_too_much(&map, examples.len()) {
                return Err(Ended::Unfit);
            }
            maps.push(map);
            last = Some(crop);
        }
        drop(trunk);
        let taps: Vec<Vec<f32>> = examples
            .iter()
            .map(|example| &example.embedding[self.layout.last()..])
            .map(|taps| taps.iter().map(|v| v.to_f32()).collect())
            .collect();
        let samples: Vec<Sample<'_>> = examples
            .iter()
            .zip(maps.iter().zip(&taps))
            .map(|(example, (map, taps))| Sample {
                map,
                taps,
                class: example.class,
                burst: example.burst,
            })
            .collect();
        let mut is_asked = false;
        let going = |_| {
            is_asked |= asked(&self.teachings);
            match is_asked {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let found = tune(&cut.layer, &self.layout, &samples, threads(), going);
        let found = found.map_err(Ended::failed)?;
        if is_asked {
            return Err(Ended::Asked);
        }
        let Some((found, crop)) = found.zip(last) else {
            return Ok((Finding::NotBetter, None));
        };
        let judged = Judged::both(&examples, &found.called_before, &found.called_after);
        if let (Opinion::TooDear { .. }, _) = guard::judge(&self.guard, &judged) {
            return Ok((Finding::TooDear, None));
        }
        let head = found.head(Kind::default(), &self.layout, &samples);
        let tuned = Tuned {
            head: head.map_err(Ended::failed)?,
            backbone: beside(&cut, &found.layer, preprocess, tuner.operators)?,
        };
        let map = samples[samples.len() - 1].map;
        is_as_taught(&tuned.backbone, &crop, [&cut.layer, &found.layer], map)?;
        let finding = Finding::Better {
            passes: found.passes,
            before: found.before,
            after: found.after,
        };
        Ok((finding, Some(tuned)))
    }
}

/// The network with both layers.
fn beside(
    cut: &Cut,
    layer: &Layer,
    preprocess: &Preprocess,
    operators: Operators,
) -> Result<Backbone, Ended> {
    let onnx = cut.beside(layer);
    let onnx = onnx.ok_or_else(|| Ended::Failed("the network cannot hold another".into()))?;
    Backbone::load_tuned(&onnx, preprocess, operators).map_err(Ended::failed)
}

/// Whether the network with both layers says of a crop what each of them says of its map.
fn is_as_taught(
    backbone: &Backbone,
    crop: &Frame,
    layers: [&Layer; 2],
    map: &Map,
) -> Result<(), Ended> {
    let mut embedder = backbone.embedder().map_err(Ended::failed)?;
    let said = embedder.embed_crop(crop).map_err(Ended::failed)?;
    let last = said.get(..backbone.layout().last());
    let tuned = said.get(backbone.width()..);
    let pairs = [last, tuned].into_iter().zip(layers);
    let mut pairs =
        pairs.map(|(said, layer)| said.is_some_and(|said| is_near(said, &layer.embed(map))));
    match pairs.all(|is_near| is_near) {
        true => Ok(()),
        false => Err(Ended::Failed(
            "the network with another does not say what it was taught to".into(),
        )),
    }
}

fn is_near(a: &[f32], b: &[f32]) -> bool {
    let off = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let all = b.iter().map(|b| b.powi(2)).sum::<f32>();
    a.len() == b.len() && off <= OFF * OFF * all
}

/// One is left for watching.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| NonZero::get(cores).saturating_sub(1).max(1))
}

/// Of so many samples whose maps are as large as this one.
fn is_too_much(map: &Map, samples: usize) -> bool {
    map.bytes().saturating_mul(samples) > MOST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_as_many_as_fit_into_memory() {
        let of = |side: usize| Map::new(320, side, side, &vec![0.0; 320 * side * side]).unwrap();
        // Of a network for 224 pixels, and for 1024.
        let (usual, large) = (of(7), of(32));
        assert!(!is_too_much(&usual, MOST) && !is_too_much(&large, 60));
        assert!(is_too_much(&usual, MOST * 2) && is_too_much(&large, 120));
    }
}
