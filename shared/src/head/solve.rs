//! Conjugate gradients (Hestenes and Stiefel, 1952) for symmetric positive definite systems that
//! are known only by what they do to a matrix.

use ndarray::{Array2, Zip};

/// When to stop.
#[derive(Clone, Copy)]
pub struct Stop {
    /// The residual's length relative to the right side's.
    pub tolerance: f64,
    pub steps: usize,
}

/// For solutions that are used as they are: the error is far below what moves a verdict, and well
/// above the rounding of f32.
pub const EXACT: Stop = Stop {
    tolerance: 1e-5,
    steps: 200,
};

/// Solves `apply(X) = right`. The entries of X form one long vector: `apply` may couple rows.
pub fn conjugate_gradients(
    apply: impl Fn(&Array2<f32>) -> Array2<f32>,
    right: &Array2<f32>,
    stop: Stop,
) -> Array2<f32> {
    let mut solution = Array2::zeros(right.raw_dim());
    let mut residual = right.clone();
    let mut direction = right.clone();
    let mut length = inner(&residual, &residual);
    let enough = length * stop.tolerance * stop.tolerance;
    for _ in 0..stop.steps {
        if length <= enough {
            break;
        }
        let image = apply(&direction);
        let curvature = inner(&direction, &image);
        if curvature <= 0.0 {
            break;
        }
        let step = (length / curvature) as f32;
        solution.scaled_add(step, &direction);
        residual.scaled_add(-step, &image);
        let next = inner(&residual, &residual);
        let keep = (next / length) as f32;
        Zip::from(&mut direction)
            .and(&residual)
            .for_each(|d, &r| *d = r + keep * *d);
        length = next;
    }
    solution
}

/// The sum of products, in f64: f32 would lose the digits that the steps depend on.
pub fn inner(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum()
}
