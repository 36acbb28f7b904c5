use half::f16;
use ndarray::Axis;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// `per_class` examples around a centre for each class, every example a burst of its own.
pub(super) fn heaps(
    seed: u64,
    classes: usize,
    per_class: usize,
    width: usize,
    noise: f32,
) -> (Vec<Vec<f32>>, Vec<usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut number = |scale: f32| (random.random::<f32>() - 0.3) * scale;
    let centres: Vec<Vec<f32>> = (0..classes)
        .map(|_| (0..width).map(|_| number(1.0)).collect())
        .collect();
    let labels: Vec<usize> = (0..classes * per_class).map(|i| i % classes).collect();
    let embeddings = labels
        .iter()
        .map(|&label| centres[label].iter().map(|v| v + number(noise)).collect())
        .collect();
    (embeddings, labels)
}

pub(super) fn examples<'a>(embeddings: &'a [Vec<f32>], labels: &[usize]) -> Vec<Example<'a>> {
    embeddings
        .iter()
        .zip(labels)
        .enumerate()
        .map(|(burst, (embedding, &class))| Example {
            embedding,
            class,
            burst: burst as u32,
        })
        .collect()
}

fn design(seed: u64) -> Design {
    let (embeddings, labels) = heaps(seed, 3, 8, 10, 0.6);
    let layout = Layout::plain(10);
    Design::new(&layout, &examples(&embeddings, &labels), &[0, 1, 2]).unwrap()
}

/// Of embeddings without taps.
fn fit(kind: Kind, examples: &[Example<'_>]) -> Result<Head, HeadError> {
    let width = examples
        .first()
        .map_or(1, |example| example.embedding.len());
    Head::fit(kind, &Layout::plain(width), examples)
}

/// Gaussian elimination with pivoting, in f64: the slow, plain reference for `solve`.
pub(super) fn solve_plainly(matrix: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
    let size = matrix.nrows();
    let mut a = ndarray::concatenate(Axis(1), &[matrix.view(), right.view()]).unwrap();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|&i, &j| a[(i, column)].abs().total_cmp(&a[(j, column)].abs()))
            .unwrap();
        for k in 0..a.ncols() {
            a.swap((column, k), (pivot, k));
        }
        for row in (0..size).filter(|&row| row != column) {
            let factor = a[(row, column)] / a[(column, column)];
            for k in 0..a.ncols() {
                let take = factor * a[(column, k)];
                a[(row, k)] -= take;
            }
        }
    }
    Array2::from_shape_fn(right.raw_dim(), |(i, j)| a[(i, size + j)] / a[(i, i)])
}

fn close(a: &Array2<f32>, b: &Array2<f64>, tolerance: f64) {
    let size = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (a, b) in a.iter().zip(b) {
        assert!(
            (f64::from(*a) - b).abs() <= tolerance * size,
            "{a} is not {b}"
        );
    }
}

#[test]
fn ridge_is_the_closed_form() {
    let design = design(2);
    let fitted = Kind::Ridge.linear(&design);
    let x = design.features.mapv(f64::from);
    let count = x.nrows() as f64;
    let centred = &x - &x.mean_axis(Axis(0)).unwrap().insert_axis(Axis(0));
    let mut targets = Array2::<f64>::zeros((x.nrows(), 3));
    for (row, &label) in design.labels.iter().enumerate() {
        targets[(row, label)] = 8.0;
    }
    let targets = &targets - &targets.mean_axis(Axis(0)).unwrap().insert_axis(Axis(0));
    let penalty = 0.3 * centred.iter().map(|v| v * v).sum::<f64>() / count;
    let system = centred.t().dot(&centred) + Array2::<f64>::eye(10) * penalty;
    let expected = solve_plainly(&system, &centred.t().dot(&targets));
    close(&fitted.weights, &expected.t().to_owned(), 1e-4);
}

#[test]
fn logistic_reaches_the_minimum() {
    let design = design(3);
    let fitted = Kind::Logistic.linear(&design);
    // The loss in the textbook's form, in f64, over (weights, bias).
    let loss = |weights: &Array2<f64>, bias: &Array1<f64>| -> f64 {
        let x = design.features.mapv(|v| f64::from(v) * 6.0);
        let logits = x.dot(&weights.t()) + bias;
        let entropy: f64 = logits
            .outer_iter()
            .zip(&design.labels)
            .map(|(row, &label)| row.mapv(f64::exp).sum().ln() - row[label])
            .sum();
        entropy + (weights * weights).sum() / 2.0 + 1e-3 * (bias * bias).sum() / 2.0
    };
    let weights = fitted.weights.mapv(|v| f64::from(v) / 6.0);
    let bias = fitted.bias.mapv(f64::from);
    let best = loss(&weights, &bias);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for size in [1e-2, 1e-1, 1.0] {
        for _ in 0..50 {
            let step = weights.mapv(|v| v + size * (random.random::<f64>() - 0.5));
            let shift = bias.mapv(|v| v + size * (random.random::<f64>() - 0.5));
            assert!(loss(&step, &shift) > best, "a step of {size} goes down");
        }
    }
}

#[test]
fn class_numbers_may_have_gaps() {
    let (embeddings, mut labels) = heaps(5, 2, 6, 12, 0.2);
    labels.iter_mut().for_each(|label| *label = 3 + 4 * *label);
    for kind in Kind::ALL {
        let head = fit(kind, &examples(&embeddings, &labels)).unwrap();
        assert_eq!(head.classes().collect::<Vec<_>>(), [3, 7]);
        assert_eq!(head.answer(&embeddings[0]).unwrap().class, labels[0]);
        head.check(8, 12).unwrap();
        assert!(head.check(8, 0).is_err());
        let mut huge = head.clone();
        huge.weights.fill(f32::MAX);
        assert_eq!(
            (huge.check(8, 12), huge.answer(&embeddings[0])),
            (Ok(()), None)
        );
        assert!(head.check(7, 12).is_err() && head.check(8, 13).is_err());
    }
}

#[test]
fn what_cannot_be_learned_from_is_an_error() {
    let good = vec![1.0, 2.0];
    let fitted = |embeddings: &[&Vec<f32>]| {
        let taught: Vec<Example<'_>> = embeddings
            .iter()
            .enumerate()
            .map(|(i, embedding)| Example {
                embedding,
                class: i,
                burst: 0,
            })
            .collect();
        fit(Kind::Lda, &taught)
    };
    assert_eq!(fitted(&[]), Err(HeadError::TooFewClasses(0)));
    assert_eq!(fitted(&[&good]), Err(HeadError::TooFewClasses(1)));
    let (long, odd, none) = (vec![1.0; 3], vec![f32::NAN, 0.0], vec![]);
    assert!(matches!(
        fitted(&[&good, &long]),
        Err(HeadError::Width { .. })
    ));
    assert!(matches!(
        fitted(&[&none, &none]),
        Err(HeadError::Width { .. })
    ));
    assert_eq!(fitted(&[&good, &odd]), Err(HeadError::NotFinite));
}

#[test]
fn an_embedding_that_does_not_fit_has_no_answer() {
    let (embeddings, labels) = heaps(6, 2, 3, 4, 0.2);
    let head = fit(Kind::Lda, &examples(&embeddings, &labels)).unwrap();
    assert_eq!(head.answer(&[1.0]), None);
    assert_eq!(head.answer(&[f32::NAN; 4]), None);
    assert!(head.answer(&[0.0; 4]).is_some());
}

#[test]
fn same_examples_in_every_class_do_no_harm() {
    let same = vec![vec![0.5f32; 6]; 8];
    let labels: Vec<usize> = (0..8).map(|i| i % 2).collect();
    for kind in Kind::ALL {
        let head = fit(kind, &examples(&same, &labels)).unwrap();
        let confidence = head.answer(&same[0]).unwrap().confidence;
        assert!((confidence - 0.5).abs() < 0.01, "{kind:?}: {confidence}");
    }
}

#[test]
fn confidence_follows_how_often_it_is_right() {
    // Overlapping heaps: on fresh examples the head is right about as often as it says.
    let (embeddings, labels) = heaps(7, 3, 220, 24, 3.0);
    let taught = examples(&embeddings[..180], &labels[..180]);
    for kind in Kind::ALL {
        let head = fit(kind, &taught).unwrap();
        let (mut said, mut right) = (0.0, 0.0);
        let fresh = embeddings[180..].iter().zip(&labels[180..]);
        let count = fresh.len() as f32;
        for (embedding, &label) in fresh {
            let answer = head.answer(embedding).unwrap();
            said += answer.confidence / count;
            right += f32::from(u8::from(answer.class == label)) / count;
        }
        // Heads that were fitted without the held-back examples are a little worse than the one
        // that is used, so the confidence is on the careful side.
        let careful = right - 0.15..right + 0.05;
        assert!(
            careful.contains(&said),
            "{kind:?}: says {said}, is right {right}"
        );
    }
}

#[test]
fn a_new_class_leaves_the_old_examples_in_place() {
    let (embeddings, labels) = heaps(8, 4, 10, 32, 0.4);
    let old: Vec<Example<'_>> = examples(&embeddings, &labels)
        .into_iter()
        .filter(|example| example.class < 3)
        .collect();
    for kind in Kind::ALL {
        let before = fit(kind, &old).unwrap();
        let after = fit(kind, &examples(&embeddings, &labels)).unwrap();
        for example in &old {
            let answer = |head: &Head| head.answer(example.embedding).unwrap().class;
            assert_eq!(answer(&before), example.class);
            assert_eq!(answer(&after), example.class, "{kind:?} forgot");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn confidences_are_shares_and_fits_repeat(
        seed in 0u64..1000, classes in 2usize..5, per_class in 1usize..6, kind in 0usize..4,
    ) {
        let (embeddings, labels) = heaps(seed, classes, per_class, 9, 1.0);
        let taught = examples(&embeddings, &labels);
        let head = fit(Kind::ALL[kind], &taught).unwrap();
        prop_assert_eq!(&head, &fit(Kind::ALL[kind], &taught).unwrap());
        prop_assert!(head.check(classes, 9).is_ok());
        for embedding in &embeddings {
            let shares = head.confidences(embedding).unwrap();
            let sum: f32 = shares.iter().map(|answer| answer.confidence).sum();
            prop_assert!((sum - 1.0).abs() < 1e-4);
            prop_assert!(shares.iter().all(|a| (0.0..=1.0).contains(&a.confidence)));
        }
    }

    #[test]
    fn the_length_of_an_embedding_does_not_matter(seed in 0u64..1000, scale in 0.01f32..100.0) {
        let (embeddings, labels) = heaps(seed, 3, 4, 9, 1.0);
        let head = fit(Kind::Lda, &examples(&embeddings, &labels)).unwrap();
        for embedding in &embeddings {
            let longer: Vec<f32> = embedding.iter().map(|v| v * scale).collect();
            let (a, b) = (head.answer(embedding).unwrap(), head.answer(&longer).unwrap());
            prop_assert_eq!(a.class, b.class);
            prop_assert!((a.confidence - b.confidence).abs() < 1e-3);
        }
    }
}

/// `count` examples of three classes in bursts, some of them copies of others. Of 12 numbers.
fn bursts(seed: u64, count: usize) -> Vec<(Vec<f32>, usize, u32)> {
    bursts_of(12, seed, count)
}

fn bursts_of(width: usize, seed: u64, count: usize) -> Vec<(Vec<f32>, usize, u32)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut embeddings, labels) = heaps(seed, 3, count.div_ceil(3), width, 0.6);
    for _ in 0..count / 5 {
        let (from, to) = (random.random_range(0..count), random.random_range(0..count));
        embeddings[to] = embeddings[from].clone();
    }
    let all = embeddings.into_iter().zip(labels);
    all.map(|(embedding, label)| (embedding, label, random.random_range(0..9)))
        .collect()
}

fn bytes<T: Number>(kind: Kind, taught: &[(Vec<T>, usize, u32)]) -> (Vec<u8>, Vec<Option<usize>>) {
    let examples: Vec<Example<'_, T>> = taught
        .iter()
        .map(|(embedding, class, burst)| Example {
            embedding,
            class: *class,
            burst: *burst,
        })
        .collect();
    let width = taught[0].0.len();
    let layout = Layout::new([width / 2, width / 3, width / 6]).unwrap();
    let (head, called) = Head::fit_judged(kind, &layout, &examples).unwrap();
    (postcard::to_stdvec(&head).unwrap(), called)
}

/// What the boards' bursts give together, whatever order they come in and whatever their numbers are.
fn together(kind: Kind, boards: [&[(Vec<f32>, usize, u32)]; 2]) -> Vec<u8> {
    let pairs = (0..).zip(boards);
    let all = pairs.flat_map(|(board, taught)| {
        taught
            .iter()
            .map(move |(embedding, class, burst)| (embedding.clone(), *class, burst * 2 + board))
    });
    bytes(kind, &all.collect::<Vec<_>>()).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Two boards put together are one board, either way round. A burst, or a class, that comes and
    /// goes leaves nothing behind. On both sides of what is fitted in another way for being many.
    #[test]
    fn adding_and_taking_away_is_exact(
        seed in 0u64..1000,
        count in prop::sample::select(vec![12usize, 60, 318, 324, 400]),
    ) {
        let (one, other) = (bursts(seed, count / 2), bursts(seed + 1, count / 2));
        for kind in Kind::ALL {
            let both = together(kind, [&one, &other]);
            prop_assert_eq!(&both, &together(kind, [&other, &one]), "{:?}", kind);

            let alone = bytes(kind, &one).0;
            let mut taught = one.clone();
            let copy = one[0].0.clone();
            taught.insert(0, (copy.clone(), one[0].1, 77));
            taught.push((copy, 3, 78));
            prop_assert_ne!(&alone, &bytes(kind, &taught).0, "{:?}", kind);
            taught.retain(|(_, _, burst)| *burst < 77);
            taught.reverse();
            prop_assert_eq!(&alone, &bytes(kind, &taught).0, "{:?}", kind);
        }
    }
}

#[test]
fn the_same_numbers_teach_the_same_in_half_and_in_single_precision() {
    let halves: Vec<(Vec<f16>, usize, u32)> = bursts(5, 40)
        .into_iter()
        .map(|(numbers, class, burst)| {
            let numbers = numbers.iter().map(|number| f16::from_f32(*number));
            (numbers.collect(), class, burst)
        })
        .collect();
    let singles: Vec<(Vec<f32>, usize, u32)> = halves
        .iter()
        .map(|(numbers, class, burst)| {
            let numbers = numbers.iter().map(|number| number.to_f32());
            (numbers.collect(), *class, *burst)
        })
        .collect();
    for kind in Kind::ALL {
        assert_eq!(bytes(kind, &halves), bytes(kind, &singles), "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Bursts of two boards, in any order and by other numbers, give the head of one board that was
    /// taught them all; and what is said of each example stays with it.
    #[test]
    fn the_same_bursts_give_the_same_head(seed in 0u64..1000, count in 9usize..60, shift in 1u32..99) {
        use rand::seq::SliceRandom;
        let one = bursts(seed, count);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut places: Vec<usize> = (0..one.len()).collect();
        places.shuffle(&mut random);
        let other: Vec<_> = places
            .iter()
            .map(|&place| {
                let (embedding, class, burst) = one[place].clone();
                (embedding, class, burst.wrapping_mul(7).wrapping_add(shift) % 1009)
            })
            .collect();
        for kind in Kind::ALL {
            let (head, called) = bytes(kind, &one);
            let (same, called_other) = bytes(kind, &other);
            prop_assert_eq!(&head, &same, "{:?}", kind);
            for (place, said) in places.iter().zip(called_other) {
                prop_assert_eq!(called[*place], said);
            }
        }
    }
}

/// More examples than numbers, and fewer.
#[test]
fn many_bursts_give_the_same_head_in_any_order() {
    for one in [bursts(5, 600), bursts_of(360, 5, 330)] {
        let mut other = one.clone();
        other.reverse();
        assert!(bytes(Kind::Lda, &one).0 == bytes(Kind::Lda, &other).0);
    }
}
