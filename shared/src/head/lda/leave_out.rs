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

use ndarray::Array1;

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
        let mut room = Room::default();
        let pairs = taught.bursts.iter().zip(bursts).enumerate();
        for (place, (burst, OfBurst { rows: u_u, along })) in pairs {
            let (own, size, rows) = (burst.class, burst.rows.len(), &burst.rows);
            let of_own = taught.bursts_of[own];
            let all = taught.examples_of[own];
            let is_alone = of_own <= 1.0;
            room.fit(size, classes);
            // Where the class is left with nothing, its examples add up to 0 and 1 1' does not count.
            let ones = if is_alone { 0.0 } else { 1.0 / all };
            for (at, lost) in room.lost.iter_mut().enumerate() {
                let is_diagonal = at / size == at % size;
                *lost = added * (f64::from(u8::from(is_diagonal)) - ones) - along[at];
            }
            room.invert(size);
            let apart = (0..size).map(|i| {
                let along = &along[i * size..(i + 1) * size];
                u_u[i * size + i] + room.square(along)
            });
            let apart = apart.sum::<f64>();
            if is_alone {
                seen.alone(size, apart);
                continue;
            }
            let left = all - size as f64;
            // Products with t: the mean of a row over what is left of the class.
            let with_t = |products: &[f64]| products.iter().sum::<f64>() / left;
            let m_u = |k: usize, i: usize| means_rows[(k, rows[i])];
            for (k, m_t) in room.m_t.iter_mut().enumerate() {
                *m_t = rows.iter().map(|&row| means_rows[(k, row)]).sum::<f64>() / left;
            }
            for i in 0..size {
                let row = i * size..(i + 1) * size;
                room.u_t[i] = with_t(&u_u[row.clone()]);
                room.along_t[i] = with_t(&along[row]);
            }
            let t_t = with_t(&room.u_t);
            // The class means without the burst, less their centre without it, are `mean + moved * t`;
            // its examples less that centre are `mean of their class + u + share * t`.
            let moved = |k: usize| if k == own { share - 1.0 } else { share };
            left_of.push((of_own - 1.0) / of_own);
            let t_square = t_t + room.square(&room.along_t);
            seen.burst(place, size, apart, t_square * (left / size as f64).powi(2));
            for k in 0..classes {
                for j in 0..size {
                    room.means_v[k * size + j] =
                        means_along[(k, rows[j])] + moved(k) * room.along_t[j];
                }
                let moved = moved(k);
                let means_v = &room.means_v[k * size..(k + 1) * size];
                let square = means[(k, k)]
                    + 2.0 * moved * room.m_t[k]
                    + moved * moved * t_t
                    + room.square(means_v);
                room.squares[k] = belief * square / 2.0;
            }
            for i in 0..size {
                for j in 0..size {
                    room.row_v[j] =
                        means_along[(own, rows[j])] + along[i * size + j] + share * room.along_t[j];
                }
                for j in 0..size {
                    let of_inverse = &room.inverse[j * size..(j + 1) * size];
                    room.row_r[j] = dot(of_inverse, &room.row_v);
                }
                let logits = (0..classes).map(|k| {
                    means[(own, k)]
                        + moved(k) * room.m_t[own]
                        + m_u(k, i)
                        + moved(k) * room.u_t[i]
                        + share * (room.m_t[k] + moved(k) * t_t)
                        + dot(&room.means_v[k * size..(k + 1) * size], &room.row_r)
                        - room.squares[k]
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

/// What is computed for a burst; kept for the next, as bursts are many and most have one example.
/// Matrices are row after row.
#[derive(Default)]
struct Room {
    lost: Vec<f64>,
    inverse: Vec<f64>,
    m_t: Vec<f64>,
    u_t: Vec<f64>,
    along_t: Vec<f64>,
    /// A row a class.
    means_v: Vec<f64>,
    squares: Vec<f64>,
    /// Of one example; and times the inverse.
    row_v: Vec<f64>,
    row_r: Vec<f64>,
}

impl Room {
    fn fit(&mut self, size: usize, classes: usize) {
        for (numbers, count) in [
            (&mut self.lost, size * size),
            (&mut self.inverse, size * size),
            (&mut self.m_t, classes),
            (&mut self.u_t, size),
            (&mut self.along_t, size),
            (&mut self.means_v, classes * size),
            (&mut self.squares, classes),
            (&mut self.row_v, size),
            (&mut self.row_r, size),
        ] {
            numbers.resize(count, 0.0);
        }
    }

    /// The inverse of `lost`, which is symmetric and positive definite, by Gauss and Jordan. Zeros
    /// where it is not: beyond rounding it is, as a scatter without some of its squares is still
    /// shrunk.
    fn invert(&mut self, size: usize) {
        let (a, b) = (&mut self.lost, &mut self.inverse);
        b.fill(0.0);
        (0..size).for_each(|i| b[i * size + i] = 1.0);
        for k in 0..size {
            let pivot = a[k * size + k];
            if pivot <= 0.0 || !pivot.is_finite() {
                b.fill(0.0);
                return;
            }
            for j in 0..size {
                a[k * size + j] /= pivot;
                b[k * size + j] /= pivot;
            }
            for i in (0..size).filter(|&i| i != k) {
                let factor = a[i * size + k];
                for j in 0..size {
                    a[i * size + j] -= factor * a[k * size + j];
                    b[i * size + j] -= factor * b[k * size + j];
                }
            }
        }
    }

    /// `numbers' inverse numbers`.
    fn square(&self, numbers: &[f64]) -> f64 {
        let rows = self.inverse.chunks_exact(numbers.len());
        let products = rows.zip(numbers).map(|(row, v)| v * dot(row, numbers));
        products.sum()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
