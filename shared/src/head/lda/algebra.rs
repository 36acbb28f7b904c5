//! What `faer` multiplies and decomposes.

use faer::{
    Accum, Auto, Conj, Mat, MatRef, Par, Side, Spec,
    dyn_stack::{MemBuffer, MemStack, StackReq},
    linalg::{
        evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch},
        householder::{
            apply_block_householder_sequence_on_the_left_in_place_scratch,
            apply_block_householder_sequence_on_the_left_in_place_with_conj,
        },
        matmul::triangular::{self, BlockStructure},
        qr::no_pivoting::factor::recommended_block_size,
    },
    prelude::Solve,
    traits::RealField,
};
use ndarray::{Array1, Array2, ArrayView2};

/// Eigenvalues below this share of the highest are rounding.
const ROUNDING: f64 = 1e-9;

fn wide(matrix: &Array2<f64>) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)])
}

/// Inner products of rows; only those with a row before it, or itself, are set.
pub fn products<T: RealField>(rows: ArrayView2<'_, T>) -> Mat<T> {
    let rows = rows.as_standard_layout();
    let (count, width) = rows.dim();
    let numbers = rows.as_slice().unwrap_or_default();
    let rows = MatRef::from_row_major_slice(numbers, count, width);
    let mut products = Mat::zeros(count, count);
    triangular::matmul(
        products.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        rows,
        BlockStructure::Rectangular,
        rows.transpose(),
        BlockStructure::Rectangular,
        T::one_impl(),
        Par::Seq,
    );
    products
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

/// `turned matrix turned'`, and the rotation that makes it tridiagonal.
pub struct Tridiagonal {
    pub diagonal: Vec<f64>,
    /// Below the diagonal: one number less.
    pub beside: Vec<f64>,
    pub turned: Array2<f64>,
}

/// Of a symmetric matrix, by Householder reflections.
pub fn tridiagonal(matrix: &Array2<f64>) -> Tridiagonal {
    let size = matrix.nrows();
    let others = size.saturating_sub(1);
    let mut reduced = wide(matrix);
    let block = recommended_block_size::<f64>(size, size);
    let mut factors = Mat::zeros(block, others);
    let settings = Spec::new(Auto::<f64>::auto());
    let mut space = MemBuffer::new(StackReq::any_of(&[
        tridiag_in_place_scratch::<f64>(size, Par::Seq, settings),
        apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(others, block, size),
    ]));
    let space = MemStack::new(&mut space);
    tridiag_in_place(
        reduced.as_mut(),
        factors.as_mut(),
        Par::Seq,
        space,
        settings,
    );
    let mut turned = Mat::<f64>::identity(size, size);
    if others > 0 {
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            reduced.submatrix(1, 0, others, others),
            factors.as_ref(),
            Conj::No,
            turned.as_mut().subrows_mut(1, others),
            Par::Seq,
            space,
        );
    }
    Tridiagonal {
        diagonal: (0..size).map(|i| reduced[(i, i)]).collect(),
        beside: (0..others).map(|i| reduced[(i + 1, i)]).collect(),
        turned: Array2::from_shape_fn((size, size), |(i, j)| turned[(j, i)]),
    }
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
