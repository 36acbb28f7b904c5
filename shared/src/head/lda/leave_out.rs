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
//! A mean of few bursts lies further out than its class: its squared length is too large by the
//! variance of a burst over the number of bursts. Where one class has a burst less than the others,
//! that speaks against it, and most where there are few: `LeftOut::fair` takes it off.

use ndarray::{Array1, Array2};

use super::{
    PRIOR,
    products::{OfBurst, Products},
    taught::Taught,
};
use crate::head::calibrate::Judged;

pub struct LeftOut {
    /// Of examples whose class has another burst.
    pub judged: Judged,
    /// The judged examples' squared distances from the centre of all classes.
    pub distances: Vec<f64>,
    /// What each class's logit is lessened by: half its mean's squared length, as far as the mean is
    /// to be believed.
    pub halves: Array1<f64>,
    /// Of each judged example, its class.
    classes: Vec<usize>,
    /// Mean squared distance of a burst from its class, without the examples of that burst.
    pub variance: f64,
}

/// How far class means are to be believed, 0..1; the rest is the prior's, which has them at the centre.
/// One number for all classes, by the bursts that they have in the mean: a class of few bursts gets no
/// other handicap than one of many.
fn belief(taught: &Taught) -> f64 {
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
        let mut distances = Vec::new();
        let mut owners = Vec::new();
        let (mut variances, mut left_of) = (Vec::new(), Vec::new());
        let pairs = taught.bursts.iter().zip(bursts);
        for (burst, OfBurst { rows: u_u, along }) in
            pairs.filter(|(burst, _)| taught.bursts_of[burst.class] > 1.0)
        {
            let (own, size, rows) = (burst.class, burst.rows.len(), &burst.rows);
            let of_own = taught.bursts_of[own];
            let all = taught.examples_of[own];
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
            let lost = Array2::from_shape_fn((size, size), |(i, j)| {
                added * (f64::from(u8::from(i == j)) - 1.0 / all) - along[i * size + j]
            });
            // Beyond rounding there is one: a scatter without some of its squares is still shrunk.
            let inverse = inverse(lost).unwrap_or_else(|| Array2::zeros((size, size)));
            // Taking one of n bursts away moves the mean by the burst's distance over n - 1, and the
            // burst is as far from a mean with it as n - 1 : n.
            let moved_by = t_t + along_t.dot(&inverse.dot(&along_t));
            variances.push(moved_by * of_own * (of_own - 1.0));
            left_of.push((of_own - 1.0) / of_own);
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
                owners.push(own);
                let gained = rows_v.row(i).dot(&inverse).dot(&rows_v.row(i));
                distances.push(
                    means[(own, own)]
                        + u_u[i * size + i]
                        + share * share * t_t
                        + 2.0 * m_u(own, i)
                        + 2.0 * share * (m_t[own] + u_t[i])
                        + gained,
                );
            }
        }
        judged.had = mean(&left_of).unwrap_or(1.0);
        Self {
            judged,
            distances,
            halves: means.diag().mapv(|square| belief * square / 2.0),
            classes: owners,
            variance: mean(&variances).unwrap_or(0.0),
        }
    }

    /// The same, with no class at a disadvantage for its few bursts.
    pub fn fair(mut self, taught: &Taught) -> Self {
        let half = belief(taught) * self.variance / 2.0;
        let bursts = &taught.bursts_of;
        let rows = self.judged.logits.chunks_exact_mut(bursts.len());
        for (logits, &own) in rows.zip(&self.classes) {
            for (class, (logit, bursts)) in logits.iter_mut().zip(bursts).enumerate() {
                let left = bursts - f64::from(u8::from(class == own));
                *logit += half / left;
            }
        }
        let halves = self.halves.iter_mut().zip(bursts);
        halves.for_each(|(lessened, bursts)| *lessened -= half / bursts);
        self
    }
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
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
