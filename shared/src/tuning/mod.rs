//! Fine-tuning: the network's last layer before the embedding learns too.
//!
//! Where a network ends in a 1 x 1 convolution, an activation and an average over positions, as
//! MobileNets do, that convolution can be retrained from the maps that go into it (`cut`, `layer`),
//! with a head on top, by back-propagation (`learn`). What an embedding is changes with it, so it is
//! worth its while only where there are many samples, and those say whether it is, and how long it should
//! learn (`validate`); where it is not, everything stays as it is.

mod cut;
mod layer;
mod learn;
#[cfg(test)]
mod tests;
mod validate;

use std::ops::ControlFlow;

pub use cut::{Cut, Trunk};
pub use layer::{Layer, Map};

use crate::head::{Example, Head, HeadError, Kind, Layout};
use learn::Lesson;
pub use validate::are_enough;
use validate::validate;

/// The share of the time that goes into finding out whether it is worth its while.
const JUDGING: f32 = 0.75;

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
    /// What the samples are called by heads that had not seen them, before and now: for the guard. `None`
    /// of those that could not be held back.
    pub called_before: Vec<Option<usize>>,
    pub called_after: Vec<Option<usize>>,
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
    let judging = |done: f32| going(done * JUDGING);
    let Some(found) = validate(layer, layout, samples, threads, judging)? else {
        return Ok(None);
    };
    let mut lesson = Lesson::new(layer, samples, threads)?;
    for pass in 0..found.passes {
        let seen = lesson.pass(|done| {
            let done = (pass as f32 + done) / found.passes as f32;
            going(JUDGING + (1.0 - JUDGING) * done)
        });
        if !seen.continue_value().is_some_and(f64::is_finite) {
            return Ok(None);
        }
    }
    if going(1.0).is_break() {
        return Ok(None);
    }
    Ok(Some(Tuned {
        layer: lesson.layer().clone(),
        passes: found.passes,
        sharpness: found.after.sharpness as f32,
        before: found.before.loss,
        after: found.after.loss,
        called_before: found.called_before,
        called_after: found.called_after,
    }))
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
