//! Linear discriminant analysis (Fisher, 1936) with a shrunk covariance: the classes share one
//! covariance S (pooled within classes), taken as `(1 - k) S + k mean(diag S) I` (Friedman,
//! "Regularized discriminant analysis", 1989). Classes are taken to be equally likely, however
//! often each was taught.

use super::{Design, Kind, Linear, means, solve::EXACT, solve::conjugate_gradients};
use ndarray::{Axis, Zip};

/// k above. A fixed camera likes less (0.5 gains half a point on the vehicles at 20 a class), a
/// varied scene more (0.6 loses three points on CIFAR-10); 0.9 is near the best of both. Chosen on
/// vehicle photos whose number mod 8 is 5 and on CIFAR-10's first batch, docs/learning.md has it.
const SHRINKAGE: f32 = 0.9;
/// The covariance is measured in units of its mean variance, so that logits do not depend on the
/// number of features; this spreads them. The temperature does the rest.
const SCALE: f32 = 64.0;
/// A mean variance below this is rounding: no two examples of any class differ.
const NO_VARIANCE: f32 = 1e-12;

pub fn fit(design: &Design) -> Linear {
    let count = design.features.nrows() as f32;
    let class_means = design.means();
    let mut within = design.features.clone();
    for (mut row, &label) in within.outer_iter_mut().zip(&design.labels) {
        row -= &class_means.row(label);
    }
    let variance =
        within.iter().map(|v| v * v).sum::<f32>() / count / design.features.ncols() as f32;
    if variance < NO_VARIANCE {
        return means::fit(design);
    }
    let centre = class_means.sum_axis(Axis(0)) / design.classes as f32;
    let between = &class_means - &centre.view().insert_axis(Axis(0));
    let weights = conjugate_gradients(
        |w| {
            let mut image = w.dot(&within.t()).dot(&within);
            image *= (1.0 - SHRINKAGE) / (count * variance);
            image.scaled_add(SHRINKAGE, w);
            image
        },
        &(&between * SCALE),
        EXACT,
    );
    // log p(x | class) up to what all classes share: w.(x - centre) - w.(mean - centre) / 2.
    let mut bias = -weights.dot(&centre);
    Zip::from(&mut bias)
        .and(weights.outer_iter())
        .and(between.outer_iter())
        .for_each(|bias, weights, between| *bias -= weights.dot(&between) / 2.0);
    Linear {
        kind: Kind::Lda,
        weights,
        bias,
    }
}
