//! What heads that had not seen a burst say of it, without fitting them.
//!
//! Taking a burst away moves its class's mean and takes as many squares from the scatter as the burst
//! has examples, so the inverse of the scatter without it follows from the inverse with it (Woodbury's
//! identity). With u_1..u_b the burst's examples less their class's mean, n the class's examples:
//!
//! - the class's mean moves by -t, t = (u_1 + .. + u_b) / (n - b); the centre of all classes by -t / K;
//! - the scatter loses U' (I + 1 1' / (n - b)) U, and the inverse of what is in the brackets is
//!   I - 1 1' / n.
//!
//! A mean of few examples lies further out than its class: its squared length is too large by the
//! mean's variance. Where one class has a burst less than the others, that speaks against it, and most
//! where there are few: `LeftOut::fair` takes it off.

use ndarray::{Array1, Array2, ArrayView1};

use super::{
    PRIOR,
    noise::{Noise, Seen, mean},
    products::{OfBurst, Products},
    taught::Taught,
};
use crate::head::calibrate::Judged;

pub struct LeftOut {
    /// Of examples whose class has another burst.
    pub judged: Judged,
    /// What each class's logit is lessened by: half its mean's squared length, as far as the mean is
    /// to be believed.
    pub halves: Array1<f64>,
    /// Of each judged example, its burst in `Taught`.
    bursts: Vec<usize>,
    pub noise: Noise,
}

/// How far class means are to be believed, 0..1; the rest is the prior's, which has them at the centre.
/// One number for all classes, by the bursts that they have in the mean: a class of few bursts gets no
/// other handicap than one of many.
pub fn belief(taught: &Taught) -> f64 {
    let bursts = taught.bursts_of.iter().sum::<f64>() / taught.bursts_of.len() as f64;
    bursts / (bursts + PRIOR)
}

impl LeftOut {
    pub fn new(taught: &Taught, products: &Products) -> Self {
        let Products {
            added,
            means,
            means_rows,
            means_along,
            bursts,
        } = products;
        let classes = means.nrows();
        let share = 1.0 / classes as f64;
        let belief = belief(taught);
        let mut judged = Judged::new(classes);
        let (mut of_rows, mut left_of) = (Vec::new(), Vec::new());
        let mut seen = Seen::default();
        let pairs = taught.bursts.iter().zip(bursts).enumerate();
        for (place, (burst, OfBurst { rows: u_u, along })) in pairs {
            let (own, size, rows) = (burst.class, burst.rows.len(), &burst.rows);
            let of_own = taught.bursts_of[own];
            let all = taught.examples_of[own];
            let is_alone = of_own <= 1.0;
            // Where the class is left with nothing, its examples add up to 0 and 1 1' does not count.
            let lost = Array2::from_shape_fn((size, size), |(i, j)| {
                let ones = if is_alone { 0.0 } else { 1.0 / all };
                added * (f64::from(u8::from(i == j)) - ones) - along[i * size + j]
            });
            // Beyond rounding there is one: a scatter without some of its squares is still shrunk.
            let inverse = inverse(lost).unwrap_or_else(|| Array2::zeros((size, size)));
            let squares = (0..size).map(|i| {
                let along = ArrayView1::from(&along[i * size..(i + 1) * size]);
                u_u[i * size + i] + along.dot(&inverse.dot(&along))
            });
            let apart = squares.sum::<f64>();
            if is_alone {
                seen.alone(size, apart);
                continue;
            }
            let left = all - size as f64;
            // Products with t: the mean of a row over what is left of the class.
            let with_t = |products: &[f64]| products.iter().sum::<f64>() / left;
            let m_u = |k: usize, i: usize| means_rows[(k, rows[i])];
            let m_t: Vec<f64> = (0..classes)
                .map(|k| rows.iter().map(|&row| means_rows[(k, row)]).sum::<f64>() / left)
                .collect();
            let u_t: Vec<f64> = u_u.chunks_exact(size).map(with_t).collect();
            let t_t = with_t(&u_t);
            let along_t: Array1<f64> = along.chunks_exact(size).map(with_t).collect();
            // The class means without the burst, less their centre without it, are `mean + moved * t`;
            // its examples less that centre are `mean of their class + u + share * t`.
            let moved = |k: usize| if k == own { share - 1.0 } else { share };
            left_of.push((of_own - 1.0) / of_own);
            let t_square = t_t + along_t.dot(&inverse.dot(&along_t));
            seen.burst(place, size, apart, t_square * (left / size as f64).powi(2));
            let means_v = Array2::from_shape_fn((classes, size), |(k, j)| {
                means_along[(k, rows[j])] + moved(k) * along_t[j]
            });
            let rows_v = Array2::from_shape_fn((size, size), |(i, j)| {
                means_along[(own, rows[j])] + along[i * size + j] + share * along_t[j]
            });
            let means_r = means_v.dot(&inverse);
            let squares: Vec<f64> = (0..classes)
                .map(|k| {
                    let moved = moved(k);
                    let square = means[(k, k)]
                        + 2.0 * moved * m_t[k]
                        + moved * moved * t_t
                        + means_r.row(k).dot(&means_v.row(k));
                    belief * square / 2.0
                })
                .collect();
            for i in 0..size {
                let logits = (0..classes).map(|k| {
                    means[(own, k)]
                        + moved(k) * m_t[own]
                        + m_u(k, i)
                        + moved(k) * u_t[i]
                        + share * (m_t[k] + moved(k) * t_t)
                        + means_r.row(k).dot(&rows_v.row(i))
                        - squares[k]
                });
                judged.push(taught.rows[rows[i]], own, logits);
                of_rows.push(place);
            }
        }
        judged.had = mean(&left_of).unwrap_or(1.0);
        Self {
            judged,
            halves: means.diag().mapv(|square| belief * square / 2.0),
            bursts: of_rows,
            noise: seen.noise(taught),
        }
    }

    /// The same, with no class at a disadvantage for its few examples.
    pub fn fair(mut self, taught: &Taught) -> Self {
        let half = belief(taught) / 2.0;
        let means = taught.examples_of.iter().zip(&taught.squares_of);
        let lessened: Vec<f64> = means
            .map(|(&examples, &squares)| half * self.noise.of_mean(examples, squares))
            .collect();
        let rows = self.judged.logits.chunks_exact_mut(lessened.len());
        for (logits, &burst) in rows.zip(&self.bursts) {
            let burst = &taught.bursts[burst];
            let (own, size) = (burst.class, burst.rows.len() as f64);
            let (examples, squares) = (taught.examples_of[own], taught.squares_of[own]);
            let left = self.noise.of_mean(examples - size, squares - size * size);
            for (class, (logit, lessened)) in logits.iter_mut().zip(&lessened).enumerate() {
                *logit += if class == own { half * left } else { *lessened };
            }
        }
        let halves = self.halves.iter_mut().zip(lessened);
        halves.for_each(|(half, lessened)| *half -= lessened);
        self
    }
}

/// Of a small symmetric positive definite matrix, by Gauss and Jordan; `None` where it is not.
fn inverse(mut a: Array2<f64>) -> Option<Array2<f64>> {
    let size = a.nrows();
    let mut b = Array2::<f64>::eye(size);
    for k in 0..size {
        let pivot = a[(k, k)];
        if pivot <= 0.0 || !pivot.is_finite() {
            return None;
        }
        for j in 0..size {
            a[(k, j)] /= pivot;
            b[(k, j)] /= pivot;
        }
        for i in (0..size).filter(|&i| i != k) {
            let factor = a[(i, k)];
            for j in 0..size {
                let (x, y) = (factor * a[(k, j)], factor * b[(k, j)]);
                a[(i, j)] -= x;
                b[(i, j)] -= y;
            }
        }
    }
    Some(b)
}
