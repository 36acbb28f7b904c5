//! Training, on numbers like embeddings.

use std::hint::black_box;

use lastlayer_shared::head::{Example, Head, Kind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{RUNS, median};

const WIDTH: usize = 1280;
const CLASSES: usize = 6;

pub fn measure() {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let centres: Vec<Vec<f32>> = (0..CLASSES)
        .map(|_| (0..WIDTH).map(|_| random.random::<f32>()).collect())
        .collect();
    // Like embeddings of a network that ends in ReLU6 and an average: none below 0.
    let per_class = 200;
    let embeddings: Vec<(usize, Vec<f32>)> = (0..CLASSES * per_class)
        .map(|i| {
            let class = i % CLASSES;
            let noisy = centres[class]
                .iter()
                .map(|v| (v + random.random::<f32>() * 2.0 - 1.0).max(0.0));
            (class, noisy.collect())
        })
        .collect();
    println!("head training, {CLASSES} classes, {WIDTH} numbers, one thread, median of {RUNS}, ms");
    println!(
        "{:10} {:>8} {:>8} {:>8} {:>8}   200 : 20",
        "head", 20, 50, 100, 200
    );
    for kind in Kind::ALL {
        let times = [20, 50, 100, 200].map(|count| {
            let examples: Vec<Example<'_>> = embeddings[..CLASSES * count]
                .iter()
                .enumerate()
                .map(|(burst, (class, embedding))| Example {
                    embedding,
                    class: *class,
                    burst: burst as u32,
                })
                .collect();
            median(|| drop(black_box(Head::fit(kind, &examples).unwrap())))
        });
        let [a, b, c, d] = times;
        println!(
            "{:10} {a:8.1} {b:8.1} {c:8.1} {d:8.1}   {:8.1}",
            kind.name(),
            d / a
        );
    }
}
