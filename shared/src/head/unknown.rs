//! Whether a frame shows anything that was taught at all.
//!
//! In the model that `lda` describes, a class that was never taught has its mean around the centre of the
//! taught ones, with the covariance within classes divided by `PRIOR`. How much likelier features are
//! under a taught class than under such a new one is then, up to constants, the taught class's logit less
//! a share of half the squared distance from the centre. The likeliest class counts. What is usual,
//! held-back bursts of the taught classes say.

use ndarray::{Array1, Array2, s};
use serde::{Deserialize, Serialize};

use super::{HeadError, Layout};

/// What decides, for features with the taps at length 1.
pub(super) struct Ruler {
    /// Numbers of the last embedding; the rest are the taps'.
    pub last: usize,
    /// The length of the taps.
    pub taps: f64,
    /// Of half the squared distance from the centre.
    pub share: f64,
    /// A row a class, for features less the centre,
    pub discriminants: Array2<f32>,
    /// and what is taken off of its product with them.
    pub halves: Array1<f64>,
    pub centre: Array1<f32>,
    /// Main directions of the scatter within classes, one a row,
    pub directions: Array2<f32>,
    /// and what is taken off of the squared distance along each, 0..=1.
    pub gains: Vec<f32>,
}

/// A `Ruler` with its rows rounded to 8 bits, for a head is written to flash at every press; and what it
/// usually reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Unknown {
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
    /// Mean and deviation of what held-back examples reach.
    usual: f32,
    spread: f32,
}

/// Fewer held-back examples do not say what is usual.
const FEWEST: usize = 4;

impl Unknown {
    /// `reached`: what held-back examples reach, the highest logit less the share of half the squared
    /// distance. `None` where it does not say what is usual.
    pub fn new(ruler: &Ruler, reached: &[f64]) -> Option<Self> {
        let count = reached.len() as f64;
        let usual = reached.iter().sum::<f64>() / count;
        let squares: f64 = reached.iter().map(|v| (v - usual).powi(2)).sum();
        let spread = (squares / (count - 1.0)).sqrt() as f32;
        if reached.len() < FEWEST || !spread.is_normal() {
            return None;
        }
        let taps = ruler.taps.powi(2) as f32;
        let mut centre = ruler.centre.clone();
        centre
            .slice_mut(s![ruler.last..])
            .mapv_inplace(|v| v * taps);
        let discriminants = ruler.discriminants.outer_iter();
        let all = discriminants
            .chain([centre.view()])
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
            at_centre.push(scale * dot(&rounded, ruler.centre.iter()));
            rows.extend(rounded);
            scales.push(scale);
        }
        let classes = ruler.halves.len();
        let halves = ruler.halves.iter().zip(&at_centre);
        Some(Self {
            taps,
            share: ruler.share as f32,
            square: at_centre[classes],
            bias: halves.map(|(half, at)| -at - *half as f32).collect(),
            gains: ruler.gains.clone(),
            offsets: at_centre[classes + 1..].to_vec(),
            rows,
            scales,
            usual: usual as f32,
            spread,
        })
    }

    /// The share of taught things that look stranger, 0..=1; `None` where it is not a number.
    pub fn familiarity(&self, features: &[f32], last: usize) -> Option<f32> {
        let products: Vec<f32> = self
            .rows
            .chunks_exact(features.len())
            .zip(&self.scales)
            .map(|(row, scale)| scale * dot(row, features))
            .collect();
        let (logits, others) = products.split_at_checked(self.bias.len())?;
        let (centre, along) = others.split_first()?;
        let highest = logits.iter().zip(&self.bias).map(|(v, bias)| v + bias);
        let highest = highest.fold(f32::NEG_INFINITY, f32::max);
        let (embedding, taps) = features.split_at_checked(last)?;
        let square = |numbers: &[f32]| numbers.iter().map(|v| v * v).sum::<f32>();
        let mut distance =
            square(embedding) + self.taps * square(taps) - 2.0 * centre + self.square;
        for ((on, gain), offset) in along.iter().zip(&self.gains).zip(&self.offsets) {
            distance -= gain * (on - offset).powi(2);
        }
        let reached = highest - self.share * distance / 2.0;
        let deviations = f64::from((reached - self.usual) / self.spread);
        (!deviations.is_nan()).then(|| normal(deviations) as f32)
    }

    /// Whether one that came from outside holds together.
    pub fn check(&self, classes: usize, layout: &Layout) -> Result<(), HeadError> {
        let rows = self.gains.len().saturating_add(classes).saturating_add(1);
        let fits = Some(self.rows.len()) == layout.width().checked_mul(rows)
            && self.scales.len() == rows
            && self.bias.len() == classes
            && self.offsets.len() == self.gains.len();
        if !fits {
            return Err(HeadError::Damaged(
                "its directions do not fit its embeddings",
            ));
        }
        let numbers = [&self.bias, &self.gains, &self.offsets, &self.scales];
        let single = [self.taps, self.share, self.square, self.usual, self.spread];
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

fn dot<'a>(rounded: &[i8], numbers: impl IntoIterator<Item = &'a f32>) -> f32 {
    let numbers = rounded.iter().zip(numbers);
    numbers.map(|(a, b)| f32::from(*a) * b).sum()
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
