//! What heads that had not seen a burst say of it, without fitting them.
//!
//! Taking a burst away moves its class's mean and takes as many squares from the scatter as the burst
//! has examples, so the inverse of the scatter without it follows from the inverse with it (Woodbury's
//! identity). With u_1..u_b the burst's examples less their class's mean, n the class's examples:
//!
//! - the class's mean moves by -t, t = (u_1 + .. + u_b) / (n - b); the centre of all classes by -t / K;
//! - the scatter loses U' (I + 1 1' / (n - b)) U, and the inverse of what is in the brackets is
//!   I - 1 1' / n.

use ndarray::{Array1, Array2, Axis, s};

use super::{PRIOR, spectrum::Spectrum};
use crate::head::calibrate::Judged;

pub struct LeftOut {
    /// Of examples whose class has another burst.
    pub judged: Judged,
    /// The judged examples' squared distances from the centre of all classes.
    pub distances: Vec<f64>,
    /// What each class's logit is lessened by: half its mean's squared length, as far as the mean is
    /// to be believed.
    pub halves: Array1<f64>,
}

/// How far a mean of so many bursts is to be believed, 0..1; the rest is the prior's, which has it at
/// the centre.
pub fn belief(bursts: f64) -> f64 {
    bursts / (bursts + PRIOR)
}

impl LeftOut {
    /// All squares and products are those of A = shrinkage (scatter + shrinkage)^-1, with the shrinkage
    /// in units of `spectrum.unit`, and the scatter that of its first `most` eigenvectors.
    pub fn new(spectrum: &Spectrum, shrinkage: f64, most: usize) -> Self {
        let added = shrinkage * spectrum.unit;
        let gains = spectrum.gains(shrinkage, most);
        // Along the eigenvectors in use, what of A is left.
        let used = most.min(gains.len());
        let kept = gains.slice(s![..used]).mapv(|gain| 1.0 - gain).insert_axis(Axis(0));
        let gains = gains.insert_axis(Axis(0));
        let means_gained = &spectrum.means_on * &gains;
        let means = &spectrum.means_means - &means_gained.dot(&spectrum.means_on.t());
        let across = &spectrum.means_rows - &means_gained.dot(&spectrum.rows_on.t());
        let means_kept = &spectrum.means_on.slice(s![.., ..used]) * &kept;
        let classes = means.nrows();
        let beliefs: Vec<f64> = spectrum.bursts_of.iter().map(|&bursts| belief(bursts)).collect();
        let mut judged = Judged::new(classes);
        let mut distances = Vec::new();
        for burst in spectrum.bursts.iter().filter(|burst| spectrum.bursts_of[burst.class] > 1.0) {
            let own = burst.class;
            let size = burst.rows.len();
            let on = spectrum.rows_on.select(Axis(0), &burst.rows);
            let u_u = Array2::from_shape_fn((size, size), |(i, j)| spectrum.rows_rows[(burst.rows[i], burst.rows[j])])
                - (&on * &gains).dot(&on.t());
            let m_u = across.select(Axis(1), &burst.rows);
            let left = spectrum.examples_of[own] - size as f64;
            let all = spectrum.examples_of[own];
            let m_t = m_u.sum_axis(Axis(1)) / left;
            let u_t = u_u.sum_axis(Axis(1)) / left;
            let t_t = u_t.sum() / left;
            let share = 1.0 / classes as f64;
            // The class means without the burst, less their centre without it, are `mean + moved * t`.
            let moved: Vec<f64> = (0..classes).map(|k| share - f64::from(u8::from(k == own))).collect();
            // What the scatter loses lies along the eigenvectors in use: v is u there.
            let on_used = on.slice(s![.., ..used]);
            let v_v = (&on_used * &kept).dot(&on_used.t());
            let m_v = means_kept.dot(&on_used.t());
            let v_t = v_v.sum_axis(Axis(1)) / left;
            let b_v = Array2::from_shape_fn((classes, size), |(k, j)| m_v[(k, j)] + moved[k] * v_t[j]);
            let a_v = Array2::from_shape_fn((size, size), |(i, j)| m_v[(own, j)] + v_v[(i, j)] + share * v_t[j]);
            let lost = Array2::from_shape_fn((size, size), |(i, j)| {
                added * (f64::from(u8::from(i == j)) - 1.0 / all) - v_v[(i, j)]
            });
            // Beyond rounding there is one: a scatter without some of its squares is still shrunk.
            let inverse = inverse(&lost).unwrap_or_else(|| Array2::zeros((size, size)));
            let b_r = b_v.dot(&inverse);
            let a_r = a_v.dot(&inverse);
            for i in 0..size {
                let logits = (0..classes).map(|k| {
                    let a_b = means[(own, k)] + moved[k] * m_t[own] + m_u[(k, i)] + moved[k] * u_t[i]
                        + share * (m_t[k] + moved[k] * t_t)
                        + a_r.row(i).dot(&b_v.row(k));
                    let b_b = means[(k, k)] + 2.0 * moved[k] * m_t[k] + moved[k] * moved[k] * t_t
                        + b_r.row(k).dot(&b_v.row(k));
                    let belief = if k == own { belief(spectrum.bursts_of[k] - 1.0) } else { beliefs[k] };
                    a_b - belief * b_b / 2.0
                });
                judged.push(spectrum.rows[burst.rows[i]], own, logits);
                distances.push(
                    means[(own, own)] + u_u[(i, i)] + share * share * t_t
                        + 2.0 * m_u[(own, i)] + 2.0 * share * (m_t[own] + u_t[i])
                        + a_r.row(i).dot(&a_v.row(i)),
                );
            }
        }
        let halves = means.diag().iter().zip(&beliefs).map(|(square, belief)| belief * square / 2.0).collect();
        Self { judged, distances, halves }
    }
}

/// Of a small symmetric positive definite matrix, by Gauss and Jordan; `None` where it is not.
fn inverse(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let size = matrix.nrows();
    let (mut a, mut b) = (matrix.clone(), Array2::<f64>::eye(size));
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
            if factor == 0.0 { continue; }
            for j in 0..size {
                let (x, y) = (factor * a[(k, j)], factor * b[(k, j)]);
                a[(i, j)] -= x;
                b[(i, j)] -= y;
            }
        }
    }
    Some(b)
}
