//! The temperature of a head: the number that its logits are divided by so that its confidence
//! means what it says (Guo et al., "On calibration of modern neural networks", ICML 2017), found
//! on examples that the head has not seen. Whole bursts are held back together, because the frames
//! of one press are near-copies.

use ndarray::{Array2, ArrayView1, Axis};

use super::{Design, Kind};

const FOLDS: usize = 4;
/// Tried temperatures: powers of two from 2^-5 to 2^6 in steps of a quarter.
const GRID: std::ops::RangeInclusive<i32> = -20..=24;

/// The temperature that makes the held-back examples likeliest for a head fitted as `fitted` was, and
/// for each example the row of the head that had not seen it and called it so. Where no class can
/// spare a burst, or what is left is too little to fit a head of the same kind, there is nothing to
/// judge by, and each kind's `uncalibrated` temperature is used.
pub fn temperature(kind: Kind, fitted: Kind, design: &Design) -> (f32, Vec<Option<usize>>) {
    let nothing = || (uncalibrated(fitted), vec![None; design.labels.len()]);
    let folds = folds(design);
    let mut judged: Vec<(Vec<f32>, usize)> = Vec::new();
    let mut called = vec![None; design.labels.len()];
    for fold in 0..FOLDS {
        let held: Vec<usize> = rows(&folds, |f| f == Some(fold));
        if held.is_empty() {
            continue;
        }
        let kept = design.select(&rows(&folds, |f| f != Some(fold)));
        let head = kept.fit(kind);
        if head.kind != fitted {
            return nothing();
        }
        let logits = head.logits(design.features.select(Axis(0), &held).view());
        for (row, &example) in logits.outer_iter().zip(&held) {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            called[example] = best.map(|(place, _)| place);
            judged.push((row.to_vec(), design.labels[example]));
        }
    }
    if judged.is_empty() {
        return nothing();
    }
    let loss = |temperature: f32| -> f64 {
        judged
            .iter()
            .map(|(logits, label)| cross_entropy(ArrayView1::from(logits), *label, temperature))
            .sum()
    };
    let temperature = GRID
        .map(|power| (power as f32 / 4.0).exp2())
        .map(|temperature| (temperature, loss(temperature)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(uncalibrated(fitted), |(temperature, _)| temperature);
    (temperature, called)
}

/// Deals the bursts of every class round-robin to the folds; `None` for examples that are never
/// held back because their class has no other burst.
fn folds(design: &Design) -> Vec<Option<usize>> {
    let mut folds = vec![None; design.labels.len()];
    for class in 0..design.classes {
        let members = || (0..folds.len()).filter(|&row| design.labels[row] == class);
        let mut bursts: Vec<u32> = members().map(|row| design.bursts[row]).collect();
        bursts.sort_unstable();
        bursts.dedup();
        if bursts.len() < 2 {
            continue;
        }
        for row in members().collect::<Vec<_>>() {
            folds[row] = Some(bursts.partition_point(|&b| b < design.bursts[row]) % FOLDS);
        }
    }
    folds
}

fn rows(folds: &[Option<usize>], wanted: impl Fn(Option<usize>) -> bool) -> Vec<usize> {
    (0..folds.len()).filter(|&row| wanted(folds[row])).collect()
}

fn cross_entropy(logits: ArrayView1<'_, f32>, label: usize, temperature: f32) -> f64 {
    let scaled = logits.mapv(|v| f64::from(v / temperature));
    let highest = scaled.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    scaled.mapv(|v| (v - highest).exp()).sum().ln() + highest - scaled[label]
}

/// For heads that nothing could be held back from: a little on the careful side of what was likeliest
/// on the vehicle photos whose number mod 8 is 5 at one and two a class.
pub fn uncalibrated(kind: Kind) -> f32 {
    match kind {
        Kind::Means => 1.0,
        Kind::Ridge => 1.0,
        Kind::Logistic => 0.4,
        Kind::Lda => 1.0,
    }
}

impl Design {
    /// The same classes with only these examples.
    fn select(&self, rows: &[usize]) -> Design {
        let features: Array2<f32> = self.features.select(Axis(0), rows);
        Design {
            features,
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            bursts: rows.iter().map(|&row| self.bursts[row]).collect(),
            classes: self.classes,
        }
    }
}
