use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::head::{
    Example, Head, Kind, Layout,
    lda::tests::{Plain, TAPS, design, scaled},
    tests::examples,
};

#[test]
fn a_measure_reads_what_the_textbook_and_its_gauge_say() {
    let design = design(4);
    let grams = Grams::new(&design);
    let gram = grams.at(TAPS);
    let spectrum = Spectrum::new(&design, &grams, TAPS, &design.by_burst());
    let added = 0.1 * spectrum.unit;
    let gauge = Gauge::new(&ruler(&design, &spectrum, 0.1), &[0.0; 4][..design.classes]);
    let measure = Measure::new(spectrum, 0.1);
    let features = scaled(&design);
    let all: Vec<usize> = (0..design.rows()).collect();
    // There are fewer numbers than directions looked at.
    let plain = Plain::new(
        &features,
        &design,
        &all,
        added,
        &Array2::eye(features.ncols()),
    );
    for burst in design.by_burst() {
        let held = Held::new(&burst, &gram, &all, &measure, 0);
        let mut squares = 0.0;
        for (reading, &row) in held.examples.iter().zip(&burst.rows) {
            let x = features.row(row);
            let expected = plain.distance(x);
            let got = reading.distance;
            assert!(
                (got - expected).abs() < 1e-5 * (1.0 + expected),
                "{got} {expected}"
            );
            // The gauge is rounded to 8 bits.
            let row = design.features.row(row);
            let gauged = gauge.reached(row.as_slice().unwrap(), design.last);
            let gauged = f64::from(gauged.unwrap());
            let highest = reading.logits.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            let reached = highest - measure.share * got / 2.0;
            assert!(
                (gauged - reached).abs() < 0.02 * (1.0 + expected),
                "{gauged} {reached}"
            );
            let off = &x - &plain.means.row(burst.class);
            squares += plain.product(&off, &off);
        }
        let got = held.squares;
        assert!(
            (got - squares).abs() < 1e-5 * (1.0 + squares),
            "{got} {squares}"
        );
    }
}

#[test]
fn few_bursts_make_the_deviation_wide() {
    let reached: Vec<(f64, f64)> = [-1.0, 1.0, -1.0, 1.0].map(|v: f64| (v, v * v)).to_vec();
    let (usual, few) = super::usual(&reached);
    let (_, many) = super::usual(&reached.repeat(100));
    // Student's t at three degrees of freedom is 2.353 where the normal is 1.645.
    let wider = few / many / (4.0f64 / 3.0 * 5.0 / 4.0).sqrt();
    assert!(usual == 0.0 && (many - 1.0).abs() < 0.01);
    assert!((wider - 2.353 / 1.645).abs() < 0.04, "{wider}");
}

/// Things of which frames are taken: classes, in which things differ more along some directions than
/// along others, and frames of one thing, which hardly differ.
struct World {
    classes: Array2<f32>,
    directions: Array2<f32>,
    random: ChaCha8Rng,
}

const WORLD: usize = 160;

impl World {
    fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = |rows: usize, size: f32| {
            Array2::from_shape_simple_fn((rows, WORLD), || size * (random.random::<f32>() - 0.5))
        };
        Self {
            classes: rows(5, 0.5),
            directions: rows(12, 0.4),
            random,
        }
    }

    /// `frames` of a new thing of the class.
    fn thing(&mut self, class: usize, frames: usize) -> Vec<Vec<f32>> {
        let random = &mut self.random;
        let mut normal = || (0..6).map(|_| random.random::<f32>()).sum::<f32>() - 3.0;
        let mut thing = self.classes.row(class).mapv(|v| 1.0 + v + 0.1 * normal());
        for direction in self.directions.outer_iter() {
            thing.scaled_add(normal(), &direction);
        }
        (0..frames)
            .map(|_| thing.iter().map(|v| v + 0.01 * normal()).collect())
            .collect()
    }
}

/// Of four taught classes and of a fifth, the share that is called strange at one in twenty; `taught`:
/// for each class the frames of each burst.
fn strange(taught: &[Vec<usize>; 4]) -> (f64, f64) {
    let (mut known, mut new) = (0.0, 0.0);
    let (seeds, shown) = (12, 60);
    for seed in 0..seeds {
        let mut world = World::new(seed);
        let (mut embeddings, mut labels, mut bursts) = (Vec::new(), Vec::new(), Vec::new());
        for (class, sizes) in taught.iter().enumerate() {
            for (burst, &frames) in sizes.iter().enumerate() {
                embeddings.extend(world.thing(class, frames));
                labels.extend(vec![class; frames]);
                bursts.extend(vec![(class * 100 + burst) as u32; frames]);
            }
        }
        let examples = examples(&embeddings, &labels).into_iter().zip(bursts);
        let examples: Vec<Example<'_>> = examples
            .map(|(example, burst)| Example { burst, ..example })
            .collect();
        let head = Head::fit(Kind::Lda, &Layout::plain(WORLD), &examples).unwrap();
        let mut share = |class: usize| {
            let mut strange = 0;
            for _ in 0..shown {
                let said = head.judge(&world.thing(class, 1)[0]).unwrap();
                strange += usize::from(!said.is_known(0.05));
            }
            strange as f64 / f64::from(shown) / seeds as f64
        };
        known += (0..4).map(&mut share).sum::<f64>() / 4.0;
        new += share(4);
    }
    (known, new)
}

#[test]
fn of_what_was_taught_as_little_is_strange_as_was_asked_for() {
    let photos = || vec![1; 10];
    let presses = || vec![10; 6];
    for taught in [
        [(); 4].map(|()| photos()),
        // Near-copies, which know nothing of other things.
        [(); 4].map(|()| presses()),
        // One long press beside single photos.
        [photos(), photos(), photos(), [photos(), vec![60]].concat()],
        // A class of one press beside others that are known well.
        [photos(), photos(), photos(), vec![10]],
    ] {
        let (known, new) = strange(&taught);
        println!("{taught:?}: {known:.3} of taught, {new:.3} of new");
        assert!((0.01..0.08).contains(&known), "{known} of {taught:?}");
        assert!(new > 3.0 * known, "{new} of {taught:?}");
    }
}
