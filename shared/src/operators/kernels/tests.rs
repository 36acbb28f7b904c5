use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn numbers(random: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.random::<f32>() - 0.5).collect()
}

fn alike(kind: Kind, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (at, (a, b)) in got.iter().zip(expected).enumerate() {
        let differs = (a - b).abs() > 1e-4 * (1.0 + b.abs());
        assert!(!differs, "{:?}: {a} is not {b} at {at}", kind.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// As the plainest loops have it: sums, places, what is added, limits, and nothing written beside.
    #[test]
    fn pixels_times_weights(
        count in 1usize..40, depth in 0usize..40, columns in 1usize..70, gap in 0usize..3, seed: u64,
        adds: bool,
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let weights = numbers(&mut random, depth * columns);
        let (bias, from) = (numbers(&mut random, columns), numbers(&mut random, count * depth));
        let added = numbers(&mut random, if adds { count * columns } else { 0 });
        let panels = Panels::new(depth, &bias, |column, row| weights[row * columns + column]);
        let places: Vec<usize> = (0..count).map(|p| (count - 1 - p) * (columns + gap)).collect();
        let limits = (-0.4, 0.6);
        let mut expected = vec![9.0; count * (columns + gap)];
        for (p, place) in places.iter().enumerate() {
            for c in 0..columns {
                let products = (0..depth).map(|k| from[p * depth + k] * weights[k * columns + c]);
                let mut sum = bias[c] + products.sum::<f32>();
                sum += added.get(p * columns + c).unwrap_or(&0.0);
                expected[place + c] = sum.clamp(limits.0, limits.1);
            }
        }
        for kind in Kind::all() {
            let mut to = vec![9.0; expected.len()];
            let pixels = Pixels { from: &from, places: &places, added: &added, limits };
            kind.pointwise(&panels, pixels, &mut to);
            alike(kind, &to, &expected);
        }
    }

    #[test]
    fn rows_times_windows(width in 0usize..20, channels in 1usize..50, stride in 1usize..3, seed: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let weights = numbers(&mut random, channels * 9);
        let bias = numbers(&mut random, channels);
        let windows = Windows::new(&bias, |channel, at| weights[channel * 9 + at]);
        let pixels = (width.max(1) - 1) * stride + 3;
        let rows: [Vec<f32>; 3] = std::array::from_fn(|_| numbers(&mut random, pixels * channels));
        let limits = (-0.4, 0.6);
        let mut expected = vec![0.0; width * channels];
        for (at, sum) in expected.iter_mut().enumerate() {
            let (x, c) = (at / channels, at % channels);
            *sum = bias[c];
            for i in 0..3 {
                for j in 0..3 {
                    *sum += rows[i][(x * stride + j) * channels + c] * weights[c * 9 + i * 3 + j];
                }
            }
            *sum = sum.clamp(limits.0, limits.1);
        }
        for kind in Kind::all() {
            let mut to = vec![0.0; expected.len()];
            let from = std::array::from_fn(|i| rows[i].as_slice());
            kind.depthwise(&windows, Rows { from, stride, limits }, &mut to);
            alike(kind, &to, &expected);
        }
    }
}

/// A network that breaks says so: no limit hides a number that is none.
#[test]
fn what_is_no_number_stays_none() {
    for kind in Kind::all() {
        for channels in [3, 16] {
            let limits = (0.0, 6.0);
            let panels = Panels::new(1, &vec![f32::NAN; channels], |_, _| 1.0);
            let mut to = vec![0.0; channels];
            let pixels = Pixels {
                from: &[1.0],
                places: &[0],
                added: &[],
                limits,
            };
            kind.pointwise(&panels, pixels, &mut to);
            assert!(to.iter().all(|v| v.is_nan()), "{:?}", kind.0);
            let windows = Windows::new(&vec![f32::NAN; channels], |_, _| 1.0);
            let row = vec![1.0; 3 * channels];
            let rows = Rows {
                from: [&row, &row, &row],
                stride: 1,
                limits,
            };
            kind.depthwise(&windows, rows, &mut to);
            assert!(to.iter().all(|v| v.is_nan()), "{:?}", kind.0);
        }
    }
}
