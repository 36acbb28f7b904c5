use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    layer::{Layer, Map},
    learn::Lesson,
    *,
};

const INPUTS: usize = 6;
const OUTPUTS: usize = 10;

fn layer(random: &mut ChaCha8Rng) -> Layer {
    let mut numbers =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    Layer::new(numbers(OUTPUTS * INPUTS), numbers(OUTPUTS), 0.0, 1.0).unwrap()
}

fn map(random: &mut ChaCha8Rng, mark: usize) -> Map {
    let numbers: Vec<f32> = (0..INPUTS * 12)
        .map(|at| {
            let here = if at / 12 == mark { 0.25 } else { 0.0 };
            random.random_range(0.0..1.0) + here
        })
        .collect();
    Map::new(INPUTS, 4, 3, &numbers).unwrap()
}

fn maps(random: &mut ChaCha8Rng, count: usize) -> Vec<Map> {
    (0..count).map(|i| map(random, i % 3)).collect()
}

fn samples(maps: &[Map]) -> Vec<Sample<'_>> {
    let all = maps.iter().enumerate();
    all.map(|(i, map)| Sample {
        map,
        taps: &[],
        class: 2 * (i % 3),
        burst: i as u32,
    })
    .collect()
}

#[test]
fn a_map_becomes_the_average_of_its_limited_positions() {
    // Two channels, two positions.
    let map = Map::new(2, 1, 2, &[1.0, 2.0, 0.5, -4.0]).unwrap();
    let layer = Layer::new(vec![1.0, 2.0, -1.0, 0.0], vec![0.5, 0.0], 0.0, 6.0).unwrap();
    // First output: 1 + 1 + 0.5 and 2 - 8 + 0.5; second: -1 and -2.
    assert_eq!(layer.embed(&map), [1.25, 0.0]);
    assert_eq!(Map::new(2, 1, 2, &[0.0; 3]), None);
    assert_eq!(Map::new(1, 1, 1, &[1e6]), None);
    assert_eq!(Layer::new(vec![0.0; 3], vec![0.0; 2], 0.0, 6.0), None);
    assert_eq!(Layer::new(vec![f32::NAN], vec![0.0], 0.0, 6.0), None);
}

#[test]
fn the_gradient_is_that_of_the_loss() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (layer, maps) = (layer(&mut random), maps(&mut random, 7));
    let samples = samples(&maps);
    let mut lesson = Lesson::new(&layer, &samples, 1).unwrap();
    let seen: Vec<_> = samples
        .iter()
        .map(|sample| sample.map.whole())
        .enumerate()
        .collect();
    let mut gradient = lesson.gradient(&seen).gradient;
    let loss = |lesson: &Lesson<'_>| -> f64 { lesson.part(&seen, 1.0).loss };
    let step = 1e-2;
    for part in 0..4 {
        let length = lesson.model.numbers()[part].len();
        for at in (0..length).step_by(length.div_ceil(9)) {
            let mut at_offset = |offset: f32| {
                lesson.model.numbers()[part][at] += offset;
                let loss = loss(&lesson);
                lesson.model.numbers()[part][at] -= offset;
                loss
            };
            let slope = (at_offset(step) - at_offset(-step)) / f64::from(2.0 * step);
            let expected = slope / seen.len() as f64;
            let got = f64::from(gradient.numbers()[part][at]);
            assert!(
                (got - expected).abs() < 0.02 * (1.0 + expected.abs()),
                "{part} {at}: {got} {expected}"
            );
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let (layer, maps) = (layer(&mut random), maps(&mut random, 45));
    let samples = samples(&maps);
    let learned = |threads: usize| {
        let mut lesson = Lesson::new(&layer, &samples, threads).unwrap();
        let _ = lesson.pass(|_| ControlFlow::Continue(()));
        let _ = lesson.pass(|_| ControlFlow::Continue(()));
        lesson.layer().clone()
    };
    let one = learned(1);
    assert_ne!(one, layer);
    assert!(one == learned(2) && one == learned(3) && one == learned(16));
}

#[test]
fn a_layer_is_tuned_where_the_samples_gain_by_it_and_else_not() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (layer, maps) = (layer(&mut random), maps(&mut random, 300));
    let layout = Layout::plain(OUTPUTS);
    let good = samples(&maps);
    let mut done = Vec::new();
    let tuned = tune(&layer, &layout, &good, 2, |share| {
        done.push(share);
        ControlFlow::Continue(())
    });
    let tuned = tuned.unwrap().unwrap();
    assert!(tuned.after < tuned.before && tuned.layer != layer);
    assert!(done.is_sorted() && done.last() == Some(&1.0), "{done:?}");
    let head = tuned.head(Kind::default(), &layout, &good).unwrap();
    let right = good.iter().filter(|sample| {
        let said = head.answer(&tuned.layer.embed(sample.map));
        said.is_some_and(|said| said.class == sample.class)
    });
    assert!(right.count() > 280);

    // Labels that have nothing to do with the maps.
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let noise: Vec<Sample<'_>> = good
        .iter()
        .map(|sample| Sample {
            class: random.random_range(0..3),
            ..*sample
        })
        .collect();
    let going = |_| ControlFlow::Continue(());
    assert!(tune(&layer, &layout, &noise, 2, going).unwrap().is_none());
    // Too few to judge by; and no longer wanted.
    assert!(
        tune(&layer, &layout, &good[..9], 2, going)
            .unwrap()
            .is_none()
    );
    let stop = |_| ControlFlow::Break(());
    assert!(tune(&layer, &layout, &good, 2, stop).unwrap().is_none());
    let other = Map::new(INPUTS + 1, 1, 1, &[0.0; INPUTS + 1]).unwrap();
    let other = [Sample {
        map: &other,
        ..good[0]
    }];
    assert!(matches!(
        tune(&layer, &layout, &other, 1, going),
        Err(HeadError::Width { .. })
    ));
}
