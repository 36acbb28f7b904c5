//! The eigendecomposition of a symmetric matrix.

use faer::{Mat, Side};
use ndarray::{Array1, Array2};

/// Above this many rows it is done in f32, which takes half the time: what is lost lies far below
/// any shrinkage.
pub const PRECISE: usize = 512;
/// Eigenvalues below this share of the highest are rounding.
const ROUNDING: f64 = 1e-9;
const ROUNDING_F32: f64 = 1e-6;

/// The positive eigenvalues, descending, and their vectors: one a column.
pub fn positive(matrix: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let size = matrix.nrows();
    let all = if size <= PRECISE {
        let matrix = Mat::<f64>::from_fn(size, size, |i, j| matrix[(i, j)]);
        matrix.self_adjoint_eigen(Side::Lower).map(|eigen| {
            let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
            let vectors = eigen.U();
            (
                values,
                Array2::from_shape_fn((size, size), |(i, j)| vectors[(i, j)]),
            )
        })
    } else {
        let matrix = Mat::<f32>::from_fn(size, size, |i, j| matrix[(i, j)] as f32);
        matrix.self_adjoint_eigen(Side::Lower).map(|eigen| {
            let values: Vec<f64> = eigen
                .S()
                .column_vector()
                .iter()
                .map(|&v| f64::from(v))
                .collect();
            let vectors = eigen.U();
            (
                values,
                Array2::from_shape_fn((size, size), |(i, j)| f64::from(vectors[(i, j)])),
            )
        })
    };
    // Without an answer (it did not converge) there are no directions: class means are left.
    let Ok((values, vectors)) = all else {
        return (Array1::zeros(0), Array2::zeros((size, 0)));
    };
    let highest = values.last().copied().unwrap_or(0.0);
    let rounding = if size <= PRECISE {
        ROUNDING
    } else {
        ROUNDING_F32
    };
    let kept: Vec<usize> = (0..size)
        .rev()
        .filter(|&i| values[i] > (highest * rounding).max(f64::MIN_POSITIVE))
        .collect();
    let values = kept.iter().map(|&i| values[i]).collect();
    (values, vectors.select(ndarray::Axis(1), &kept))
}
