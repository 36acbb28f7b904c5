//! Fine-tuning: the network's last layer before the embedding learns too.
//!
//! Where a network ends in a 1 x 1 convolution, an activation and an average over positions, as
//! MobileNets do, that convolution can be retrained from the maps that go into it (`cut`, `layer`),
//! with a head on top, by back-propagation (`learn`). What an embedding is changes with it, so it is
//! worth its while only where there are many samples, and those say whether it is: the layer learns
//! from some bursts, for as long as heads that learn from these get better on the others; where they do
//! not, everything stays as it is. Then it learns from all of them for as long.

mod cut;
mod layer;
mod learn;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

pub use cut::{Cut, Trunk};
pub use layer::{Layer, Map};

use crate::head::{Calibration, Example, Head, HeadError, Kind, Layout};
use learn::{Lesson, PASSES};

/// One of so many bursts of a class is held back to judge by.
const HELD_BACK: usize = 4;
/// Fewer held back bursts cannot tell a small gain from luck.
const FEWEST: usize = 12;
/// Passes between two looks at them.
const LOOK: usize = 5;
/// The gain that is believed, in its own standard errors.
const SURE: f64 = 1.0;

/// A taught example before the last layer.
#[derive(Clone, Copy)]
pub struct Sample<'a> {
    pub map: &'a Map,
    /// What comes after the last embedding.
    pub taps: &'a [f32],
    /// As in `Example`.
    pub class: usize,
    pub burst: u32,
}

/// A layer that the samples found better than the one before.
#[derive(Clone, Debug)]
pub struct Tuned {
    pub layer: Layer,
    /// How often it saw every sample.
    pub passes: usize,
    /// How much surer heads on it say they are than they may be: a layer knows what it learned from.
    /// For `Head::sharpened`.
    pub sharpness: f32,
    /// Mean cross-entropy of the held-back samples with the layer as it was and as it is, in nats.
    pub before: f64,
    pub after: f64,
}

impl Tuned {
    /// The head for the tuned layer.
    pub fn head(
        &self,
        kind: Kind,
        layout: &Layout,
        samples: &[Sample<'_>],
    ) -> Result<Head, HeadError> {
        Ok(fit(kind, layout, &self.layer, samples)?.sharpened(self.sharpness))
    }
}

/// The layer as `samples` would have it, or `None` where they do not find it better, or are too few.
/// `going` is told how much is done, 0..=1, and may end it. The same samples, in the same order, give
/// the same layer on however many `threads`.
pub fn tune(
    layer: &Layer,
    layout: &Layout,
    samples: &[Sample<'_>],
    threads: usize,
    mut going: impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Option<Tuned>, HeadError> {
    if let Some(other) = samples.iter().find(|s| s.map.channels() != layer.inputs()) {
        return Err(HeadError::Width {
            expected: layer.inputs(),
            actual: other.map.channels(),
        });
    }
    let (held, taught) = hold_back(samples);
    if held.len() < FEWEST {
        return Ok(None);
    }
    let judge = |layer: &Layer| -> Result<Option<(Calibration, Vec<f64>)>, HeadError> {
        let head = fit(Kind::default(), layout, layer, &taught)?;
        let embeddings: Vec<Vec<f32>> = held.iter().map(|held| embed(layer, held)).collect();
        let said = embeddings.iter().zip(&held);
        let said: Option<Vec<_>> = said
            .map(|(embedding, held)| Some((head.confidences(embedding)?, held.class)))
            .collect();
        Ok(said.and_then(|said| Calibration::of(&said)))
    };
    let Some((before, losses_before)) = judge(layer)? else {
        return Ok(None);
    };
    let mut best: Option<(usize, Calibration, Vec<f64>)> = None;
    let mut lesson = Lesson::new(layer, &taught, threads);
    for pass in 1..=PASSES {
        let loss = lesson.pass();
        if !loss.is_finite() || going(pass as f32 / PASSES as f32 / 2.0).is_break() {
            return Ok(None);
        }
        if pass % LOOK == 0
            && let Some((after, losses)) = judge(lesson.layer())?
            && best
                .as_ref()
                .is_none_or(|(_, best, _)| after.loss < best.loss)
        {
            best = Some((pass, after, losses));
        }
    }
    let Some((passes, after, losses)) = best else {
        return Ok(None);
    };
    let gains: Vec<f64> = losses_before
        .iter()
        .zip(&losses)
        .map(|(a, b)| a - b)
        .collect();
    if !is_sure(&gains) {
        return Ok(None);
    }
    let mut lesson = Lesson::new(layer, samples, threads);
    for pass in 1..=passes {
        let loss = lesson.pass();
        if !loss.is_finite() || going(0.5 + pass as f32 / passes as f32 / 2.0).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(Tuned {
        layer: lesson.layer().clone(),
        passes,
        sharpness: after.sharpness as f32,
        before: before.loss,
        after: after.loss,
    }))
}

/// The bursts to judge by, and the others.
fn hold_back<'a>(samples: &[Sample<'a>]) -> (Vec<Sample<'a>>, Vec<Sample<'a>>) {
    let mut bursts: Vec<(usize, u32)> = samples.iter().map(|s| (s.class, s.burst)).collect();
    bursts.sort_unstable();
    bursts.dedup();
    let held: Vec<(usize, u32)> = bursts
        .chunk_by(|a, b| a.0 == b.0)
        .flat_map(|of_class| of_class.iter().skip(1).step_by(HELD_BACK))
        .copied()
        .collect();
    samples
        .iter()
        .partition(|s| held.binary_search(&(s.class, s.burst)).is_ok())
}

fn embed(layer: &Layer, sample: &Sample<'_>) -> Vec<f32> {
    let mut embedding = layer.embed(sample.map);
    embedding.extend_from_slice(sample.taps);
    embedding
}

fn fit(
    kind: Kind,
    layout: &Layout,
    layer: &Layer,
    samples: &[Sample<'_>],
) -> Result<Head, HeadError> {
    let embeddings: Vec<Vec<f32>> = samples.iter().map(|sample| embed(layer, sample)).collect();
    let examples: Vec<Example<'_>> = samples
        .iter()
        .zip(&embeddings)
        .map(|(sample, embedding)| Example {
            embedding,
            class: sample.class,
            burst: sample.burst,
        })
        .collect();
    Head::fit(kind, layout, &examples)
}

/// Whether the mean is above 0 by more than luck.
fn is_sure(gains: &[f64]) -> bool {
    let count = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / count;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / count;
    mean > SURE * (variance / count).sqrt()
}
