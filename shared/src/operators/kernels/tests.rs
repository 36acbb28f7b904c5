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
        count in 1usize..40, depth in 0usize..40, columns in 1usize..70, gap in 0usize..3,
        step in 0usize..50, seed: u64,
        adds: bool, limited: bool,
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let weights = numbers(&mut random, depth * columns);
        let (bias, from) = (numbers(&mut random, columns), numbers(&mut random, count * step + depth));
        let added = numbers(&mut random, if adds { count * columns } else { 0 });
        let panels = Panels::new(depth, &bias, |column, row| weights[row * columns + column]);
        let places: Vec<usize> = (0..count).map(|p| p * (columns + gap)).collect();
        let known = Places::new(places.clone()).unwrap();
        let limits = if limited { (-0.4, 0.6) } else { (f32::NEG_INFINITY, f32::INFINITY) };
        let mut expected = vec![9.0; count * (columns + gap)];
        for (p, place) in places.iter().enumerate() {
            for c in 0..columns {
                let products = (0..depth).map(|k| from[p * step + k] * weights[k * columns + c]);
                let mut sum = bias[c] + products.sum::<f32>();
                sum += added.get(p * columns + c).unwrap_or(&0.0);
                expected[place + c] = sum.clamp(limits.0, limits.1);
            }
        }
        for kind in Kind::all() {
            let mut to = vec![9.0; expected.len()];
            let places = known.first(count);
            let pixels = Pixels { from: &from, step, places, added: &added, limits };
            kind.pointwise(&panels, pixels, &mut to);
            alike(kind, &to, &expected);
        }
    }

    #[test]
    fn rows_times_windows(
        width in 1usize..20, height in 0usize..7, channels in 1usize..50, stride in 1usize..3,
        gap in 0usize..3, seed: u64,
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let weights = numbers(&mut random, channels * 9);
        let bias = numbers(&mut random, channels);
        let windows = Windows::new(&bias, |channel, at| weights[channel * 9 + at]);
        let row = ((width - 1) * stride + 3) * channels + gap;
        let from = numbers(&mut random, (height.max(1) * stride + 3) * row);
        let limits = (-0.4, 0.6);
        let mut expected = vec![0.0; height * width * channels];
        for (at, sum) in expected.iter_mut().enumerate() {
            let (y, x, c) = (at / channels / width, at / channels % width, at % channels);
            *sum = bias[c];
            for i in 0..3 {
                for j in 0..3 {
                    let pixel = from[(y * stride + i) * row + (x * stride + j) * channels + c];
                    *sum += pixel * weights[c * 9 + i * 3 + j];
                }
            }
            *sum = sum.clamp(limits.0, limits.1);
        }
        for kind in Kind::all() {
            let mut to = vec![0.0; expected.len()];
            let rows = Rows { from: &from, row, width, stride, limits };
            kind.depthwise(&windows, rows, &mut to);
            alike(kind, &to, &expected);
        }
    }
}

#[test]
fn places_ascend() {
    assert!(Places::new(vec![0, 4, 4, 9]).is_some());
    assert!(Places::new(vec![0, 9, 4]).is_none());
}

/// A network that breaks says so: no limit hides a number that is none.
#[test]
fn what_is_no_number_stays_none() {
    for kind in Kind::all() {
        for channels in [3, 16] {
            let limits = (0.0, 6.0);
            let panels = Panels::new(1, &vec![f32::NAN; channels], |_, _| 1.0);
            let mut to = vec![0.0; channels];
            let place = Places::new(vec![0]).unwrap();
            let pixels = Pixels {
                from: &[1.0],
                step: 1,
                places: place.first(1),
                added: &[],
                limits,
            };
            kind.pointwise(&panels, pixels, &mut to);
            assert!(to.iter().all(|v| v.is_nan()), "{:?}", kind.0);
            let windows = Windows::new(&vec![f32::NAN; channels], |_, _| 1.0);
            let rows = Rows {
                from: &vec![1.0; 9 * channels],
                row: 3 * channels,
                width: 1,
                stride: 1,
                limits,
            };
            kind.depthwise(&windows, rows, &mut to);
            assert!(to.iter().all(|v| v.is_nan()), "{:?}", kind.0);
        }
    }
}
