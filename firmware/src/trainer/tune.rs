//! Fine-tuning while nobody teaches: the network's last layer learns from all kept samples too, and where
//! they find it better, it is asked from then on.
//!
//! It is of exactly the samples that it learned from. Whatever changes them brings the plain head back
//! at once, and when it is quiet again the layer learns anew; so nothing of it is kept on disk, and
//! a press never waits for it.

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
    guard::{self, Judged, Opinion},
    head::{Head, Judgement, Kind},
    package::Package,
    preprocess::Preprocess,
    tuning::{Cut, Layer, Map, Sample, tune},
};
use serde::Deserialize;

use super::{Knowledge, Outcome, Trainer};
use crate::look::{Sight, in_size};

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

/// More samples are not tuned on: the maps of so many take 47 MB.
const MOST: usize = 1500;
/// How far what the tuned network says may be from what its samples were kept with and its layer was
/// taught by: those are half floats. A share of the length of the embedding.
const OFF: f32 = 0.02;

/// How to come by the package's file again: the network is not kept in memory in the form that can be
/// cut.
pub type Source = Box<dyn Fn() -> Result<Vec<u8>, String> + Send>;

/// What fine-tuning needs beside what was taught.
pub struct Tuner {
    source: Source,
    quiet: Duration,
    /// What was taught changed since it was last tried.
    due: bool,
}

impl Tuner {
    /// `None` where it is never done.
    pub fn new(settings: Settings, source: Source) -> Option<Self> {
        (settings.quiet_seconds > 0.0).then(|| Self {
            source,
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
    /// `None` where the frame was looked at by another network.
    pub fn judge(&self, sight: &Sight) -> Option<Judgement> {
        let layout = self.backbone.layout();
        if sight.tuned.len() != layout.last() {
            return None;
        }
        let taps = sight.embedding.get(layout.last()..)?;
        self.head.judge(&[&sight.tuned, taps].concat())
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Tried {
    pub samples: usize,
    /// How often the layer saw every sample; 0 where it is not used.
    pub passes: usize,
    pub seconds: f64,
    /// Mean cross-entropy of held-back samples before and with it, in nats, where it is used.
    loss: Option<(f64, f64)>,
    /// Why it is not, where the samples have not said so themselves.
    why: Option<&'static str>,
}

impl fmt::Display for Tried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            samples, seconds, ..
        } = self;
        match (self.loss, self.why) {
            (Some((before, after)), _) => write!(
                out,
                "the last layer was retrained on {samples} samples in {seconds:.0} s: the loss on those \
                 held back fell from {before:.3} to {after:.3}"
            ),
            (None, why) => write!(
                out,
                "the last layer stays as it is: {} ({samples} samples, {seconds:.0} s)",
                why.unwrap_or("samples held back are not told better with another")
            ),
        }
    }
}

/// Why nothing came of it.
enum Ended {
    /// Something is to be done that comes first.
    Asked,
    /// It cannot be done with this package, or these samples, and there is nothing to say about it.
    Unfit,
    Failed(String),
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

    /// Retrains the last layer. `asked`: something else is to be done. `None` where nothing came of it that
    /// need be told.
    pub(super) fn tune(
        &mut self,
        mut asked: impl FnMut() -> bool,
        current: &Knowledge,
    ) -> Option<(Outcome, Knowledge)> {
        let start = Instant::now();
        let mut going = || match asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let ended = self.try_tuning(&mut going, start);
        // An error may have been the end of it: a trainer that is asked to end reads no further.
        let is_asked = going().is_break();
        match ended {
            Ok((tried, tuned)) => {
                self.is_tuned();
                let knowledge = Knowledge {
                    tuned: tuned.map(Arc::new),
                    ..current.clone()
                };
                Some((Outcome::Tuned(tried), knowledge))
            }
            Err(Ended::Asked) => None,
            Err(_) if is_asked => None,
            Err(Ended::Unfit) => {
                self.is_tuned();
                None
            }
            Err(Ended::Failed(why)) => {
                self.is_tuned();
                self.warnings
                    .push(format!("the last layer cannot be retrained: {why}"));
                None
            }
        }
    }

    fn is_tuned(&mut self) {
        if let Some(tuner) = &mut self.tuner {
            tuner.due = false;
        }
    }

    fn try_tuning(
        &self,
        going: &mut impl FnMut() -> ControlFlow<()>,
        start: Instant,
    ) -> Result<(Tried, Option<Tuned>), Ended> {
        let failed = |error: &dyn std::error::Error| Ended::Failed(one_line(error));
        let tuner = self.tuner.as_ref().ok_or(Ended::Unfit)?;
        let classes = self.teachings.classes();
        let examples = self.teachings.examples(&classes);
        if examples.len() > MOST {
            return Err(Ended::Unfit);
        }
        let bytes = (tuner.source)().map_err(Ended::Failed)?;
        if sha256(&bytes) != self.teachings.package_id() {
            return Err(Ended::Failed("the package's file has changed".into()));
        }
        let package = Package::from_bytes(&bytes).map_err(|error| failed(&error))?;
        drop(bytes);
        let preprocess = &package.preprocess;
        let cut = Cut::of(&package.backbone, preprocess).map_err(|error| failed(&error))?;
        let cut = cut.ok_or(Ended::Unfit)?;
        let maps = self.maps(&cut, &package, &classes, going)?;
        let last = self.layout.last();
        let taps: Vec<Vec<f32>> = examples
            .iter()
            .map(|example| {
                example.embedding[last..]
                    .iter()
                    .map(|v| v.to_f32())
                    .collect()
            })
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
        let found = tune(&cut.layer, &self.layout, &samples, threads(), |_| {
            let going = going();
            is_asked = going.is_break();
            going
        });
        let found = found.map_err(|error| failed(&error))?;
        if is_asked {
            return Err(Ended::Asked);
        }
        let mut tried = Tried {
            samples: samples.len(),
            passes: 0,
            seconds: 0.0,
            loss: None,
            why: None,
        };
        let tuned = match found {
            None => None,
            Some(found) => {
                let judged = Judged::both(&examples, &found.called_before, &found.called_after);
                match guard::judge(&self.guard, &judged) {
                    (Opinion::TooDear { .. }, _) => {
                        tried.why = Some("a class would pay for it");
                        None
                    }
                    _ => {
                        let head = found.head(Kind::default(), &self.layout, &samples);
                        let head = head.map_err(|error| failed(&error))?;
                        let backbone = beside(&cut, &found.layer, preprocess, &samples, || {
                            self.teachings.crops(&package, &classes)
                        })?;
                        tried.passes = found.passes;
                        tried.loss = Some((found.before, found.after));
                        Some(Tuned { backbone, head })
                    }
                }
            }
        };
        tried.seconds = start.elapsed().as_secs_f64();
        Ok((tried, tuned))
    }

    /// Of all samples, in the order of the examples.
    fn maps(
        &self,
        cut: &Cut,
        package: &Package,
        classes: &[String],
        going: &mut impl FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<Map>, Ended> {
        let failed = |error: &dyn std::error::Error| Ended::Failed(one_line(error));
        let mut trunk = cut
            .trunk(&package.preprocess)
            .map_err(|error| failed(&error))?;
        let mut maps = Vec::new();
        for crop in self.teachings.crops(package, classes) {
            if going().is_break() {
                return Err(Ended::Asked);
            }
            let crop = crop.map_err(|error| failed(&error))?;
            let crop = in_size(&crop, &package.preprocess).map_err(Ended::Failed)?;
            maps.push(trunk.map(&crop).map_err(|error| failed(&error))?);
        }
        Ok(maps)
    }
}

/// The network with both layers, once it was seen that it says what it should of the first sample.
fn beside<'a, I>(
    cut: &Cut,
    layer: &Layer,
    preprocess: &Preprocess,
    samples: &[Sample<'_>],
    crops: impl Fn() -> I,
) -> Result<Backbone, Ended>
where
    I: Iterator<Item = Result<std::borrow::Cow<'a, [u8]>, crate::memory::MemoryError>>,
{
    let failed = |error: &dyn std::error::Error| Ended::Failed(one_line(error));
    let onnx = cut.beside(layer);
    let onnx = onnx.ok_or_else(|| Ended::Failed("its network cannot hold another layer".into()))?;
    let backbone = Backbone::load_tuned(&onnx, preprocess).map_err(|error| failed(&error))?;
    drop(onnx);
    let (Some(sample), Some(crop)) = (samples.first(), crops().next()) else {
        return Err(Ended::Unfit);
    };
    let crop = crop.map_err(|error| failed(&error))?;
    let crop = in_size(&crop, preprocess).map_err(Ended::Failed)?;
    let mut embedder = backbone.embedder().map_err(|error| failed(&error))?;
    let said = embedder.embed_crop(&crop).map_err(|error| failed(&error))?;
    let (embedding, tuned) = said.split_at_checked(backbone.width()).unwrap_or_default();
    let last = &embedding[..backbone.layout().last().min(embedding.len())];
    let is_so =
        is_near(last, &cut.layer.embed(sample.map)) && is_near(tuned, &layer.embed(sample.map));
    match is_so {
        true => Ok(backbone),
        false => Err(Ended::Failed(
            "the network with the new layer does not say what it should".into(),
        )),
    }
}

fn is_near(a: &[f32], b: &[f32]) -> bool {
    let square = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|v| v * v).sum::<f32>();
    let off = square(&mut a.iter().zip(b).map(|(a, b)| a - b));
    a.len() == b.len() && off <= OFF * OFF * square(&mut b.iter().copied())
}

/// One is left for watching.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| NonZero::get(cores).saturating_sub(1).max(1))
}
