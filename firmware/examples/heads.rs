//! Fits heads on made-up embeddings that are the same numbers everywhere, and prints what they say, a
//! line of JSON a head. `cargo xtask agree` runs it on two architectures and compares.

use lastlayer_shared::{
    file::sha256,
    head::{Example, Head, HeadError, Kind, Layout},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A full MobileNetV2's parts, and so few numbers that there are more examples than those.
const WIDE: [usize; 3] = [1280, 576, 576];
const NARROW: [usize; 3] = [64, 24, 24];
/// Examples a class, each with its parts: one way to fit after the other.
const CASES: [(usize, [usize; 3]); 4] = [(2, WIDE), (20, WIDE), (100, WIDE), (100, NARROW)];
const CLASSES: usize = 5;
/// Examples of one press, and of each class that the heads are asked about.
const PRESS: usize = 10;
const ASKED: usize = 20;

/// `each` embeddings a class. Sums and products only: other functions are not the same everywhere.
fn embeddings(seed: u64, parts: [usize; 3], each: usize) -> Vec<(usize, Vec<f32>)> {
    let width = parts.iter().sum();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<Vec<f32>> = (0..CLASSES)
        .map(|_| (0..width).map(|_| random.random::<f32>()).collect())
        .collect();
    (0..CLASSES * each)
        .map(|at| {
            let class = at / each;
            let noisy = centres[class].iter();
            let noisy = noisy.map(|v| (v + random.random::<f32>() * 8.0 - 4.0).max(0.0));
            (class, noisy.collect())
        })
        .collect()
}

fn main() -> Result<(), HeadError> {
    for (each, parts) in CASES {
        let layout = Layout::new(parts).ok_or(HeadError::Damaged("no layout"))?;
        let all = embeddings(7, parts, each + ASKED);
        let (mut taught, mut asked) = (Vec::new(), Vec::new());
        for (at, (class, embedding)) in all.iter().enumerate() {
            match at % (each + ASKED) < each {
                true => taught.push(Example {
                    embedding,
                    class: *class,
                    burst: (at / PRESS.min(each / 2)) as u32,
                }),
                false => asked.push(embedding),
            }
        }
        for kind in Kind::ALL {
            let head = Head::fit(kind, &layout, &taught)?;
            let bytes = postcard::to_stdvec(&head).map_err(|_| HeadError::Damaged("unwritable"))?;
            let judgements = asked.iter().filter_map(|embedding| head.judge(embedding));
            let mut said = Vec::new();
            for judgement in judgements {
                said.extend(judgement.answers.iter().map(|answer| answer.confidence));
                said.extend(judgement.familiarity);
            }
            let line = serde_json::json!({
                "head": format!("{}, {CLASSES} x {each} of {}", kind.name(), layout.width()),
                "bytes": sha256(&bytes),
                "said": said,
            });
            println!("{line}");
        }
    }
    Ok(())
}
