//! The scatter within classes, in coordinates in which every shrinkage of it is diagonal.
//!
//! Features here are those of the design with the taps at their length. All that a fit and the judging
//! of held-back bursts need are inner products of class means and of examples: as they are, and along
//! the scatter's eigenvectors.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::eigen;
use crate::head::design::{Burst, Design};

/// Up to this many examples (and where there are fewer of them than features) the eigenvectors come
/// from the examples' inner products, above from the features' scatter.
const DUAL: usize = 1500;
/// So many examples are judged where the eigenvectors come from the features' scatter.
const JUDGED: usize = 512;
/// Inner products are computed so many rows at a time, each with the rows before only.
const BLOCK: usize = 128;
/// Rows that are taken at a time, so that no second copy of all features is made.
const CHUNK: usize = 512;

/// Inner products of all examples: of the last embedding, and of the taps at length 1.
pub struct Grams {
    last: Array2<f64>,
    taps: Array2<f64>,
}

impl Grams {
    pub fn new(design: &Design) -> Self {
        Self {
            last: inner_products(design.embedding()),
            taps: inner_products(design.taps()),
        }
    }
}

fn inner_products(features: ArrayView2<'_, f32>) -> Array2<f64> {
    let size = features.nrows();
    let mut products = Array2::<f64>::zeros((size, size));
    for start in (0..size).step_by(BLOCK) {
        let end = (start + BLOCK).min(size);
        let (rows, columns) = (features.slice(s![start..end, ..]), features.slice(s![..end, ..]));
        let block = match size > eigen::PRECISE {
            true => rows.dot(&columns.t()).mapv(f64::from),
            false => rows.mapv(f64::from).dot(&columns.mapv(f64::from).t()),
        };
        products.slice_mut(s![start..end, ..end]).assign(&block);
        products.slice_mut(s![..end, start..end]).assign(&block.t());
    }
    products
}

pub struct Spectrum {
    /// The length of the taps.
    pub taps: f64,
    /// The mean squared distance of an example from its class's mean; 1 where there is none.
    pub unit: f64,
    /// The scatter's positive eigenvalues, descending.
    pub values: Array1<f64>,
    /// Class means less their centre, along the eigenvectors: a row a class.
    pub means_on: Array2<f64>,
    /// Judged examples less their class's mean, along the eigenvectors.
    pub rows_on: Array2<f64>,
    /// Inner products of class means less their centre,
    pub means_means: Array2<f64>,
    /// of those (rows) and judged examples less their class's mean (columns),
    pub means_rows: Array2<f64>,
    /// and of the latter.
    pub rows_rows: Array2<f64>,
    /// The judged examples: their places in the design,
    pub rows: Vec<usize>,
    /// and their bursts, whose rows are places in `rows`.
    pub bursts: Vec<Burst>,
    /// Of the whole design: examples and bursts of each class.
    pub examples_of: Vec<f64>,
    pub bursts_of: Vec<f64>,
    back: Back,
}

/// The eigenvectors, one a row,
enum Back {
    /// as sums of the design's rows (one column each),
    Rows(Array2<f64>),
    /// or in features.
    Features(Array2<f32>),
}

/// Class means less their centre, and the centre, in features with the taps at `taps`.
fn means(design: &Design, taps: f64) -> (Array2<f32>, Array1<f32>) {
    let mut means = design.means();
    means
        .slice_mut(s![.., design.last..])
        .mapv_inplace(|v| v * taps as f32);
    let centre = means.sum_axis(Axis(0)) / design.classes as f32;
    means -= &centre.view().insert_axis(Axis(0));
    (means, centre)
}

impl Spectrum {
    /// `bursts` are the design's.
    pub fn new(design: &Design, taps: f64, bursts: &[Burst]) -> Self {
        if design.rows() <= DUAL || design.rows() <= design.features.ncols() {
            Self::of_rows(design, &Grams::new(design), taps, bursts)
        } else {
            Self::of_features(design, taps, bursts)
        }
    }

    /// From the inner products of the examples.
    pub fn of_rows(design: &Design, grams: &Grams, taps: f64, bursts: &[Burst]) -> Self {
        let (rows, classes) = (design.rows(), design.classes);
        let counts = design.counts();
        let mut gram = grams.last.clone();
        gram.scaled_add(taps * taps, &grams.taps);
        // Inner products of class means with rows, and with one another.
        let mut by_class = Array2::<f64>::zeros((classes, rows));
        for (row, &label) in gram.outer_iter().zip(&design.labels) {
            by_class
                .row_mut(label)
                .scaled_add(1.0 / counts[label] as f64, &row);
        }
        let mut between = Array2::<f64>::zeros((classes, classes));
        for (column, &label) in by_class.axis_iter(Axis(1)).zip(&design.labels) {
            between
                .column_mut(label)
                .scaled_add(1.0 / counts[label] as f64, &column);
        }
        let centre_rows = by_class.sum_axis(Axis(0)) / classes as f64;
        let centre_means = between.sum_axis(Axis(0)) / classes as f64;
        let centre = centre_means.sum() / classes as f64;
        let label = |row: usize| design.labels[row];
        let within = Array2::from_shape_fn((rows, rows), |(i, j)| {
            gram[(i, j)] - by_class[(label(i), j)] - by_class[(label(j), i)]
                + between[(label(i), label(j))]
        });
        let means_rows = Array2::from_shape_fn((classes, rows), |(k, j)| {
            by_class[(k, j)] - centre_rows[j] - between[(k, label(j))] + centre_means[label(j)]
        });
        let means_means = Array2::from_shape_fn((classes, classes), |(k, l)| {
            between[(k, l)] - centre_means[k] - centre_means[l] + centre
        });
        let (values, vectors) = eigen::positive(&within);
        let lengths = values.mapv(f64::sqrt).insert_axis(Axis(1));
        let back = &vectors / &lengths;
        // A row an example, as they are read.
        let rows_on = (vectors * lengths).t().as_standard_layout().into_owned();
        Self {
            taps,
            unit: unit(within.diag().sum() / rows as f64),
            means_on: means_rows.dot(&back.t()),
            rows_on,
            values,
            means_means,
            means_rows,
            rows_rows: within,
            rows: (0..rows).collect(),
            bursts: bursts.to_vec(),
            examples_of: counts.into_iter().map(|count| count as f64).collect(),
            bursts_of: bursts_of(bursts, classes),
            back: Back::Rows(back),
        }
    }

    /// From the scatter of the features, where there are fewer of them than examples.
    pub fn of_features(design: &Design, taps: f64, bursts: &[Burst]) -> Self {
        let (rows, width) = design.features.dim();
        let (means, centre) = means(design, taps);
        let less_mean = |rows: &[usize]| {
            let mut part = design.features.select(Axis(0), rows);
            part.slice_mut(s![.., design.last..])
                .mapv_inplace(|v| v * taps as f32);
            for (mut row, &at) in part.outer_iter_mut().zip(rows) {
                row -= &centre;
                row -= &means.row(design.labels[at]);
            }
            part
        };
        let all: Vec<usize> = (0..rows).collect();
        let mut scatter = Array2::<f32>::zeros((width, width));
        for part in all.chunks(CHUNK) {
            let part = less_mean(part);
            scatter += &part.t().dot(&part);
        }
        let scatter = scatter.mapv(f64::from);
        let unit = unit(scatter.diag().sum() / rows as f64);
        let (values, vectors) = eigen::positive(&scatter);
        let vectors = vectors.mapv(|v| v as f32);
        let judged = super::some(bursts, JUDGED);
        let wide = |matrix: Array2<f32>| matrix.mapv(f64::from);
        let rows = less_mean(
            &judged
                .iter()
                .flat_map(|burst| burst.rows.iter().copied())
                .collect::<Vec<_>>(),
        );
        let mut place = 0..;
        let bursts_here = judged.iter().map(|burst| Burst {
            class: burst.class,
            rows: place.by_ref().take(burst.rows.len()).collect(),
        });
        Self {
            taps,
            unit,
            means_on: wide(means.dot(&vectors.t())),
            rows_on: wide(rows.dot(&vectors.t())),
            values,
            means_means: wide(means.dot(&means.t())),
            means_rows: wide(means.dot(&rows.t())),
            rows_rows: wide(rows.dot(&rows.t())),
            bursts: bursts_here.collect(),
            rows: judged.into_iter().flat_map(|burst| burst.rows).collect(),
            examples_of: design
                .counts()
                .into_iter()
                .map(|count| count as f64)
                .collect(),
            bursts_of: bursts_of(bursts, design.classes),
            back: Back::Features(vectors),
        }
    }

    /// What is taken off of squares along each eigenvector, 0..1: `value / (value + shrinkage)` for
    /// the first `most` of them, and nothing for the rest.
    pub fn gains(&self, shrinkage: f64, most: usize) -> Array1<f64> {
        let added = shrinkage * self.unit;
        let mut gains = self.values.mapv(|value| value / (value + added));
        gains.slice_mut(s![most.min(self.values.len())..]).fill(0.0);
        gains
    }

    /// The sum over `points` (shrinkage and factor) of `factor * A (mean - centre)`, a row a class,
    /// with A = shrinkage (scatter + shrinkage)^-1 of the first `most` eigenvectors of the scatter, for
    /// features with the taps at length 1.
    pub fn discriminants(
        &self,
        design: &Design,
        points: impl Iterator<Item = (f64, f64)>,
        most: usize,
    ) -> Array2<f32> {
        let (mut sum, mut gains) = (0.0, Array1::<f64>::zeros(self.values.len()));
        for (shrinkage, factor) in points {
            sum += factor;
            gains.scaled_add(factor, &self.gains(shrinkage, most));
        }
        let mut weights = means(design, self.taps).0 * sum as f32;
        weights -= &self.in_features(design, &(&self.means_on * &gains.insert_axis(Axis(0))));
        self.at_one(design, weights)
    }

    /// The first eigenvectors, at the most `most`, one a row, for features with the taps at length 1.
    pub fn directions(&self, design: &Design, most: usize) -> Array2<f32> {
        let count = most.min(self.values.len());
        let first =
            Array2::from_shape_fn(
                (count, self.values.len()),
                |(i, j)| if i == j { 1.0 } else { 0.0 },
            );
        self.at_one(design, self.in_features(design, &first))
    }

    /// Sums of eigenvectors (columns), a row of features (with the taps at their length) each.
    fn in_features(&self, design: &Design, sums: &Array2<f64>) -> Array2<f32> {
        match &self.back {
            Back::Features(vectors) => sums.mapv(|v| v as f32).dot(vectors),
            Back::Rows(back) => {
                let mut features = sums.dot(back).mapv(|v| v as f32).dot(&design.features);
                features
                    .slice_mut(s![.., design.last..])
                    .mapv_inplace(|v| v * self.taps as f32);
                features
            }
        }
    }

    /// What features with the taps at their length are multiplied by, for features with the taps at
    /// length 1.
    fn at_one(&self, design: &Design, mut rows: Array2<f32>) -> Array2<f32> {
        rows.slice_mut(s![.., design.last..])
            .mapv_inplace(|v| v * self.taps as f32);
        rows
    }
}

fn unit(mean_square: f64) -> f64 {
    // Below this it is rounding: no two examples of a class differ.
    if mean_square > 1e-9 { mean_square } else { 1.0 }
}

fn bursts_of(bursts: &[Burst], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    bursts.iter().for_each(|burst| counts[burst.class] += 1.0);
    counts
}
