//! The scatter within classes in coordinates in which every shrinkage of it is diagonal, when only its
//! main directions are looked at.

use ndarray::{Array1, Array2, Axis, s};

use super::{
    algebra::positive,
    centred::{Centre, Centred, Grams, at, means, unit},
    taught::Taught,
};
use crate::head::design::{Burst, Design};

pub struct Spectrum {
    /// The length of the taps.
    pub taps: f64,
    /// The mean squared distance of an example from its class's mean.
    pub unit: f64,
    /// The scatter's positive eigenvalues, descending.
    values: Array1<f64>,
    /// The eigenvectors as sums of the design's rows (a column each), one a row.
    back: Array2<f64>,
    /// Class means less their centre, along the eigenvectors: a row a class.
    means_on: Array2<f64>,
    /// Class means less their centre, their inner products,
    means: Array2<f64>,
    /// and that centre's.
    centre: Centre,
    /// All examples are judged.
    pub taught: Taught,
}

impl Spectrum {
    /// `bursts` are the design's.
    pub fn new(design: &Design, grams: &Grams, taps: f64, bursts: &[Burst]) -> Self {
        let taught = Taught::new(design, bursts, bursts);
        let centred = Centred::new(design, grams, taps);
        let (values, vectors) = positive(&centred.within);
        let back = vectors / values.mapv(f64::sqrt).insert_axis(Axis(1));
        Self {
            taps,
            unit: unit(centred.within.diag().sum(), design.rows()),
            means_on: centred.means_rows.dot(&back.t()),
            means: centred.means,
            centre: centred.centre,
            values,
            back,
            taught,
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

    /// Squared lengths of class means less their centre, with the scatter that of its first `most`
    /// eigenvectors.
    pub fn squares(&self, shrinkage: f64, most: usize) -> Array1<f64> {
        let gains = self.gains(shrinkage, most);
        let taken = self.means_on.mapv(|on| on * on).dot(&gains);
        &self.means.diag() - &taken
    }

    /// What is at hand of something that is no example: its `products` with the examples, and its
    /// `square`. The same products and square in A, of `gains`: with class means less their centre, and
    /// of what it is less the centre.
    pub fn read(
        &self,
        gains: &Array1<f64>,
        products: &Array1<f64>,
        square: f64,
    ) -> (Array1<f64>, f64) {
        let (centre, taught) = (&self.centre, &self.taught);
        let mut with_means = Array1::<f64>::zeros(taught.examples_of.len());
        for burst in &taught.bursts {
            let rows = burst.rows.iter().map(|&row| products[taught.rows[row]]);
            with_means[burst.class] += rows.sum::<f64>() / taught.examples_of[burst.class];
        }
        let with_centre = with_means.mean().unwrap_or(0.0);
        // The columns of `back` add up to 0 over every class, so that examples need not be less their
        // class's mean.
        let along = self.back.dot(&(products - &centre.rows));
        let gained = &along * gains;
        let with_means = with_means - &centre.means + (centre.square - with_centre);
        (
            with_means - self.means_on.dot(&gained),
            square - 2.0 * with_centre + centre.square - along.dot(&gained),
        )
    }

    /// A (mean - centre), a row a class, with A of the first `most` eigenvectors, for features with the
    /// taps at length 1.
    pub fn discriminants(&self, design: &Design, shrinkage: f64, most: usize) -> Array2<f32> {
        let gains = self.gains(shrinkage, most).insert_axis(Axis(0));
        let mut weights = means(design, self.taps);
        weights -= &self.in_features(design, &(&self.means_on * &gains));
        at(design, self.taps, weights)
    }

    /// The first eigenvectors, at the most `most`, one a row, for features with the taps at length 1.
    pub fn directions(&self, design: &Design, most: usize) -> Array2<f32> {
        let shape = (most.min(self.values.len()), self.values.len());
        let first = Array2::from_shape_fn(shape, |(i, j)| if i == j { 1.0 } else { 0.0 });
        at(design, self.taps, self.in_features(design, &first))
    }

    /// Sums of eigenvectors (columns), a row of features with the taps at their length each.
    fn in_features(&self, design: &Design, sums: &Array2<f64>) -> Array2<f32> {
        let rows = sums.dot(&self.back).mapv(|v| v as f32);
        at(design, self.taps, rows.dot(&design.features))
    }
}
