//! Which channels a layer can do without, and what the others must then weigh: greedy backward
//! elimination for a linear regression.
//!
//! The hidden activations H (a row a position, a column a channel) give the next layer's output T as
//! H W + b. With G = H'H / n + ridge, both centred, W = G^-1 H'T / n, and leaving channel j out raises
//! the squared error by |w_j|^2 / (G^-1)_jj, the least possible where all others are solved again
//! (partitioned inverse; the "optimal brain surgeon" of Hassibi and Stork, NIPS 1992, for a layer's
//! output). The channel with the least such rise goes, G^-1 and W follow by a rank-one update.

use std::ops::Range;

use faer::{Accum, Mat, Par, Side, linalg::matmul::matmul, prelude::Solve};

/// Of the mean variance of a channel: less is rounding, and photos never show everything.
const RIDGE: f64 = 1e-4;

/// Rows that are multiplied at once.
const AT_ONCE: usize = 4096;

/// Observed activations: a row a position.
pub struct Rows {
    pub columns: usize,
    pub numbers: Vec<f32>,
}

/// What is left of a layer's hidden channels.
#[derive(Clone)]
pub struct Reduced {
    /// Ascending.
    pub kept: Vec<usize>,
    /// Row by row, a row a kept channel, a column an output.
    pub weights: Vec<f32>,
    /// A number an output.
    pub bias: Vec<f32>,
    /// Squared error as a share of the output's variance.
    pub error: f64,
}

impl Rows {
    fn count(&self) -> usize {
        self.numbers.len() / self.columns.max(1)
    }

    fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        for row in self.numbers.chunks_exact(self.columns) {
            for (sum, v) in sums.iter_mut().zip(row) {
                *sum += f64::from(*v);
            }
        }
        let count = self.count().max(1) as f64;
        sums.iter().map(|sum| sum / count).collect()
    }

    /// Some rows, centred.
    fn centred(&self, rows: Range<usize>, means: &[f64]) -> Mat<f64> {
        Mat::from_fn(rows.len(), self.columns, |row, column| {
            f64::from(self.numbers[(rows.start + row) * self.columns + column]) - means[column]
        })
    }
}

/// The best of `hidden`'s channels for `target`, at each of `levels` (channels kept, descending). Of
/// the target's columns the first `outputs` become weights, the others only count where channels are
/// chosen. None where the activations hold nothing to solve.
pub fn reduce(
    hidden: &Rows,
    target: &Rows,
    outputs: usize,
    levels: &[usize],
) -> Option<Vec<Reduced>> {
    let (channels, all) = (hidden.columns, target.columns);
    let count = hidden.count();
    let (hidden_means, target_means) = (hidden.means(), target.means());
    let scale = 1.0 / count.max(1) as f64;
    let mut gram = Mat::<f64>::zeros(channels, channels);
    let mut cross = Mat::<f64>::zeros(channels, all);
    let mut total = 0.0;
    // Not all at once: in f64 they would take twice the memory once more.
    for start in (0..count).step_by(AT_ONCE) {
        let rows = start..(start + AT_ONCE).min(count);
        let h = hidden.centred(rows.clone(), &hidden_means);
        let t = target.centred(rows, &target_means);
        for (sum, right) in [(&mut gram, &h), (&mut cross, &t)] {
            let (left, right) = (h.as_ref().transpose(), right.as_ref());
            matmul(sum.as_mut(), Accum::Add, left, right, scale, Par::Seq);
        }
        total += t.as_ref().subcols(0, outputs).squared_norm_l2() * scale;
    }
    let trace: f64 = (0..channels).map(|c| gram[(c, c)]).sum();
    if !(trace.is_finite() && trace > 0.0) {
        return None;
    }
    let ridge = RIDGE * trace / channels as f64;
    for channel in 0..channels {
        gram[(channel, channel)] += ridge;
    }
    let cholesky = gram.llt(Side::Lower).ok()?;
    let weights = cholesky.solve(&cross);
    let inverse = cholesky.solve(Mat::<f64>::identity(channels, channels));
    let mut left = Left {
        channels: (0..channels).collect(),
        inverse: (0..channels)
            .map(|row| (0..channels).map(|column| inverse[(row, column)]).collect())
            .collect(),
        weights: (0..channels)
            .map(|row| (0..all).map(|column| weights[(row, column)]).collect())
            .collect(),
    };
    let mut reduced = Vec::with_capacity(levels.len());
    for &level in levels {
        while left.channels.len() > level {
            left.drop_least();
        }
        let explained: f64 = left
            .channels
            .iter()
            .zip(&left.weights)
            .map(|(&channel, row)| {
                let row = row[..outputs].iter().enumerate();
                row.map(|(o, w)| w * cross[(channel, o)]).sum::<f64>()
            })
            .sum();
        let error = if total > 0.0 {
            (1.0 - explained / total).max(0.0)
        } else {
            0.0
        };
        reduced.push(left.reduced(outputs, &hidden_means, &target_means, error));
    }
    Some(reduced)
}

/// The channels that are left, in any order.
struct Left {
    channels: Vec<usize>,
    inverse: Vec<Vec<f64>>,
    weights: Vec<Vec<f64>>,
}

impl Left {
    fn drop_least(&mut self) {
        let rise = |at: usize| {
            let squares: f64 = self.weights[at].iter().map(|w| w * w).sum();
            squares / self.inverse[at][at]
        };
        let least = (0..self.channels.len()).min_by(|&a, &b| rise(a).total_cmp(&rise(b)));
        let Some(least) = least else { return };
        self.channels.swap_remove(least);
        let weights = self.weights.swap_remove(least);
        let mut inverse = self.inverse.swap_remove(least);
        let own = inverse.swap_remove(least);
        for (row, row_weights) in self.inverse.iter_mut().zip(&mut self.weights) {
            let share = row.swap_remove(least) / own;
            for (number, other) in row.iter_mut().zip(&inverse) {
                *number -= share * other;
            }
            for (number, other) in row_weights.iter_mut().zip(&weights) {
                *number -= share * other;
            }
        }
    }

    fn reduced(&self, outputs: usize, hidden: &[f64], target: &[f64], error: f64) -> Reduced {
        let mut order: Vec<usize> = (0..self.channels.len()).collect();
        order.sort_by_key(|&at| self.channels[at]);
        let mut bias = target[..outputs].to_vec();
        let mut weights = Vec::with_capacity(order.len() * outputs);
        for &at in &order {
            let mean = hidden[self.channels[at]];
            for (bias, w) in bias.iter_mut().zip(&self.weights[at]) {
                *bias -= mean * w;
                weights.push(*w as f32);
            }
        }
        Reduced {
            kept: order.iter().map(|&at| self.channels[at]).collect(),
            weights,
            bias: bias.iter().map(|&b| b as f32).collect(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn rows(columns: usize, count: usize, mut number: impl FnMut(usize, usize) -> f32) -> Rows {
        let numbers = (0..count * columns).map(|at| number(at / columns, at % columns));
        Rows {
            columns,
            numbers: numbers.collect(),
        }
    }

    #[test]
    fn channels_that_others_can_speak_for_go_first() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let base: Vec<[f32; 3]> = (0..300).map(|_| random.random()).collect();
        // Channel 3 is the sum of 0 and 1, channel 4 says nothing.
        let hidden = rows(5, 300, |row, column| match column {
            3 => base[row][0] + base[row][1],
            4 => 2.0,
            _ => base[row][column],
        });
        let target = rows(2, 300, |row, o| base[row][o] + 2.0 * base[row][2] + 0.5);
        let reduced = reduce(&hidden, &target, 2, &[5, 3, 1]).unwrap();
        assert!(!reduced[1].kept.contains(&4) && reduced[1].kept.contains(&2));
        assert!(reduced[1].error < 1e-3, "{}", reduced[1].error);
        assert!(reduced[2].error > 0.05);
        for (row, expected) in hidden.numbers.chunks(5).zip(target.numbers.chunks(2)) {
            let kept = &reduced[1];
            let got = kept
                .kept
                .iter()
                .enumerate()
                .fold(kept.bias[1], |sum, (at, &channel)| {
                    sum + row[channel] * kept.weights[at * 2 + 1]
                });
            assert!((got - expected[1]).abs() < 0.02);
        }
    }

    #[test]
    fn what_is_updated_is_what_solving_anew_gives() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let hidden = rows(12, 200, |_, _| random.random());
        let target = rows(4, 200, |row, o| {
            hidden.numbers[row * 12 + o] * 2.0 + hidden.numbers[row * 12 + o + 5]
        });
        let reduced = &reduce(&hidden, &target, 4, &[7]).unwrap()[0];
        let few = rows(7, 200, |row, at| {
            hidden.numbers[row * 12 + reduced.kept[at]]
        });
        let anew = &reduce(&few, &target, 4, &[7]).unwrap()[0];
        for (a, b) in reduced.weights.iter().zip(&anew.weights) {
            assert!((a - b).abs() < 2e-3, "{a} {b}");
        }
        assert!((reduced.error - anew.error).abs() < 1e-3);
    }

    #[test]
    fn what_never_changes_cannot_be_solved() {
        let still = rows(3, 20, |_, column| column as f32);
        assert!(reduce(&still, &still, 3, &[1]).is_none());
        let nothing = rows(3, 0, |_, _| 0.0);
        assert!(reduce(&nothing, &nothing, 3, &[1]).is_none());
    }
}
