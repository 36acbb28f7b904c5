//! The eigendecomposition of a symmetric matrix.

use faer::{Mat, Side, linalg::solvers::SelfAdjointEigen};
use ndarray::{Array1, Array2};

/// Above this many rows it is done in f32, which takes half the time: what is lost lies far below
/// any shrinkage.
pub const PRECISE: usize = 512;
/// Eigenvalues below this share of the highest are rounding.
const ROUNDING: f64 = 1e-9;
const ROUNDING_F32: f64 = 1e-6;

/// The positive eigenvalues, descending, and their vectors, one a row.
pub fn positive(matrix: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let size = matrix.nrows();
    // Symmetric: rows are columns.
    let of = |i: usize, j: usize| matrix[(j, i)];
    let (rounding, all) = match size <= PRECISE {
        true => {
            let eigen = Mat::<f64>::from_fn(size, size, of).self_adjoint_eigen(Side::Lower);
            (ROUNDING, eigen.map(|eigen| parts(&eigen, |v| v)))
        }
        false => {
            let matrix = Mat::<f32>::from_fn(size, size, |i, j| of(i, j) as f32);
            let eigen = matrix.self_adjoint_eigen(Side::Lower);
            (ROUNDING_F32, eigen.map(|eigen| parts(&eigen, f64::from)))
        }
    };
    // Without an answer (it did not converge) there are no directions: class means are left.
    let (values, vectors) = all.unwrap_or_default();
    let highest = values.last().copied().unwrap_or(0.0);
    let least = (highest * rounding).max(f64::MIN_POSITIVE);
    let kept: Vec<usize> = (0..values.len()).rev().filter(|&i| values[i] > least).collect();
    let rows = kept.iter().flat_map(|&i| &vectors[i * size..(i + 1) * size]);
    let rows = Array2::from_shape_vec((kept.len(), size), rows.copied().collect());
    let rows = rows.unwrap_or_else(|_| unreachable!("a row of `size` numbers each"));
    (kept.iter().map(|&i| values[i]).collect(), rows)
}

/// Eigenvalues, ascending, and the numbers of their vectors one after the other.
fn parts<T: faer::traits::ComplexField + Copy>(
    eigen: &SelfAdjointEigen<T>,
    wide: impl Fn(T) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let values = eigen.S().column_vector().iter().map(|&v| wide(v)).collect();
    let vectors = eigen.U().col_iter();
    let vectors = vectors.flat_map(|column| column.iter().map(|&v| wide(v)).collect::<Vec<f64>>());
    (values, vectors.collect())
}
