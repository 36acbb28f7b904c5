//! Linear discriminant analysis (Fisher, 1936) whose free numbers are chosen by the examples
//! themselves.
//!
//! The classes share one covariance, the scatter within classes shrunk towards a multiple of the
//! identity (Friedman, "Regularized discriminant analysis", 1989), and their means are drawn from one
//! normal distribution around their centre (the two-covariance model: Ioffe, "Probabilistic linear
//! discriminant analysis", ECCV 2006). Classes are taken to be equally likely, however often each was
//! taught.
//!
//! How much to shrink and how much the taps weigh is tried on a grid. Every point of the grid judges
//! every burst by what was taught without it, which costs next to nothing (`leave_out`), and the
//! points' logits are added up, each weighted by how likely it found the bursts (pseudo-Bayesian
//! model averaging: Yao et al., "Using stacking to average Bayesian predictive distributions", 2018).
//! With endless shrinkage the discriminants are class means: that is what is left where examples are
//! few and varied.

mod algebra;
mod centred;
mod leave_out;
mod noise;
mod products;
mod scatter;
mod spectrum;
mod taught;
#[cfg(test)]
mod tests;
mod usual;
mod whole;

use ndarray::{Array1, Array2, Axis};

use super::{
    Linear,
    calibrate::{self, Fit, Judged},
    design::{Burst, Design},
    unknown::Unknown,
};
use centred::Grams;
use leave_out::LeftOut;
use scatter::Scatter;
use whole::Whole;

/// Tried lengths of the taps beside the last embedding, whose length is 1.
const TAPS: [f64; 4] = [0.0, 1.0, 2.0, 4.0];
/// The length where nothing can be judged.
const TAPS_UNJUDGED: f64 = 1.0;
/// Tried numbers that are added to every eigenvalue of the scatter, in units of the mean squared
/// distance of an example from its class's mean. In these units the best changes little with the
/// number of examples.
const SHRINKAGES: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
const SHRINKAGE_UNJUDGED: f64 = 3.0;
/// As how many bursts the centre of all classes counts in the question where a class's mean lies: the
/// covariance of the means is the covariance within classes divided by this.
const PRIOR: f64 = 2.0;
/// Up to this many examples all points are used. Of more, some choose one point that stands for all:
/// the more there are, the less the points differ.
const MIXED: usize = 320;
const CHOOSING: usize = 256;
/// So many of them are then judged.
const JUDGED: usize = 512;
/// The power of the number of bursts that the points' losses are multiplied by: at 0 all points are
/// trusted alike, at 1 as if their losses were likelihoods of independent trials.
const TRUST: f64 = 0.75;

/// One shrinkage at one length of the taps.
struct Point {
    shrinkage: f64,
    /// Of all points, 0..=1.
    share: f64,
    /// What makes its logits likeliest.
    sharpness: f64,
    left_out: LeftOut,
}

impl Point {
    fn factor(&self) -> f64 {
        self.share * self.sharpness
    }
}

/// The points at one length of the taps.
struct Bench {
    scatter: Scatter,
    points: Vec<Point>,
}

/// A head, what heads say of examples that they had not seen (before calibration), and what is not
/// known, where that could be judged.
pub(super) fn fit(design: &Design) -> (Linear, Judged, Option<Unknown>) {
    let bursts = design.by_burst();
    if design.rows() <= MIXED {
        let grams = Grams::new(design);
        return combine(design, &grams, &choose(design, &grams, &bursts));
    }
    let rows: Vec<usize> = some(&bursts, CHOOSING)
        .into_iter()
        .flat_map(|burst| burst.rows)
        .collect();
    let few = design.select(&rows);
    let grams = Grams::new(&few);
    let benches = choose(&few, &grams, &few.by_burst());
    let (taps, shrinkage) = one(&benches);
    let whole = Whole::new(design, taps, shrinkage, &bursts, &some(&bursts, JUDGED));
    let LeftOut { judged, halves, .. } =
        LeftOut::new(&whole.taught, &whole.products).fair(&whole.taught);
    let linear = linear(design, whole.discriminants, &halves);
    (linear, judged, unknown(&few, &grams, &benches))
}

/// All points with their shares, which add up to 1.
fn choose(design: &Design, grams: &Grams, bursts: &[Burst]) -> Vec<Bench> {
    let plain = design.taps().is_empty();
    let lengths = if plain { &TAPS[..1] } else { &TAPS };
    let bench = |taps: f64, shrinkages: &[f64]| {
        let scatter = Scatter::new(design, grams, taps, bursts);
        let mut guess = calibrate::GUESS;
        let products = scatter.products(shrinkages);
        let points = shrinkages.iter().zip(&products);
        let points = points.map(|(&shrinkage, products)| {
            let left_out = LeftOut::new(&scatter.taught, products).fair(&scatter.taught);
            let fit = calibrate::sharpness(&left_out.judged, guess).unwrap_or(Fit {
                sharpness: 1.0,
                relative: guess,
                loss: f64::INFINITY,
            });
            guess = fit.relative;
            (
                fit.loss,
                Point {
                    shrinkage,
                    share: 1.0,
                    sharpness: fit.sharpness,
                    left_out,
                },
            )
        });
        let (losses, points): (Vec<f64>, Vec<Point>) = points.unzip();
        (losses, Bench { points, scatter })
    };
    let (losses, mut benches): (Vec<_>, Vec<_>) =
        lengths.iter().map(|&taps| bench(taps, &SHRINKAGES)).unzip();
    let losses: Vec<f64> = losses.into_iter().flatten().collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    if !best.is_finite() {
        let taps = if plain { 0.0 } else { TAPS_UNJUDGED };
        return vec![bench(taps, &[SHRINKAGE_UNJUDGED]).1];
    }
    let trust = (bursts.len() as f64).powf(TRUST);
    let shares: Vec<f64> = losses
        .iter()
        .map(|loss| (-(loss - best) * trust).exp())
        .collect();
    let sum: f64 = shares.iter().sum();
    let points = benches.iter_mut().flat_map(|bench| &mut bench.points);
    points
        .zip(shares)
        .for_each(|(point, share)| point.share = share / sum);
    benches
}

/// The one length of the taps and the one shrinkage that stand for all points.
fn one(benches: &[Bench]) -> (f64, f64) {
    let share = |bench: &Bench| bench.points.iter().map(|point| point.share).sum::<f64>();
    let best = benches.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    best.map_or((0.0, SHRINKAGE_UNJUDGED), |bench| {
        let logs = bench
            .points
            .iter()
            .map(|point| point.share * point.shrinkage.ln());
        (bench.scatter.taps, (logs.sum::<f64>() / share(bench)).exp())
    })
}

/// Bursts of `most` examples at the most (and one a class at the least): one of every class in turn.
fn some(bursts: &[Burst], most: usize) -> Vec<Burst> {
    let mut turns: Vec<(usize, &Burst)> = Vec::with_capacity(bursts.len());
    for of_class in bursts.chunk_by(|a, b| a.class == b.class) {
        turns.extend(of_class.iter().enumerate());
    }
    turns.sort_by_key(|(turn, burst)| (*turn, burst.class));
    let mut rows = 0;
    let taken = turns.into_iter().take_while(|(turn, burst)| {
        rows += burst.rows.len();
        *turn == 0 || rows <= most
    });
    taken.map(|(_, burst)| burst.clone()).collect()
}

/// The sum of what the points say. No bench, or one without points, says nothing.
fn combine(design: &Design, grams: &Grams, benches: &[Bench]) -> (Linear, Judged, Option<Unknown>) {
    let mut weights = Array2::<f32>::zeros((design.classes, design.features.ncols()));
    let mut halves = Array1::<f64>::zeros(design.classes);
    let mut judged = Judged::new(design.classes);
    for Bench { scatter, points } in benches {
        let factors = points.iter().map(|point| (point.shrinkage, point.factor()));
        weights += &scatter.discriminants(design, factors);
        for point in points {
            halves.scaled_add(point.factor(), &point.left_out.halves);
            judged.add(point.factor(), &point.left_out.judged);
        }
    }
    (
        linear(design, weights, &halves),
        judged,
        unknown(design, grams, benches),
    )
}

/// `weights` are for features less the centre of the classes.
fn linear(design: &Design, weights: Array2<f32>, halves: &Array1<f64>) -> Linear {
    let bias = -weights.dot(&centre(design)) - halves.mapv(|half| half as f32);
    Linear { weights, bias }
}

fn centre(design: &Design) -> Array1<f32> {
    design.means().sum_axis(Axis(0)) / design.classes as f32
}

/// What is not known, by the likeliest point.
fn unknown(design: &Design, grams: &Grams, benches: &[Bench]) -> Option<Unknown> {
    let points = benches.iter();
    let points = points.flat_map(|bench| bench.points.iter().map(move |point| (bench, point)));
    let (bench, point) = points.max_by(|a, b| a.1.share.total_cmp(&b.1.share))?;
    usual::unknown(design, grams, bench.scatter.taps, point.shrinkage)
}
