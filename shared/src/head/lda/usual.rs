//! What new frames of taught classes usually reach in the question whether a frame shows anything that
//! was taught (`head/unknown.rs`).
//!
//! The measure looks along the scatter's main directions. An example that had its say in what these are
//! lies nearer along them than any new one, however it is taken away from the scatter afterwards. So
//! bursts are held back before there is a measure: a fifth at a time, read by a measure that is made of
//! the rest. A burst counts once, however many frames it has.
//!
//! How far the means of classes are off along these directions, the bursts held back say as well.

use ndarray::{Array1, Axis};

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
    unknown::{Gauge, Reading, Ruler, Unknown},
};

/// So many of the scatter's main directions are looked at: for this question they are a better measure
/// than all.
const DIRECTIONS: usize = 32;
const FOLDS: usize = 5;
/// Fewer held-back bursts do not say what is usual.
const FEWEST: usize = 4;

/// `None` where too few bursts can be held back: a class's only one cannot.
pub fn unknown(design: &Design, spectrum: &Spectrum, shrinkage: f64) -> Option<Unknown> {
    let (grams, bursts) = (Grams::new(design), design.by_burst());
    let taught = &spectrum.taught;
    let (mut measures, mut held, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let (out, rest) = deal(&bursts, taught, fold);
        if out.is_empty() {
            continue;
        }
        let few = design.select(&rest);
        let few_grams = grams.select(&rest);
        let spectrum = Spectrum::new(&few, &few_grams, spectrum.taps, &few.by_burst());
        let measure = Measure::new(&few, &spectrum, shrinkage);
        let out = design.select(&out);
        for burst in out.by_burst() {
            let read = Held::new(&out, &burst, &measure, measures.len())?;
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
    let halves: Vec<Vec<f64>> = measures.iter().map(|m| m.halves(&noise)).collect();
    let reached = held
        .iter()
        .map(|held| held.reached(&measures[held.measure].gauge, &halves[held.measure]));
    let (usual, spread) = usual(&reached.collect::<Option<Vec<_>>>()?);
    let doubts = held.iter().map(|held| {
        let taught = &measures[held.measure].taught;
        noise.doubt(taught, held.class)
    });
    let doubt = mean(&doubts.collect::<Vec<_>>())?;
    let whole = Measure::new(design, spectrum, shrinkage);
    let halves = whole.halves(&noise).into_iter().enumerate();
    let halves = halves.map(|(class, half)| {
        // What a class reaches scatters the more the further its mean is off: so that not all of it
        // looks strange after one press, it is given a deviation for that.
        let more = noise.doubt(&whole.taught, class) - doubt;
        half - spread * more.max(0.0)
    });
    let halves: Vec<f64> = halves.collect();
    Unknown::new(whole.gauge.lessened(&halves), usual, spread)
}

/// The rows that are held back in this turn, and the rest. Of a burst that is its class, single
/// examples are: they show how alike the frames of a press are, and no more.
fn deal(bursts: &[Burst], taught: &Taught, fold: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut out, mut rest) = (Vec::new(), Vec::new());
    for (place, burst) in bursts.iter().enumerate() {
        let is_alone = taught.bursts_of[burst.class] <= 1.0;
        for (turn, &row) in burst.rows.iter().enumerate() {
            let is_out = match is_alone {
                true => burst.rows.len() > 1 && turn % FOLDS == fold,
                false => place % FOLDS == fold,
            };
            if is_out { &mut out } else { &mut rest }.push(row);
        }
    }
    (out, rest)
}

/// A gauge with what it was made of.
struct Measure {
    gauge: Gauge,
    /// Of class means less their centre.
    squares: Array1<f64>,
    taught: Taught,
}

impl Measure {
    /// `spectrum` is the design's.
    fn new(design: &Design, spectrum: &Spectrum, shrinkage: f64) -> Self {
        let taught = &spectrum.taught;
        let bursts = taught.bursts_of.iter().sum::<f64>() / design.classes as f64;
        let share = 1.0 - (1.0 + 1.0 / (bursts + PRIOR)) / (1.0 + 1.0 / PRIOR);
        let gains = spectrum.gains(shrinkage, DIRECTIONS);
        let gains = gains.iter().take(DIRECTIONS).map(|&gain| gain as f32);
        let points = [(shrinkage, 1.0)].into_iter();
        let ruler = Ruler {
            last: design.last,
            taps: spectrum.taps,
            share,
            discriminants: spectrum.discriminants(design, points, DIRECTIONS),
            centre: centre(design),
            directions: spectrum.directions(design, DIRECTIONS),
            gains: gains.collect(),
        };
        Self {
            gauge: Gauge::new(&ruler),
            squares: spectrum.squares(shrinkage, DIRECTIONS),
            taught: taught.clone(),
        }
    }

    /// What each class's logit is lessened by, as in `leave_out`.
    fn halves(&self, noise: &Noise) -> Vec<f64> {
        let half = belief(&self.taught) / 2.0;
        let means = self.squares.iter().enumerate();
        means
            .map(|(class, square)| half * (square - noise.of_class(&self.taught, class)))
            .collect()
    }
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
    fn new(design: &Design, burst: &Burst, measure: &Measure, place: usize) -> Option<Self> {
        let class = burst.class;
        let read = |features: &[f32]| measure.gauge.read(features, design.last);
        let apart = |reading: &Reading| {
            let from_centre = f64::from(reading.distance - 2.0 * reading.logits[class]);
            from_centre + measure.squares[class]
        };
        let rows = design.features.select(Axis(0), &burst.rows);
        let examples = rows.outer_iter().map(|row| read(row.as_slice()?));
        let examples: Vec<Reading> = examples.collect::<Option<_>>()?;
        let squares = examples.iter().map(apart).sum();
        let square = match examples.len() {
            1 => squares,
            _ => apart(&read(rows.mean_axis(Axis(0))?.as_slice()?)?),
        };
        Some(Self {
            class,
            measure: place,
            examples,
            squares,
            square,
        })
    }

    fn size(&self) -> f64 {
        self.examples.len() as f64
    }

    /// Mean and mean square of what its examples reach.
    fn reached(&self, gauge: &Gauge, halves: &[f64]) -> Option<(f64, f64)> {
        let examples = self.examples.iter();
        let reached = examples.map(|reading| f64::from(gauge.reached(&reading.lessened(halves))));
        let reached: Vec<f64> = reached.collect();
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
        let others = measures[alone.measure].taught.examples_of[alone.class];
        within += alone.squares / (1.0 + 1.0 / others);
        free += alone.size();
    }
    let example = if free > 0.0 { within / free } else { 0.0 };
    let bursts = held.iter().map(|held| {
        let taught = &measures[held.measure].taught;
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
