//! What `faer` decomposes.

use faer::{Mat, Side, prelude::Solve};
use ndarray::{Array1, Array2};

/// Eigenvalues below this share of the highest are rounding.
const ROUNDING: f64 = 1e-9;

fn wide(matrix: &Array2<f64>) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)])
}

/// The positive eigenvalues of a symmetric matrix, descending, and their vectors, one a row. None
/// where they do not converge.
pub fn positive(matrix: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let size = matrix.nrows();
    let Ok(eigen) = wide(matrix).self_adjoint_eigen(Side::Lower) else {
        return (Array1::zeros(0), Array2::zeros((0, size)));
    };
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let least = values.last().copied().unwrap_or(0.0) * ROUNDING;
    let kept = (0..size)
        .rev()
        .filter(|&i| values[i] > least.max(f64::MIN_POSITIVE));
    let kept: Vec<usize> = kept.collect();
    let vectors = eigen.U();
    let rows = Array2::from_shape_fn((kept.len(), size), |(i, j)| vectors[(j, kept[i])]);
    (kept.into_iter().map(|i| values[i]).collect(), rows)
}

/// X of `matrix X = right`, for a symmetric positive definite matrix. Zeros where it is not, which is
/// beyond rounding.
pub fn solve(matrix: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
    let Ok(cholesky) = wide(matrix).llt(Side::Lower) else {
        return Array2::zeros(right.raw_dim());
    };
    let solution = cholesky.solve(wide(right));
    Array2::from_shape_fn(right.raw_dim(), |(i, j)| solution[(i, j)])
}
