//! One shrinkage at one length of the taps on many examples: without eigenvectors, and with some of the
//! examples judged.

use ndarray::{Array2, Axis, s};

use super::{
    algebra::solve,
    centred::{Centred, Grams, at, means, unit},
    products::{OfBurst, Products},
    taught::Taught,
};
use crate::head::design::{Burst, Design};

/// Rows that are taken at a time, so that no second copy of all features is made.
const CHUNK: usize = 512;

pub struct Whole {
    /// A (mean - centre), a row a class, for features with the taps at length 1.
    pub discriminants: Array2<f32>,
    pub products: Products,
    pub taught: Taught,
}

impl Whole {
    /// `bursts` are the design's, and `judged` some of them.
    pub fn new(
        design: &Design,
        taps: f64,
        shrinkage: f64,
        bursts: &[Burst],
        judged: &[Burst],
    ) -> Self {
        let taught = Taught::new(design, bursts, judged);
        match design.rows() <= design.features.ncols() {
            true => Self::of_rows(design, taps, shrinkage, taught),
            false => Self::of_features(design, taps, shrinkage, taught),
        }
    }

    /// With U a row an example less its class's mean: A = 1 - U' (U U' + added)^-1 U.
    pub fn of_rows(design: &Design, taps: f64, shrinkage: f64, taught: Taught) -> Self {
        let Centred {
            means: means_means,
            means_rows,
            mut within,
            ..
        } = Centred::new(design, &Grams::new(design), taps);
        let added = shrinkage * unit(within.diag().sum(), design.rows());
        within.diag_mut().mapv_inplace(|v| v + added);
        let classes = design.classes;
        // Right sides: U (mean - centre), and a one for every judged example.
        let mut right = Array2::<f64>::zeros((design.rows(), classes + taught.rows.len()));
        right.slice_mut(s![.., ..classes]).assign(&means_rows.t());
        for (at, &row) in taught.rows.iter().enumerate() {
            right[(row, classes + at)] = 1.0;
        }
        let solved = solve(&within, &right);
        let of_means = solved.slice(s![.., ..classes]);
        let mut discriminants = means(design, taps);
        // The columns add up to 0 over every class, so that U may be the features themselves.
        let taken = of_means.t().mapv(|v| v as f32).dot(&design.features);
        discriminants -= &at(design, taps, taken);
        let means_rows_here = of_means.select(Axis(0), &taught.rows).reversed_axes() * added;
        let bursts = taught.bursts.iter().map(|Burst { rows, .. }| {
            OfBurst::solved(added, rows.len(), |i, j| {
                solved[(taught.rows[rows[i]], classes + rows[j])]
            })
        });
        let bursts = bursts.collect();
        Self {
            discriminants: at(design, taps, discriminants),
            products: Products {
                added,
                means: means_means - means_rows.dot(&of_means),
                means_along: means_rows_here.clone(),
                means_rows: means_rows_here,
                bursts,
            },
            taught,
        }
    }

    /// A = added (U' U + added)^-1.
    pub fn of_features(design: &Design, taps: f64, shrinkage: f64, taught: Taught) -> Self {
        let (rows, width) = design.features.dim();
        let means_of = at(design, taps, design.means());
        let less_mean = |rows: &[usize]| {
            let mut part = at(design, taps, design.features.select(Axis(0), rows));
            for (mut row, &at) in part.outer_iter_mut().zip(rows) {
                row -= &means_of.row(design.labels[at]);
            }
            part
        };
        let all: Vec<usize> = (0..rows).collect();
        let mut scatter = Array2::<f32>::zeros((width, width));
        for part in all.chunks(CHUNK) {
            let part = less_mean(part);
            scatter += &part.t().dot(&part);
        }
        let mut scatter = scatter.mapv(f64::from);
        let added = shrinkage * unit(scatter.diag().sum(), rows);
        scatter.diag_mut().mapv_inplace(|v| v + added);
        let means = means(design, taps).mapv(f64::from);
        let judged = less_mean(&taught.rows).mapv(f64::from);
        let right = ndarray::concatenate(Axis(1), &[means.t(), judged.t()])
            .unwrap_or_else(|_| unreachable!("both have a row a feature"));
        let solved = solve(&scatter, &right) * added;
        let (of_means, of_rows) = solved.view().split_at(Axis(1), design.classes);
        let bursts = taught.bursts.iter().map(|burst| {
            let pairs = burst
                .rows
                .iter()
                .flat_map(|&i| burst.rows.iter().map(move |&j| (i, j)));
            OfBurst::whole(pairs.map(|(i, j)| judged.row(i).dot(&of_rows.column(j))))
        });
        let means_rows = of_means.t().dot(&judged.t());
        Self {
            products: Products {
                added,
                means: means.dot(&of_means),
                means_along: means_rows.clone(),
                means_rows,
                bursts: bursts.collect(),
            },
            discriminants: at(design, taps, of_means.t().mapv(|v| v as f32)),
            taught,
        }
    }
}
