//! The inner products from which held-back bursts are judged.

use ndarray::Array2;

/// Products in A = added (scatter + added)^-1.
pub struct Products {
    /// What is added to the scatter's eigenvalues.
    pub added: f64,
    /// Of class means less their centre,
    pub means: Array2<f64>,
    /// of those (rows) and judged examples less their class's mean (columns),
    pub means_rows: Array2<f64>,
    /// and of those with what the scatter has of the judged examples.
    pub means_along: Array2<f64>,
    /// Of every judged burst.
    pub bursts: Vec<OfBurst>,
}

/// Products of the examples of one burst less their class's mean: a row an example, one after the
/// other.
pub struct OfBurst {
    pub rows: Vec<f64>,
    /// Of what the scatter has of them.
    pub along: Vec<f64>,
}

impl OfBurst {
    /// Where the scatter has all of the burst's examples. `solved`: what (U U' + added)^-1 has for two
    /// of them. U A U' = added - added^2 (U U' + added)^-1.
    pub fn solved(added: f64, size: usize, solved: impl Fn(usize, usize) -> f64) -> Self {
        let pairs = (0..size).flat_map(|i| (0..size).map(move |j| (i, j)));
        Self::whole(pairs.map(|(i, j)| {
            let own = if i == j { added } else { 0.0 };
            own - added * added * solved(i, j)
        }))
    }

    /// The same of products in A.
    pub fn whole(products: impl Iterator<Item = f64>) -> Self {
        let rows: Vec<f64> = products.collect();
        Self {
            along: rows.clone(),
            rows,
        }
    }
}
