//! What new frames of taught classes usually reach in the question whether a frame shows anything that
//! was taught (`head/unknown.rs`).
//!
//! The measure looks along the scatter's main directions. An example that had its say in what these are
//! lies nearer along them than any new one, however it is taken away from the scatter afterwards. So
//! bursts are held back before there is a measure: some at a time, read by a measure that is made of the
//! rest. A burst counts once, however many frames it has.
//!
//! How far the means of classes are off along these directions, the bursts held back say as well.

use ndarray::{Array1, Array2, Axis};

use super::{
    PRIOR, centre,
    centred::Grams,
    leave_out::belief,
    noise::{Noise, mean},
    spectrum::Spectrum,
    taught::Taught,
};
use crate::head::{
    design::{Burst, Design},
    unknown::{Gauge, Ruler, Unknown},
};

/// So many of the scatter's main directions are looked at: for this question they are a better measure
/// than all.
const DIRECTIONS: usize = 32;
/// Of few bursts a fifth is held back at a time, so that enough are left to make a measure of; of many a
/// third, which costs less and is as good.
const FOLDS: [usize; 2] = [5, 3];
const MANY: usize = 60;
/// Fewer held-back bursts do not say what is usual.
const FEWEST: usize = 4;

/// `None` where too few bursts can be held back: a class's only one cannot.
pub fn unknown(design: &Design, grams: &Grams, taps: f64, shrinkage: f64) -> Option<Unknown> {
    let (gram, bursts) = (grams.at(taps), design.by_burst());
    let taught = Taught::new(design, &bursts, &bursts);
    let (mut measures, mut held, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    let folds = FOLDS[usize::from(bursts.len() >= MANY)];
    for fold in 0..folds {
        let (out, rest) = deal(&bursts, &taught, |place| place % folds == fold);
        if out.is_empty() {
            continue;
        }
        let few = design.labels_of(&rest);
        let few_grams = grams.select(&rest);
        let without = Spectrum::new(&few, &few_grams, taps, &few.by_burst());
        let measure = Measure::new(without, shrinkage);
        for burst in out {
            let read = Held::new(&burst, &gram, &rest, &measure, measures.len());
            match taught.bursts_of[burst.class] > 1.0 {
                true => held.push(read),
                false => alone.push(read),
            }
        }
        measures.push(measure);
    }
    if held.len() < FEWEST {
        return None;
    }
    let noise = noise(&held, &alone, &measures);
    let lessened: Vec<_> = measures.iter().map(|m| m.lessened(&noise)).collect();
    let reached = held.iter().map(|held| {
        let measure = &measures[held.measure];
        held.reached(measure.share, &lessened[held.measure])
    });
    let (usual, spread) = usual(&reached.collect::<Option<Vec<_>>>()?);
    let doubts = held.iter().map(|held| {
        let taught = &measures[held.measure].spectrum.taught;
        noise.doubt(taught, held.class)
    });
    let doubt = mean(&doubts.collect::<Vec<_>>())?;
    let spectrum = Spectrum::new(design, grams, taps, &bursts);
    let squares = spectrum.squares(shrinkage, DIRECTIONS);
    let lessened = lessened_by(&squares, &taught, &noise);
    let lessened = lessened.iter().enumerate().map(|(class, less)| {
        // What a class reaches scatters the more the further its mean is off: so that not all of it
        // looks strange after one press, it is given a deviation for that.
        let more = noise.doubt(&taught, class) - doubt;
        less - spread * more.max(0.0)
    });
    let gauge = Gauge::new(
        &ruler(design, &spectrum, shrinkage),
        &lessened.collect::<Vec<_>>(),
    );
    Unknown::new(gauge, usual, spread)
}

/// The bursts that are held back in this turn, and the rows of the rest. Of a burst that is its class,
/// single examples are: they show how alike the frames of a press are, and no more.
fn deal(
    bursts: &[Burst],
    taught: &Taught,
    is_turn: impl Fn(usize) -> bool,
) -> (Vec<Burst>, Vec<usize>) {
    let (mut out, mut rest) = (Vec::new(), Vec::new());
    for (place, burst) in bursts.iter().enumerate() {
        let is_alone = taught.bursts_of[burst.class] <= 1.0;
        let (held, kept): (Vec<usize>, Vec<usize>) =
            (0..burst.rows.len()).partition(|&turn| match is_alone {
                true => burst.rows.len() > 1 && is_turn(turn),
                false => is_turn(place),
            });
        let rows = |turns: Vec<usize>| turns.into_iter().map(|turn| burst.rows[turn]);
        rest.extend(rows(kept));
        if !held.is_empty() {
            out.push(Burst {
                class: burst.class,
                rows: rows(held).collect(),
            });
        }
    }
    (out, rest)
}

/// By which a head measures how strange something is; `spectrum` is the design's.
fn ruler(design: &Design, spectrum: &Spectrum, shrinkage: f64) -> Ruler {
    let gains = spectrum.gains(shrinkage, DIRECTIONS);
    let gains = gains.iter().take(DIRECTIONS).map(|&gain| gain as f32);
    Ruler {
        last: design.last,
        taps: spectrum.taps,
        share: share(&spectrum.taught),
        discriminants: spectrum.discriminants(design, shrinkage, DIRECTIONS),
        centre: centre(design),
        directions: spectrum.directions(design, DIRECTIONS),
        gains: gains.collect(),
    }
}

/// Of half the squared distance from the centre.
fn share(taught: &Taught) -> f64 {
    let bursts = taught.bursts_of.iter().sum::<f64>() / taught.bursts_of.len() as f64;
    1.0 - (1.0 + 1.0 / (bursts + PRIOR)) / (1.0 + 1.0 / PRIOR)
}

/// What each class's logit is lessened by, as in `leave_out`. `squares`: of class means less their
/// centre.
fn lessened_by(squares: &Array1<f64>, taught: &Taught, noise: &Noise) -> Array1<f64> {
    let half = belief(taught) / 2.0;
    let noise = (0..squares.len()).map(|class| noise.of_class(taught, class));
    (squares - &noise.collect::<Array1<f64>>()) * half
}

/// What a `Ruler` measures, of what is known by its products alone.
struct Measure {
    spectrum: Spectrum,
    gains: Array1<f64>,
    share: f64,
    /// Of class means less their centre.
    squares: Array1<f64>,
}

impl Measure {
    fn new(spectrum: Spectrum, shrinkage: f64) -> Self {
        Self {
            gains: spectrum.gains(shrinkage, DIRECTIONS),
            share: share(&spectrum.taught),
            squares: spectrum.squares(shrinkage, DIRECTIONS),
            spectrum,
        }
    }

    fn lessened(&self, noise: &Noise) -> Array1<f64> {
        lessened_by(&self.squares, &self.spectrum.taught, noise)
    }
}

/// What a measure says of something that had no say in it.
struct Reading {
    /// One a class, not lessened yet.
    logits: Array1<f64>,
    /// Squared, from the centre.
    distance: f64,
}

/// A burst as a measure reads it that was made without it.
struct Held {
    class: usize,
    /// Its place among the measures.
    measure: usize,
    examples: Vec<Reading>,
    /// The sum of the examples' squared distances from their class's mean,
    squares: f64,
    /// and their own mean's.
    square: f64,
}

impl Held {
    /// `gram` is of the whole design, of which the measure, at its `place`, had the rows `rest`.
    fn new(
        burst: &Burst,
        gram: &Array2<f64>,
        rest: &[usize],
        measure: &Measure,
        place: usize,
    ) -> Self {
        let Burst { class, rows } = burst;
        let read = |products: &Array1<f64>, square: f64| {
            let (logits, distance) = measure.spectrum.read(&measure.gains, products, square);
            Reading { logits, distance }
        };
        let apart = |reading: &Reading| {
            reading.distance - 2.0 * reading.logits[*class] + measure.squares[*class]
        };
        let products = gram.select(Axis(0), rows).select(Axis(1), rest);
        let examples = products.outer_iter().zip(rows);
        let examples: Vec<Reading> = examples
            .map(|(products, &row)| read(&products.to_owned(), gram[(row, row)]))
            .collect();
        let all = rows.len() as f64;
        let pairs = rows
            .iter()
            .flat_map(|&a| rows.iter().map(move |&b| gram[(a, b)]));
        let mean = read(
            &(products.sum_axis(Axis(0)) / all),
            pairs.sum::<f64>() / (all * all),
        );
        Self {
            class: *class,
            measure: place,
            squares: examples.iter().map(apart).sum(),
            square: apart(&mean),
            examples,
        }
    }

    fn size(&self) -> f64 {
        self.examples.len() as f64
    }

    /// Mean and mean square of how much likelier its examples are under their likeliest class than under
    /// a new one.
    fn reached(&self, share: f64, lessened: &Array1<f64>) -> Option<(f64, f64)> {
        let examples = self.examples.iter().map(|Reading { logits, distance }| {
            let logits = logits - lessened;
            logits.fold(f64::NEG_INFINITY, |most, &logit| most.max(logit)) - share * distance / 2.0
        });
        let reached: Vec<f64> = examples.collect();
        let squares: Vec<f64> = reached.iter().map(|v| v * v).collect();
        Some((mean(&reached)?, mean(&squares)?))
    }
}

/// Of new examples along the directions. `alone`: examples of bursts that are their class.
fn noise(held: &[Held], alone: &[Held], measures: &[Measure]) -> Noise {
    let (mut within, mut free) = (0.0, 0.0);
    for held in held {
        within += held.squares - held.size() * held.square;
        free += held.size() - 1.0;
    }
    for alone in alone {
        // From the mean of the other examples.
        let others = measures[alone.measure].spectrum.taught.examples_of[alone.class];
        within += alone.squares / (1.0 + 1.0 / others);
        free += alone.size();
    }
    let example = if free > 0.0 { within / free } else { 0.0 };
    let bursts = held.iter().map(|held| {
        let taught = &measures[held.measure].spectrum.taught;
        let (all, squares) = (
            taught.examples_of[held.class],
            taught.squares_of[held.class],
        );
        // The variance of a burst's mean and of its class's, which it is no part of.
        let of_examples = example * (1.0 / held.size() + 1.0 / all);
        (held.square - of_examples) / (1.0 + squares / (all * all))
    });
    let burst = mean(&bursts.collect::<Vec<_>>()).unwrap_or(0.0);
    Noise {
        example: example.max(0.0),
        burst: burst.max(0.0),
    }
}

/// Mean and deviation of what new frames reach, by means and mean squares of bursts. Few bursts know
/// neither well: the deviation is wider than theirs, so that a twentieth of new frames lies 1.645 of it
/// below the mean, where Student's t has them (by the expansion of Cornish and Fisher, 1938).
fn usual(reached: &[(f64, f64)]) -> (f64, f64) {
    let bursts = reached.len() as f64;
    let free = bursts - 1.0;
    let usual = reached.iter().map(|(mean, _)| mean).sum::<f64>() / bursts;
    let square = reached.iter().map(|(_, square)| square).sum::<f64>() / bursts;
    let variance = (square - usual * usual).max(0.0) * bursts / free;
    let wider = 1.0 + 0.926 / free + 0.863 / (free * free);
    (usual, (variance * (1.0 + 1.0 / bursts)).sqrt() * wider)
}

#[cfg(test)]
mod tests;
