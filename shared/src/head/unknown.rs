//! Whether a frame shows anything that was taught at all.
//!
//! In the model that `lda` describes, a class that was never taught has its mean around the centre of the
//! taught ones, with the covariance within classes divided by `PRIOR`. How much likelier features are
//! under a taught class than under such a new one is then, up to constants, the taught class's logit less
//! a share of half the squared distance from the centre (`share`). The likeliest class counts. What
//! is usual, held-back bursts of the taught classes say.

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{HeadError, calibrate::Judged, layout::Layout};

/// The squared distance of features from the centre of all classes, in the metric of the
/// discriminants, with the main directions of the scatter within classes only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Distance {
    /// What the squared length of the taps counts; that of the last embedding counts 1.
    pub taps: f32,
    /// Twice the centre, for inner products; then the directions, a row each.
    pub rows: Vec<f32>,
    /// The centre's squared length.
    pub square: f32,
    /// What is taken off of the square along each direction, 0..=1.
    pub gains: Vec<f32>,
    /// The centre along each direction.
    pub offsets: Vec<f32>,
    /// What the distance is to be multiplied by beside the logits.
    pub weight: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Unknown {
    distance: Distance,
    /// Mean and deviation of what held-back examples reach.
    usual: f32,
    spread: f32,
}

/// Fewer held-back examples do not say what is usual.
const FEWEST: usize = 4;

impl Unknown {
    /// `judged` are the logits of held-back examples and `distances` their distances; the head's
    /// logits are `sharpness` times those.
    pub fn new(mut distance: Distance, sharpness: f64, judged: &Judged, distances: &[f64]) -> Option<Self> {
        let weight = f64::from(distance.weight);
        let reached: Vec<f64> = judged
            .each()
            .zip(distances)
            .map(|(logits, far)| {
                let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                sharpness * (highest - weight * far)
            })
            .collect();
        if reached.len() < FEWEST {
            return None;
        }
        distance.weight = (weight * sharpness) as f32;
        let count = reached.len() as f64;
        let usual = reached.iter().sum::<f64>() / count;
        let variance = reached.iter().map(|v| (v - usual).powi(2)).sum::<f64>() / (count - 1.0);
        let spread = variance.sqrt() as f32;
        (spread > 0.0 && spread.is_finite()).then_some(Self {
            distance,
            usual: usual as f32,
            spread,
        })
    }

    /// The share of taught things that look stranger, 0..=1; `None` where it is not a number.
    pub fn familiarity(&self, logits: &[f32], features: &[f32], last: usize) -> Option<f32> {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let reached = highest - self.distance.weight * self.distance.of(features, last);
        let deviations = f64::from((reached - self.usual) / self.spread);
        (!deviations.is_nan()).then(|| normal(deviations) as f32)
    }

    /// Whether one that came from outside holds together.
    pub fn check(&self, layout: &Layout) -> Result<(), HeadError> {
        let Distance { taps, rows, square, gains, offsets, weight } = &self.distance;
        if Some(rows.len()) != layout.width().checked_mul(gains.len() + 1) || gains.len() != offsets.len() {
            return Err(HeadError::Damaged("its directions do not fit its embeddings"));
        }
        let numbers = rows.iter().chain(gains).chain(offsets);
        let numbers = numbers.chain([taps, square, weight, &self.usual, &self.spread]);
        if numbers.into_iter().any(|v| !v.is_finite()) || self.spread <= 0.0 {
            return Err(HeadError::Damaged("it holds a number that is not finite"));
        }
        Ok(())
    }
}

impl Distance {
    fn of(&self, features: &[f32], last: usize) -> f32 {
        let view = ArrayView1::from(features);
        let (embedding, taps) = view.split_at(ndarray::Axis(0), last.min(features.len()));
        let Ok(rows) = ArrayView2::from_shape((self.gains.len() + 1, features.len()), &self.rows) else {
            return f32::NAN;
        };
        let along = rows.dot(&view);
        let square = embedding.dot(&embedding) + self.taps * taps.dot(&taps) - along[0] + self.square;
        let directions = along.iter().skip(1).zip(&self.gains).zip(&self.offsets);
        square - directions.map(|((on, gain), offset)| gain * (on - offset).powi(2)).sum::<f32>()
    }
}

/// The share of a standard normal distribution below `x`, to 1e-7 (Abramowitz and Stegun, 7.1.26).
fn normal(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let polynomial = t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = polynomial * (-z * z).exp() / 2.0;
    if x < 0.0 { tail } else { 1.0 - tail }
}
