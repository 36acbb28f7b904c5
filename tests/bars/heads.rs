//! Training, on numbers like embeddings.

use std::hint::black_box;

use lastlayer_shared::head::{Example, Head, Kind, Layout};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{RUNS, median};

/// As `lastlayer export mobilenet-v2` has it: the last embedding and two taps.
pub const PARTS: [usize; 3] = [1280, 576, 576];
const CLASSES: usize = 6;

/// Numbers like embeddings of a network that ends in ReLU6 and an average: none below 0.
fn embeddings(classes: usize, count: usize) -> Vec<(usize, Vec<f32>)> {
    let width = PARTS.iter().sum();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let centres: Vec<Vec<f32>> = (0..classes)
        .map(|_| (0..width).map(|_| random.random::<f32>()).collect())
        .collect();
    (0..count)
        .map(|i| {
            let class = i % classes;
            let noisy = centres[class]
                .iter()
                .map(|v| (v + random.random::<f32>() * 2.0 - 1.0).max(0.0));
            (class, noisy.collect())
        })
        .collect()
}

fn examples(embeddings: &[(usize, Vec<f32>)]) -> Vec<Example<'_>> {
    let all = embeddings.iter().enumerate();
    all.map(|(burst, (class, embedding))| Example {
        embedding,
        class: *class,
        burst: burst as u32,
    })
    .collect()
}

pub fn measure() {
    let layout = Layout::new(PARTS).unwrap();
    let fit = |kind, examples: &[Example<'_>]| {
        drop(black_box(Head::fit(kind, &layout, examples).unwrap()));
    };
    println!(
        "head training, {CLASSES} classes, {PARTS:?} numbers, one thread, median of {RUNS}, ms"
    );
    println!(
        "{:10} {:>8} {:>8} {:>8} {:>8}   200 : 20",
        "head", 20, 50, 100, 200
    );
    let all = embeddings(CLASSES, CLASSES * 200);
    for kind in Kind::ALL {
        let times = [20, 50, 100, 200].map(|count| {
            let examples = examples(&all[..CLASSES * count]);
            median(|| fit(kind, &examples))
        });
        let [a, b, c, d] = times;
        println!(
            "{:10} {a:8.1} {b:8.1} {c:8.1} {d:8.1}   {:8.1}",
            kind.name(),
            d / a
        );
    }
    println!("the default head, classes x examples of each, ms");
    for (classes, count) in [(5, 20), (10, 100), (20, 500)] {
        let all = embeddings(classes, classes * count);
        let examples = examples(&all);
        let time = median(|| fit(Kind::default(), &examples));
        println!("{:>10} {time:8.1}", format!("{classes} x {count}"));
    }
}
