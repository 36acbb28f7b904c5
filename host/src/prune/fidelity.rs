//! How much of what a network tells apart another one does, too.
//!
//! A head that is learned from n photos by ridge regression says of them H Y, whatever their classes Y:
//! H = K (K + l I)^-1 holds all that such a head can learn from the network, and K are the inner products
//! of what heads learn from (embeddings scaled to length 1, centred, the last one and each tap alike).
//! Two networks are compared by the alignment of their H (centred kernel alignment, Kornblith et al.,
//! "Similarity of neural network representations revisited", ICML 2019, with these kernels). K alone
//! would do for what varies most, which is not all that classes differ in.

use faer::{Mat, Side, linalg::solvers::Llt, prelude::Solve};

/// l, of the mean eigenvalue of K, where there are `MANY` photos,
const RIDGE: f64 = 0.1;
/// and more where there are fewer, by the square: a few photos lie in as many directions as there are
/// photos, whatever the network, and how far they lie apart is all that can be compared.
const MANY: f64 = 300.0;

/// H: what a head can say of some photos.
pub struct Likeness(Vec<f64>);

impl Likeness {
    /// Of `photos x outputs x numbers`. None where the photos all look the same to the network.
    pub fn of(embeddings: &[Vec<Vec<f32>>]) -> Option<Self> {
        let count = embeddings.len();
        let outputs = embeddings.first()?.len();
        let mut products = Mat::<f64>::zeros(count, count);
        for output in 0..outputs {
            let scaled: Vec<Vec<f64>> = embeddings
                .iter()
                .map(|photo| {
                    let numbers = photo[output].iter().map(|&v| f64::from(v));
                    let length = numbers.clone().map(|v| v * v).sum::<f64>().sqrt();
                    numbers.map(|v| v / length.max(f64::MIN_POSITIVE)).collect()
                })
                .collect();
            let width = scaled.first()?.len();
            let means: Vec<f64> = (0..width)
                .map(|at| scaled.iter().map(|photo| photo[at]).sum::<f64>() / count as f64)
                .collect();
            let centred = Mat::from_fn(count, width, |row, at| scaled[row][at] - means[at]);
            // Of vectors of length 1: less is rounding.
            let trace = centred.squared_norm_l2();
            if trace < 1e-9 {
                return None;
            }
            products += &centred * centred.transpose() * faer::Scale(1.0 / trace);
        }
        // Each output has a trace of 1.
        let ridge = RIDGE * (MANY / count as f64).powi(2).max(1.0);
        let ridge = ridge * outputs as f64 / count as f64;
        let mut raised = products.clone();
        for at in 0..count {
            raised[(at, at)] += ridge;
        }
        let said = Llt::new(raised.as_ref(), Side::Lower)
            .ok()?
            .solve(&products);
        let columns = (0..count).flat_map(|column| (0..count).map(move |row| (row, column)));
        Some(Self(columns.map(|at| said[at]).collect()))
    }

    /// What `other` lost of it, in [0, 1]: 1 less the alignment.
    pub fn lost(&self, other: &Self) -> f64 {
        let product =
            |a: &Self, b: &Self| -> f64 { a.0.iter().zip(&b.0).map(|(a, b)| a * b).sum() };
        let most = (product(self, self) * product(other, other)).sqrt();
        (1.0 - product(self, other) / most).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(turn: impl Fn(f32, f32) -> Vec<f32>) -> Vec<Vec<Vec<f32>>> {
        let photos = [(1.0, 0.2), (0.3, 1.0), (-1.0, 0.1), (0.4, -0.7), (0.9, 0.9)];
        photos.iter().map(|&(x, y)| vec![turn(x, y)]).collect()
    }

    #[test]
    fn turned_and_scaled_is_the_same_and_a_lost_direction_is_not() {
        let before = Likeness::of(&photos(|x, y| vec![x, y])).unwrap();
        let turned = Likeness::of(&photos(|x, y| vec![-3.0 * y, 3.0 * x, 0.0])).unwrap();
        assert!(before.lost(&turned) < 1e-9);
        let half = Likeness::of(&photos(|x, y| vec![x, 0.3 * y])).unwrap();
        let none = Likeness::of(&photos(|x, _| vec![x, 0.0])).unwrap();
        assert!(0.01 < before.lost(&half) && before.lost(&half) < before.lost(&none));
    }

    #[test]
    fn photos_that_look_the_same_say_nothing() {
        assert!(Likeness::of(&photos(|_, _| vec![1.0, 2.0])).is_none());
        assert!(Likeness::of(&photos(|_, _| vec![0.0])).is_none());
        assert!(Likeness::of(&[]).is_none());
    }
}
