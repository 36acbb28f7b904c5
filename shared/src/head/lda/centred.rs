//! Inner products of class means and of examples.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::algebra::products;
use crate::head::design::Design;

/// Of all examples: of the last embedding, and of the taps at length 1.
pub struct Grams {
    last: Array2<f64>,
    taps: Array2<f64>,
}

/// Above this many examples products are summed in f32, which takes a third of the time.
const PRECISE: usize = 512;

impl Grams {
    pub fn new(design: &Design) -> Self {
        Self {
            last: inner_products(design.embedding()),
            taps: inner_products(design.taps()),
        }
    }

    /// Of features with the taps at `taps`.
    pub fn at(&self, taps: f64) -> Array2<f64> {
        let mut gram = self.last.clone();
        gram.scaled_add(taps * taps, &self.taps);
        gram
    }

    /// Of some of the examples.
    pub fn select(&self, rows: &[usize]) -> Self {
        let of = |gram: &Array2<f64>| gram.select(Axis(0), rows).select(Axis(1), rows);
        Self {
            last: of(&self.last),
            taps: of(&self.taps),
        }
    }
}

fn inner_products(features: ArrayView2<'_, f32>) -> Array2<f64> {
    let lower: Box<dyn Fn((usize, usize)) -> f64> = if features.nrows() > PRECISE {
        let products = products(features);
        Box::new(move |at| f64::from(products[at]))
    } else {
        let products = products(features.mapv(f64::from).view());
        Box::new(move |at| products[at])
    };
    let size = features.nrows();
    Array2::from_shape_fn((size, size), |(i, j)| lower((i.max(j), i.min(j))))
}

/// Inner products, with the taps at their length,
pub struct Centred {
    /// of class means less their centre,
    pub means: Array2<f64>,
    /// of those (rows) and examples less their class's mean (columns),
    pub means_rows: Array2<f64>,
    /// and of the latter.
    pub within: Array2<f64>,
    pub centre: Centre,
}

/// Products of the classes' centre, with the taps at their length,
pub struct Centre {
    /// with examples,
    pub rows: Array1<f64>,
    /// with class means,
    pub means: Array1<f64>,
    /// and with itself.
    pub square: f64,
}

impl Centred {
    pub fn new(design: &Design, grams: &Grams, taps: f64) -> Self {
        let (rows, classes) = (design.rows(), design.classes);
        let shares: Vec<f64> = design
            .counts()
            .into_iter()
            .map(|count| 1.0 / count as f64)
            .collect();
        let gram = grams.at(taps);
        // Of class means and rows, and of class means.
        let mut by_class = Array2::<f64>::zeros((classes, rows));
        for (row, &label) in gram.outer_iter().zip(&design.labels) {
            by_class.row_mut(label).scaled_add(shares[label], &row);
        }
        let mut between = Array2::<f64>::zeros((classes, classes));
        for (column, &label) in by_class.axis_iter(Axis(1)).zip(&design.labels) {
            between.column_mut(label).scaled_add(shares[label], &column);
        }
        let means = between.sum_axis(Axis(0)) / classes as f64;
        let centre = Centre {
            rows: by_class.sum_axis(Axis(0)) / classes as f64,
            square: means.sum() / classes as f64,
            means,
        };
        let means_rows = Array2::from_shape_fn((classes, rows), |(k, j)| {
            let label = design.labels[j];
            by_class[(k, j)] - centre.rows[j] - between[(k, label)] + centre.means[label]
        });
        let means = Array2::from_shape_fn((classes, classes), |(k, l)| {
            between[(k, l)] - centre.means[k] - centre.means[l] + centre.square
        });
        let mut within = gram;
        for (i, mut row) in within.outer_iter_mut().enumerate() {
            let own = design.labels[i];
            let means: Vec<f64> = (0..classes)
                .map(|k| between[(own, k)] - by_class[(k, i)])
                .collect();
            for ((value, with_own), &label) in
                row.iter_mut().zip(by_class.row(own)).zip(&design.labels)
            {
                *value += means[label] - with_own;
            }
        }
        Self {
            means,
            means_rows,
            within,
            centre,
        }
    }
}

/// The mean squared distance of an example from its class's mean, the unit of shrinkages; 1 where it
/// is rounding: no two examples of a class differ.
pub fn unit(squares: f64, rows: usize) -> f64 {
    let mean = squares / rows as f64;
    if mean > 1e-9 { mean } else { 1.0 }
}

/// Class means less their centre, in features with the taps at `taps`.
pub fn means(design: &Design, taps: f64) -> Array2<f32> {
    let mut means = at(design, taps, design.means());
    let centre = means.sum_axis(Axis(0)) / design.classes as f32;
    means -= &centre.insert_axis(Axis(0));
    means
}

/// Rows of features at length 1 as they are with the taps at `taps`; and products with features there as
/// products with features at length 1.
pub fn at(design: &Design, taps: f64, mut rows: Array2<f32>) -> Array2<f32> {
    rows.slice_mut(s![.., design.last..])
        .mapv_inplace(|v| v * taps as f32);
    rows
}
