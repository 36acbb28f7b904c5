//! The scatter within classes in coordinates in which it is tridiagonal: for few examples, when many
//! shrinkages are tried. With T what the inner products of examples are there, T + added = L D L' and
//! L is one number a row, so that every shrinkage takes as many steps as the coordinates have numbers
//! (Golub and Van Loan, "Matrix computations", 4.3 and 8.3). Eigenvectors would take most of a fit.

use ndarray::{Array2, Axis, s};

use super::{
    algebra::{Tridiagonal, tridiagonal},
    centred::{Centred, Grams, at, means, unit},
    products::{OfBurst, Products},
    taught::Taught,
};
use crate::head::design::{Burst, Design};

pub struct Scatter {
    /// The length of the taps.
    pub taps: f64,
    /// The mean squared distance of an example from its class's mean.
    unit: f64,
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    /// A row a coordinate: of U (mean - centre) for every class, then of every example.
    on: Array2<f64>,
    /// The former alone, a row a class.
    means_on: Array2<f64>,
    /// Of class means less their centre.
    means: Array2<f64>,
    /// All examples are judged.
    pub taught: Taught,
}

/// Of T + added = L D L':
struct Factors {
    /// what L has below its diagonal of ones, a 0 before it,
    below: Vec<f64>,
    /// and D^-1.
    weights: Vec<f64>,
}

impl Scatter {
    /// `bursts` are the design's.
    pub fn new(design: &Design, grams: &Grams, taps: f64, bursts: &[Burst]) -> Self {
        let taught = Taught::new(design, bursts, bursts);
        let Centred {
            means,
            means_rows,
            within,
            ..
        } = Centred::new(design, grams, taps);
        let Tridiagonal {
            diagonal,
            beside,
            turned,
        } = tridiagonal(&within);
        let classes = design.classes;
        let mut on = Array2::zeros((design.rows(), classes + design.rows()));
        let means_on = means_rows.dot(&turned.t());
        on.slice_mut(s![.., ..classes]).assign(&means_on.t());
        on.slice_mut(s![.., classes..])
            .assign(&turned.select(Axis(1), &taught.rows));
        Self {
            taps,
            unit: unit(within.diag().sum(), design.rows()),
            diagonal,
            beside,
            on,
            means_on,
            means,
            taught,
        }
    }

    /// What a shrinkage adds to eigenvalues.
    pub fn added(&self, shrinkage: f64) -> f64 {
        shrinkage * self.unit
    }

    fn factors(&self, added: f64) -> Factors {
        let (mut below, mut weights) = (vec![0.0], vec![1.0 / (self.diagonal[0] + added)]);
        for (diagonal, beside) in self.diagonal[1..].iter().zip(&self.beside) {
            let factor = beside * weights[weights.len() - 1];
            below.push(factor);
            weights.push(1.0 / (diagonal + added - factor * beside));
        }
        Factors { below, weights }
    }

    /// (U U' + added)^-1 of U (mean - centre), a row a class.
    fn of_means(&self, Factors { below, weights }: &Factors) -> Array2<f64> {
        let mut solved = self.means_on.clone();
        for mut solved in solved.outer_iter_mut() {
            let size = solved.len();
            for i in 1..size {
                solved[i] -= below[i] * solved[i - 1];
            }
            solved.iter_mut().zip(weights).for_each(|(v, w)| *v *= w);
            for i in (1..size).rev() {
                solved[i - 1] -= below[i] * solved[i];
            }
        }
        solved
    }

    /// Of (U U' + added)^-1 what it has for every judged example and those that stand up to `most` - 1
    /// places on, as many rows: the examples of a burst stand side by side.
    fn of_rows(&self, factors: &Factors, most: usize) -> Vec<Vec<f64>> {
        let rows = self.taught.rows.len();
        let (mut sums, mut row) = (vec![vec![0.0; rows]; most], vec![0.0; rows]);
        let weighed = factors.below.iter().zip(&factors.weights);
        for (on, (below, weight)) in self.on.outer_iter().zip(weighed) {
            let numbers = row.iter_mut().zip(on.iter().skip(self.means.nrows()));
            numbers.for_each(|(number, on)| *number = on - below * *number);
            for (apart, sums) in sums.iter_mut().enumerate() {
                let pairs = row.iter().zip(&row[apart..]);
                let sums = sums.iter_mut().zip(pairs);
                sums.for_each(|(sum, (a, b))| *sum += weight * a * b);
            }
        }
        sums
    }

    /// For each of `shrinkages`.
    pub fn products(&self, shrinkages: &[f64]) -> Vec<Products> {
        let classes = self.means.nrows();
        let bursts = &self.taught.bursts;
        let most = bursts.iter().map(|burst| burst.rows.len()).max();
        let added = shrinkages.iter().map(|&shrinkage| self.added(shrinkage));
        let all: Vec<(f64, Factors)> = added.map(|added| (added, self.factors(added))).collect();
        // All at once, as this is one product of matrices.
        let mut of_means = Array2::zeros((all.len() * classes, self.means_on.ncols()));
        for (mut rows, (_, factors)) in of_means.axis_chunks_iter_mut(Axis(0), classes).zip(&all) {
            rows.assign(&self.of_means(factors));
        }
        let of_means = of_means.dot(&self.on);
        let of_means = of_means.axis_chunks_iter(Axis(0), classes);
        let products = of_means.zip(&all).map(|(of_means, (added, factors))| {
            let of_rows = self.of_rows(factors, most.unwrap_or(0));
            let bursts = bursts.iter().map(|Burst { rows, .. }| {
                OfBurst::solved(*added, rows.len(), |i, j| {
                    of_rows[i.abs_diff(j)][rows[i.min(j)]]
                })
            });
            let (with_means, with_rows) = of_means.split_at(Axis(1), classes);
            let means_rows = &with_rows * *added;
            Products {
                added: *added,
                bursts: bursts.collect(),
                means: &self.means - &with_means,
                means_along: means_rows.clone(),
                means_rows,
            }
        });
        products.collect()
    }

    /// The sum over `points` (shrinkage and factor) of `factor * A (mean - centre)`, a row a class,
    /// for features with the taps at length 1.
    pub fn discriminants(
        &self,
        design: &Design,
        points: impl Iterator<Item = (f64, f64)>,
    ) -> Array2<f32> {
        let (mut sum, mut taken) = (0.0, Array2::<f64>::zeros(self.means_on.raw_dim()));
        for (shrinkage, factor) in points {
            sum += factor;
            taken.scaled_add(factor, &self.of_means(&self.factors(self.added(shrinkage))));
        }
        let taken = taken.dot(&self.on.slice(s![.., self.means.nrows()..]));
        let mut of_rows = Array2::zeros(taken.raw_dim());
        for (column, &row) in taken.axis_iter(Axis(1)).zip(&self.taught.rows) {
            of_rows.column_mut(row).assign(&column.mapv(|v| v as f32));
        }
        let mut weights = means(design, self.taps) * sum as f32;
        // The columns add up to 0 over every class, so that U may be the features themselves.
        weights -= &at(design, self.taps, of_rows.dot(&design.features));
        at(design, self.taps, weights)
    }
}
