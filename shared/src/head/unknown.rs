//! Whether a frame shows anything that was taught at all.
//!
//! In the model that `lda` describes, a class that was never taught has its mean around the centre of the
//! taught ones, with the covariance within classes divided by `PRIOR`. How much likelier features are
//! under a taught class than under such a new one is then, up to constants, the taught class's logit less
//! a share of half the squared distance from the centre. The likeliest class counts. What is usual,
//! held-back bursts of the taught classes say (`lda/usual.rs`).

use ndarray::{Array1, Array2, s};
use serde::{Deserialize, Serialize};

use super::{HeadError, Layout};

/// How strangeness is measured, for features with the taps at length 1.
pub(super) struct Ruler {
    /// Numbers of the last embedding; the rest are the taps'.
    pub last: usize,
    /// The length of the taps.
    pub taps: f64,
    /// Of half the squared distance from the centre.
    pub share: f64,
    /// A row a class, for features less the centre.
    pub discriminants: Array2<f32>,
    pub centre: Array1<f32>,
    /// Main directions of the scatter within classes, one a row,
    pub directions: Array2<f32>,
    /// and what is taken off of the squared distance along each, 0..=1.
    pub gains: Vec<f32>,
}

/// A `Ruler` with its rows rounded to 8 bits, for a head is written to flash at every press.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gauge {
    /// What the squared length of the taps counts; that of the last embedding counts 1.
    taps: f32,
    /// Of half the squared distance.
    share: f32,
    /// The centre's squared length.
    square: f32,
    /// One a class,
    bias: Vec<f32>,
    /// and a direction each.
    gains: Vec<f32>,
    /// The centre along each direction.
    offsets: Vec<f32>,
    /// A discriminant a class, the centre, the directions: each row's numbers are its scale times
    /// these.
    rows: Vec<i8>,
    scales: Vec<f32>,
}

/// A `Gauge` and what it usually reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Unknown {
    gauge: Gauge,
    /// Mean and deviation of what frames of taught classes reach.
    usual: f32,
    spread: f32,
}

impl Gauge {
    /// `lessened`: what is taken off of each class's logit.
    pub fn new(ruler: &Ruler, lessened: &[f64]) -> Self {
        let taps = ruler.taps.powi(2) as f32;
        let centre = ruler.centre.to_vec();
        let mut weighed = ruler.centre.clone();
        weighed
            .slice_mut(s![ruler.last..])
            .mapv_inplace(|v| v * taps);
        let discriminants = ruler.discriminants.outer_iter();
        let all = discriminants
            .chain([weighed.view()])
            .chain(ruler.directions.outer_iter());
        let (mut rows, mut scales, mut at_centre) = (Vec::new(), Vec::new(), Vec::new());
        for row in all {
            let highest = row.fold(0.0f32, |most, v| most.max(v.abs()));
            let scale = highest / f32::from(i8::MAX);
            let rounded: Vec<i8> = row
                .iter()
                .map(|v| (v / scale.max(f32::MIN_POSITIVE)).round() as i8)
                .collect();
            // With the rounded row, so that its rounding tells on what differs from the centre only.
            at_centre.push(scale * dot(&rounded, &centre));
            rows.extend(rounded);
            scales.push(scale);
        }
        let classes = ruler.discriminants.nrows();
        let bias = at_centre[..classes].iter().zip(lessened);
        let bias = bias.map(|(at, less)| -at - *less as f32);
        Self {
            taps,
            share: ruler.share as f32,
            square: at_centre[classes],
            bias: bias.collect(),
            gains: ruler.gains.clone(),
            offsets: at_centre[classes + 1..].to_vec(),
            rows,
            scales,
        }
    }

    /// How much likelier the features are under their likeliest class than under a new one. `None` of
    /// features that it is not for. `last`: numbers of the last embedding.
    pub fn reached(&self, features: &[f32], last: usize) -> Option<f32> {
        let products: Vec<f32> = self
            .rows
            .chunks_exact(features.len())
            .zip(&self.scales)
            .map(|(row, scale)| scale * dot(row, features))
            .collect();
        let (products, others) = products.split_at_checked(self.bias.len())?;
        let (centre, along) = others.split_first()?;
        let (embedding, taps) = features.split_at_checked(last)?;
        let square = |numbers: &[f32]| numbers.iter().map(|v| v * v).sum::<f32>();
        let mut distance =
            square(embedding) + self.taps * square(taps) - 2.0 * centre + self.square;
        for ((on, gain), offset) in along.iter().zip(&self.gains).zip(&self.offsets) {
            distance -= gain * (on - offset).powi(2);
        }
        let logits = products.iter().zip(&self.bias).map(|(v, bias)| v + bias);
        Some(logits.fold(f32::NEG_INFINITY, f32::max) - self.share * distance / 2.0)
    }
}

impl Unknown {
    /// `usual`, `spread`: mean and deviation of what frames of taught classes reach. `None` where that
    /// is no deviation.
    pub fn new(gauge: Gauge, usual: f64, spread: f64) -> Option<Self> {
        let (usual, spread) = (usual as f32, spread as f32);
        (usual.is_finite() && spread.is_normal()).then_some(Self {
            gauge,
            usual,
            spread,
        })
    }

    /// The share of taught things that look stranger, 0..=1; `None` where it is not a number.
    pub fn familiarity(&self, features: &[f32], last: usize) -> Option<f32> {
        let reached = self.gauge.reached(features, last)?;
        let deviations = f64::from((reached - self.usual) / self.spread);
        (!deviations.is_nan()).then(|| normal(deviations) as f32)
    }

    /// Whether one that came from outside holds together.
    pub fn check(&self, classes: usize, layout: &Layout) -> Result<(), HeadError> {
        let gauge = &self.gauge;
        let rows = gauge.gains.len().saturating_add(classes).saturating_add(1);
        let fits = Some(gauge.rows.len()) == layout.width().checked_mul(rows)
            && gauge.scales.len() == rows
            && gauge.bias.len() == classes
            && gauge.offsets.len() == gauge.gains.len();
        if !fits {
            return Err(HeadError::Damaged(
                "its directions do not fit its embeddings",
            ));
        }
        let numbers = [&gauge.bias, &gauge.gains, &gauge.offsets, &gauge.scales];
        let single = [
            gauge.taps,
            gauge.share,
            gauge.square,
            self.usual,
            self.spread,
        ];
        let finite = numbers
            .into_iter()
            .flatten()
            .chain(&single)
            .all(|v| v.is_finite());
        match finite && self.spread > 0.0 {
            true => Ok(()),
            false => Err(HeadError::Damaged("it holds a number that is not finite")),
        }
    }
}

/// In eight sums, which a processor adds side by side.
fn dot(rounded: &[i8], numbers: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (rounded, numbers) in rounded.chunks(8).zip(numbers.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(rounded.iter().zip(numbers)) {
            *sum += f32::from(*a) * b;
        }
    }
    sums.iter().sum()
}

/// The share of a standard normal distribution below `x`, to 1e-7 (Abramowitz and Stegun, 7.1.26).
fn normal(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let factors = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let polynomial = factors.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    let tail = polynomial * (-z * z).exp() / 2.0;
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_the_tables() {
        for (x, share) in [
            (0.0, 0.5),
            (1.0, 0.841_344_7),
            (-1.644_853_6, 0.05),
            (-4.0, 3.167_1e-5),
        ] {
            assert!((normal(x) - share).abs() < 2e-7, "{x}: {}", normal(x));
        }
    }
}
