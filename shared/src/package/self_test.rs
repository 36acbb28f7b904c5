//! Does this very machine compute what the machine computed that made the package?

use crate::{
    backbone::{BackboneError, Embedder},
    frame::Frame,
};

/// The largest relative difference, |got - expected| / |expected|, that passes. Processors differ
/// in the sixth digit; a wrong channel order or a broken operator differs in the first.
const TOLERANCE: f64 = 0.01;

/// An input and the embedding it must give.
#[derive(Clone, Debug)]
pub struct SelfTest {
    /// Of the network's input size.
    pub crop: Frame,
    pub embedding: Vec<f32>,
}

#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    #[error(
        "self-test {number} failed: the embedding is {percent:.1}% off; this machine computes \
         wrongly, or the package's network is not the one it was made with"
    )]
    Differs { number: usize, percent: f64 },
}

impl super::Package {
    /// Runs every self-test; the largest relative difference where all pass.
    pub fn run_self_test(&self, embedder: &mut Embedder) -> Result<f64, SelfTestError> {
        let mut worst = 0.0f64;
        for (number, test) in self.self_test.iter().enumerate() {
            let got = embedder.embed_crop(&test.crop)?;
            let difference = relative_difference(&got, &test.embedding);
            if difference.is_nan() || difference > TOLERANCE {
                return Err(SelfTestError::Differs {
                    number,
                    percent: difference * 100.0,
                });
            }
            worst = worst.max(difference);
        }
        Ok(worst)
    }
}

/// Infinite where the widths differ.
fn relative_difference(got: &[f32], expected: &[f32]) -> f64 {
    if got.len() != expected.len() {
        return f64::INFINITY;
    }
    let square = |v: f64| v * v;
    let off: f64 = got
        .iter()
        .zip(expected)
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    let size: f64 = expected.iter().map(|&v| square(f64::from(v))).sum();
    if off == 0.0 { 0.0 } else { (off / size).sqrt() }
}
