use ndarray::ArrayView1;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{taught::Taught, *};
use crate::head::{
    Example, Layout,
    tests::{examples, heaps, solve_plainly},
};

pub const WIDTH: usize = 12;
pub const TAPS: f64 = 1.5;

/// Three classes of unlike size in bursts of one to three examples; two taps. Where `seed` is odd, the
/// last class is one burst.
pub fn design(seed: u64) -> Design {
    let (mut embeddings, mut labels) = heaps(seed, 3, 9, WIDTH, 0.8);
    embeddings.truncate(22);
    labels.truncate(22);
    let bursts = [
        0, 0, 0, 1, 1, 1, 2, 2, 0, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6,
    ];
    let examples: Vec<Example<'_>> = examples(&embeddings, &labels)
        .into_iter()
        .zip(bursts)
        .map(|(example, burst)| Example {
            burst: match seed % 2 == 1 && example.class == 2 {
                true => 9,
                false => burst,
            },
            ..example
        })
        .collect();
    let layout = Layout::new([6, 4, 2]).unwrap();
    Design::new(&layout, &examples, &[0, 1, 2]).unwrap()
}

/// The textbook's discriminants, in f64: with A = shrinkage (scatter + shrinkage)^-1, the logits of
/// `x` and its squared distance from the centre. `directions`: the scatter is only looked at there.
pub struct Plain {
    pub means: Array2<f64>,
    centre: Array1<f64>,
    a: Array2<f64>,
    belief: f64,
}

impl Plain {
    pub fn new(
        features: &Array2<f64>,
        design: &Design,
        rows: &[usize],
        added: f64,
        directions: &Array2<f64>,
    ) -> Self {
        let width = features.ncols();
        let of = |class: usize| {
            rows.iter()
                .copied()
                .filter(move |&row| design.labels[row] == class)
        };
        let mut means = Array2::<f64>::zeros((3, width));
        for class in 0..3 {
            let members = features.select(Axis(0), &of(class).collect::<Vec<_>>());
            // Of a class that is left out as a whole only the scatter is looked at.
            if let Some(mean) = members.mean_axis(Axis(0)) {
                means.row_mut(class).assign(&mean);
            }
        }
        let centre = means.mean_axis(Axis(0)).unwrap();
        let mut scatter = Array2::<f64>::zeros((width, width));
        for &row in rows {
            let apart = &features.row(row) - &means.row(design.labels[row]);
            let apart = directions
                .t()
                .dot(&directions.dot(&apart))
                .insert_axis(Axis(1));
            scatter += &apart.dot(&apart.t());
        }
        let eye = Array2::<f64>::eye(width);
        let a = solve_plainly(&(scatter + &eye * added), &(eye * added));
        let bursts = design.by_burst().len() as f64 / 3.0;
        Self {
            centre,
            a,
            belief: bursts / (bursts + PRIOR),
            means,
        }
    }

    pub fn product(&self, x: &Array1<f64>, y: &Array1<f64>) -> f64 {
        x.dot(&self.a.dot(y))
    }

    fn logits(&self, x: ArrayView1<'_, f64>) -> Vec<f64> {
        let x = &x - &self.centre;
        let means = self.means.outer_iter().map(|mean| &mean - &self.centre);
        means
            .map(|mean| self.product(&x, &mean) - self.belief * self.product(&mean, &mean) / 2.0)
            .collect()
    }

    pub fn distance(&self, x: ArrayView1<'_, f64>) -> f64 {
        let x = &x - &self.centre;
        self.product(&x, &x)
    }
}

/// In f64, with the taps at `TAPS`.
pub fn scaled(design: &Design) -> Array2<f64> {
    let mut features = design.features.mapv(f64::from);
    features
        .slice_mut(ndarray::s![.., design.last..])
        .mapv_inplace(|v| v * TAPS);
    features
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} is not {b}");
}

/// That `left_out` judges every example as the textbook does without its burst.
fn judges(design: &Design, left_out: &LeftOut, added: f64) {
    let directions = &Array2::eye(WIDTH);
    let features = scaled(design);
    let rows = left_out.judged.rows.iter();
    let mut judged = rows.zip(left_out.judged.each());
    let with = Plain::new(
        &features,
        design,
        &(0..design.rows()).collect::<Vec<_>>(),
        added,
        directions,
    );
    let (mut apart, mut within, mut free) = (Vec::new(), 0.0, 0.0);
    for burst in design.by_burst() {
        let rest: Vec<usize> = (0..design.rows())
            .filter(|row| !burst.rows.contains(row))
            .collect();
        let plain = Plain::new(&features, design, &rest, added, directions);
        let mean = features.select(Axis(0), &burst.rows).mean_axis(Axis(0));
        let mean = mean.unwrap();
        let off = &mean - &with.means.row(burst.class);
        let bursts = design.by_burst();
        let of_class = bursts.iter().filter(|other| other.class == burst.class);
        let sizes: Vec<f64> = of_class.map(|other| other.rows.len() as f64).collect();
        let all = sizes.iter().sum::<f64>();
        let size = burst.rows.len() as f64;
        // The weights of all bursts' means in `off`, squared; and of all examples.
        let others = sizes.iter().map(|size| (size / all).powi(2)).sum::<f64>();
        let of_bursts = (1.0 - size / all).powi(2) + others - (size / all).powi(2);
        let of_examples = (1.0 / size - 1.0 / all).powi(2) * size + (all - size) / (all * all);
        for &row in &burst.rows {
            let off = &features.row(row) - &mean;
            within += plain.product(&off, &off);
        }
        free += size - 1.0;
        if size == all {
            continue;
        }
        apart.push((plain.product(&off, &off), of_bursts, of_examples));
        for &row in &burst.rows {
            let (&place, logits) = judged.next().unwrap();
            assert_eq!(place, row);
            for (got, expected) in logits.iter().zip(plain.logits(features.row(row))) {
                close(*got, expected);
            }
        }
    }
    assert!(judged.next().is_none());
    let example = within / free;
    close(left_out.noise.example, example);
    let bursts = apart.iter();
    let bursts = bursts.map(|(square, of_bursts, of_examples)| {
        (square - of_examples * example) / of_bursts / apart.len() as f64
    });
    close(left_out.noise.burst, bursts.sum::<f64>().max(0.0));
}

#[test]
fn a_burst_is_judged_as_if_it_had_never_been_taught() {
    for (seed, shrinkage) in [(1, 0.3), (2, 0.01), (3, 3.0), (4, 0.1)] {
        let design = design(seed);
        let grams = Grams::new(&design);
        let scatter = Scatter::new(&design, &grams, TAPS, &design.by_burst());
        for products in scatter.products(&[shrinkage, 2.0 * shrinkage]) {
            let left_out = LeftOut::new(&scatter.taught, &products);
            judges(&design, &left_out, products.added);
        }
    }
}

#[test]
fn discriminants_are_the_closed_form_in_every_way_to_them() {
    let design = design(5);
    let bursts = design.by_burst();
    let taught = || Taught::new(&design, &bursts, &bursts);
    let scatter = Scatter::new(&design, &Grams::new(&design), TAPS, &bursts);
    let points = [(0.3, 1.0)].into_iter();
    let whole = [
        Whole::of_rows(&design, TAPS, 0.3, taught()),
        Whole::of_features(&design, TAPS, 0.3, taught()),
        Whole {
            discriminants: scatter.discriminants(&design, points),
            products: scatter.products(&[0.3]).remove(0),
            taught: taught(),
        },
    ];
    let features = scaled(&design);
    let all: Vec<usize> = (0..design.rows()).collect();
    for Whole {
        discriminants,
        products,
        taught,
    } in whole
    {
        let plain = Plain::new(
            &features,
            &design,
            &all,
            products.added,
            &Array2::eye(WIDTH),
        );
        let left_out = LeftOut::new(&taught, &products);
        let linear = linear(&design, discriminants, &left_out.halves);
        for row in 0..design.rows() {
            let logits = linear.weights.dot(&design.features.row(row)) + &linear.bias;
            for (got, expected) in logits.iter().zip(plain.logits(features.row(row))) {
                close(f64::from(*got), expected);
            }
        }
        judges(&design, &left_out, products.added);
    }
}

#[test]
fn many_examples_take_the_other_way() {
    let (embeddings, labels) = heaps(9, 3, MIXED / 3 + 5, WIDTH, 1.0);
    let layout = Layout::new([6, 4, 2]).unwrap();
    let design = Design::new(&layout, &examples(&embeddings, &labels), &[0, 1, 2]).unwrap();
    assert!(design.rows() > MIXED);
    let (_, judged, unknown) = fit(&design);
    let called = judged.called(design.rows());
    let right = called
        .iter()
        .zip(&design.labels)
        .filter(|(a, b)| **a == Some(**b));
    assert!(right.count() > design.rows() / 2 && unknown.is_some());
}

#[test]
fn bursts_of_one_class_are_taken_in_turns() {
    let design = design(6);
    let bursts = design.by_burst();
    let few = some(&bursts, 8);
    let classes: std::collections::BTreeSet<usize> = few.iter().map(|burst| burst.class).collect();
    assert_eq!(classes.len(), 3);
    assert!(few.iter().map(|burst| burst.rows.len()).sum::<usize>() <= 8);
    assert_eq!(some(&bursts, usize::MAX).len(), bursts.len());
    // One a class, however little is asked for.
    assert_eq!(some(&bursts, 0).len(), 3);
}

/// Two classes, 12 examples of each: `last` and `taps` tell them apart this well.
fn two_classes(last: f32, taps: f32) -> Design {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let embeddings: Vec<Vec<f32>> = (0..24)
        .map(|i| {
            let side = if i % 2 == 0 { 1.0 } else { -1.0 };
            (0..40)
                .map(|at| {
                    let apart = if at < 20 { last } else { taps };
                    1.0 + side * apart * if at % 2 == 0 { 1.0 } else { -1.0 }
                        + random.random::<f32>()
                })
                .collect()
        })
        .collect();
    let labels: Vec<usize> = (0..24).map(|i| i % 2).collect();
    let layout = Layout::new([20, 20]).unwrap();
    Design::new(&layout, &examples(&embeddings, &labels), &[0, 1]).unwrap()
}

#[test]
fn the_examples_say_how_much_the_taps_count() {
    let share = |design: &Design, wanted: fn(f64) -> bool| -> f64 {
        let benches = choose(design, &Grams::new(design), &design.by_burst());
        let wanted = benches.iter().filter(|bench| wanted(bench.scatter.taps));
        wanted
            .flat_map(|bench| &bench.points)
            .map(|point| point.share)
            .sum()
    };
    let useful = share(&two_classes(0.02, 0.5), |taps| taps >= 1.0);
    let useless = share(&two_classes(0.12, 0.0), |taps| taps <= 1.0);
    assert!(useful > 0.9 && useless > 0.6, "{useful} {useless}");
}

#[test]
fn without_a_second_burst_nothing_is_judged() {
    let (embeddings, labels) = heaps(8, 3, 4, WIDTH, 0.5);
    let taught: Vec<Example<'_>> = examples(&embeddings, &labels)
        .into_iter()
        .map(|example| Example {
            burst: 0,
            ..example
        })
        .collect();
    let design = Design::new(&Layout::plain(WIDTH), &taught, &[0, 1, 2]).unwrap();
    let (linear, judged, unknown) = fit(&design);
    assert!(judged.rows.is_empty() && unknown.is_none());
    assert!(linear.weights.iter().all(|v| v.is_finite()));
}

/// Classes that do not differ, of unlike numbers of bursts: none is said more often than another.
#[test]
fn a_class_of_few_examples_is_not_at_a_disadvantage() {
    let (mut said, mut said_of_judged) = ([0.0; 3], [[0.0; 3]; 3]);
    for seed in 0..40 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = || -> Vec<f32> { (0..200).map(|_| 1.0 + random.random::<f32>()).collect() };
        let labels: Vec<usize> = [vec![0; 2], vec![1; 6], vec![2; 12]].concat();
        let embeddings: Vec<Vec<f32>> = labels.iter().map(|_| noise()).collect();
        let layout = Layout::plain(200);
        let design = Design::new(&layout, &examples(&embeddings, &labels), &[0, 1, 2]).unwrap();
        let (linear, judged, _) = fit(&design);
        let called = judged.called(design.rows());
        for (class, &label) in called.into_iter().zip(&labels) {
            said_of_judged[label][class.unwrap()] += 1.0;
        }
        for _ in 0..30 {
            let features = Array1::from(layout.features(&noise()));
            let logits = linear.weights.dot(&features) + &linear.bias;
            let highest = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            said[highest.unwrap()] += 1.0 / 1200.0;
        }
    }
    assert!(
        said.iter().all(|share| (0.15..0.5).contains(share)),
        "{said:?}"
    );
    // Those that were held back, too, though their own class then had a burst less.
    let own = said_of_judged[0][0] / said_of_judged[0].iter().sum::<f64>();
    assert!((0.15..0.55).contains(&own), "{own}");
}
