//! Ridge regression (Hoerl and Kennard, 1970) on one-hot targets: minimises
//! `|X W' - Y|^2 + penalty |W|^2` over centred features X and targets Y.

use super::{Linear, design::Design, solve::EXACT, solve::conjugate_gradients};
use ndarray::{Array2, Axis};

/// In units of a centred example's mean squared length. Chosen on the vehicle photos whose number
/// mod 8 is 5 (docs/learning.md reports on others).
const PENALTY: f32 = 0.3;
/// Targets are 0 and 1; this spreads them to logits. The temperature does the rest.
const SCALE: f32 = 8.0;

pub fn fit(design: &Design) -> Linear {
    let features = design.embedding();
    let count = design.rows() as f32;
    let centre = features.sum_axis(Axis(0)) / count;
    let centred = &features - &centre.view().insert_axis(Axis(0));
    let mut targets = Array2::<f32>::zeros((design.classes, design.rows()));
    for (example, &label) in design.labels.iter().enumerate() {
        targets[(label, example)] = SCALE;
    }
    let share = targets.sum_axis(Axis(1)) / count;
    targets -= &share.view().insert_axis(Axis(1));
    let size = centred.iter().map(|v| v * v).sum::<f32>() / count;
    // Identical examples leave nothing to regress on; any positive penalty then gives W = 0.
    let penalty = (PENALTY * size).max(f32::MIN_POSITIVE.sqrt());
    let weights = conjugate_gradients(
        |w| w.dot(&centred.t()).dot(&centred) + &(w * penalty),
        &targets.dot(&centred),
        EXACT,
    );
    let bias = share - weights.dot(&centre);
    Linear { weights, bias }
}
