//! Confidence that means what it says: the number that a head's logits are multiplied by (one over the
//! temperature of Guo et al., "On calibration of modern neural networks", ICML 2017), found on
//! examples that the head had not seen. Whole bursts are held back together, because the frames of one
//! press are near-copies. Some examples are taught by mistake, so none is believed without reserve
//! (`WRONG`).

use ndarray::Axis;

use super::{Answer, Kind, design::Design};

/// What heads said of examples that they had not seen.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Places in the design.
    pub rows: Vec<usize>,
    pub labels: Vec<usize>,
    /// `classes` numbers an example.
    pub logits: Vec<f64>,
    /// The share of a judged class's bursts that the heads had, 0..=1, in the mean.
    pub had: f64,
    classes: usize,
}

/// How sharp logits should be, and how well they then fit.
pub struct Fit {
    /// Above 0.
    pub sharpness: f64,
    /// The same in units of one over the logits' deviation.
    pub relative: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

impl Judged {
    pub fn new(classes: usize) -> Self {
        Self {
            rows: Vec::new(),
            labels: Vec::new(),
            logits: Vec::new(),
            had: 1.0,
            classes,
        }
    }

    pub fn push(&mut self, row: usize, label: usize, logits: impl Iterator<Item = f64>) {
        self.rows.push(row);
        self.labels.push(label);
        self.logits.extend(logits);
    }

    /// Adds `factor` times what others said of the same examples; nothing yet is zeros.
    pub fn add(&mut self, factor: f64, others: &Judged) {
        if self.rows.is_empty() {
            self.rows.clone_from(&others.rows);
            self.labels.clone_from(&others.labels);
            self.had = others.had;
            self.logits = vec![0.0; others.logits.len()];
        }
        let pairs = self.logits.iter_mut().zip(&others.logits);
        pairs.for_each(|(sum, logit)| *sum += factor * logit);
    }

    /// How much sharper the head is that had all bursts. The power is where the vehicle photos whose
    /// number mod 8 is 3, 5 and 7 and CIFAR-10's first two training batches agree best.
    pub fn growth(&self) -> f64 {
        self.had.max(0.5).powf(-1.0 / 3.0)
    }

    /// One row of logits an example.
    pub fn each(&self) -> impl Iterator<Item = &[f64]> {
        self.logits.chunks_exact(self.classes)
    }

    /// For each example of a design of `rows`, the class whose logit is the highest, of equals the
    /// first; `None` where it was not judged.
    pub fn called(&self, rows: usize) -> Vec<Option<usize>> {
        let mut called = vec![None; rows];
        for (&row, logits) in self.rows.iter().zip(self.each()) {
            let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // Heads of examples that are all alike say nothing but rounding, and that knows more of
            // an example than it should.
            let level = highest - TIE * (1.0 + highest.abs());
            called[row] = logits.iter().position(|&logit| logit >= level);
        }
        called
    }
}

/// Logits that differ by less are equal.
const TIE: f64 = 1e-9;

/// Where nothing better is known.
pub const GUESS: f64 = 1.0;
/// Newton steps, and how much the sharpness may change in one.
const STEPS: usize = 30;
const LEAP: f64 = 4.0;
const ENOUGH: f64 = 1e-5;
/// In units of one over the logits' deviation; and as how many examples this counts.
const SHARP: f64 = 10.0;
const PRIOR: f64 = 5.0;
/// The share of examples that may be taught wrong: of these any class is as likely.
const WRONG: f64 = 0.02;
/// The sharpness where the loss would be least at none at all: the head is worse than guessing.
const DULL: f64 = 1e-3;

/// The sharpness that makes `judged` likeliest, where logits much sharper than `SHARP` are unlikely
/// beforehand (the prior is exponential): a few examples that were all right do not make it certain
/// of everything. Each Newton step weighs every example by how likely it is that its label is right
/// (expectation maximisation). `guess`: what is tried first, a `Fit::relative` of something alike or
/// `GUESS`. `None` where there are no examples, or their logits are all alike or not finite.
pub fn sharpness(judged: &Judged, guess: f64) -> Option<Fit> {
    let (rows, classes) = (judged.rows.len(), judged.classes);
    let variance = |row: &[f64]| {
        let mean = row.iter().sum::<f64>() / classes as f64;
        row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / classes as f64
    };
    let spread = judged.each().map(variance).sum::<f64>() / rows.max(1) as f64;
    if rows == 0 || !spread.is_finite() || spread < 1e-24 {
        return None;
    }
    let deviation = spread.sqrt();
    let prior = deviation / SHARP * PRIOR / rows as f64;
    let count = rows as f64;
    // Mean loss, its derivative, and the second one with the weights held still.
    let at = |sharpness: f64| {
        let (mut loss, mut slope, mut curvature) = (prior * sharpness, prior, 0.0);
        for (row, &label) in judged.each().zip(&judged.labels) {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for &logit in row {
                let below = logit - highest;
                let share = (below * sharpness).exp();
                sum += share;
                first += share * below;
                second += share * below * below;
            }
            let (first, second) = (first / sum, second / sum);
            let wanted = row[label] - highest;
            let right = (1.0 - WRONG) * (sharpness * wanted).exp() / sum;
            let likely = right + WRONG / classes as f64;
            let weight = right / likely;
            loss -= likely.ln() / count;
            slope += weight * (first - wanted) / count;
            curvature += weight * (second - first * first) / count;
        }
        (loss, slope, curvature)
    };
    let (mut sharpness, least) = (guess / deviation, DULL / deviation);
    for _ in 0..STEPS {
        let (_, slope, curvature) = at(sharpness);
        let step = if curvature > 0.0 {
            slope / curvature
        } else {
            slope.signum() * sharpness
        };
        let next = (sharpness - step)
            .clamp(sharpness / LEAP, sharpness * LEAP)
            .max(least);
        let moved = (next - sharpness).abs();
        sharpness = next;
        if moved <= ENOUGH * sharpness {
            break;
        }
    }
    Some(Fit {
        sharpness,
        relative: sharpness * deviation,
        loss: at(sharpness).0,
    })
}

/// How sharp what heads said of examples that they had not seen should have been.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    /// What logits should be multiplied by; 1 where confidences mean what they say.
    pub sharpness: f64,
    /// Mean cross-entropy with that, in nats.
    pub loss: f64,
}

impl Calibration {
    /// `said`: what was answered, one a class that the head knows, and what it was. Also the loss of
    /// each. `None` where nothing was said, a class is not among the answers, or all answers are alike.
    pub fn of(said: &[(Vec<Answer>, usize)]) -> Option<(Self, Vec<f64>)> {
        let mut judged = Judged::new(said.first()?.0.len());
        for (row, (answers, class)) in said.iter().enumerate() {
            let label = answers.iter().position(|answer| answer.class == *class)?;
            // What is less likely than this is as good as impossible.
            let logit = |answer: &Answer| f64::from(answer.confidence.max(1e-9)).ln();
            judged.push(row, label, answers.iter().map(logit));
        }
        let Fit { sharpness, .. } = sharpness(&judged, GUESS)?;
        let losses = judged.each().zip(&judged.labels).map(|(logits, &label)| {
            let share = |logit: f64| ((logit - logits[label]) * sharpness).exp();
            logits.iter().map(|&logit| share(logit)).sum::<f64>().ln()
        });
        let losses: Vec<f64> = losses.collect();
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        Some((Self { sharpness, loss }, losses))
    }
}

const FOLDS: usize = 4;

/// What heads of `kind` say of the bursts held back from them, a quarter of each class's at a time.
pub fn held_back(kind: Kind, design: &Design) -> Judged {
    let folds = folds(design);
    let mut judged = Judged::new(design.classes);
    judged.had = 1.0 - 1.0 / FOLDS as f64;
    for fold in 0..FOLDS {
        let held: Vec<usize> = rows(&folds, |f| f == Some(fold));
        if held.is_empty() {
            continue;
        }
        let head = kind.linear(&design.select(&rows(&folds, |f| f != Some(fold))));
        let logits = head.logits(design.embedding().select(Axis(0), &held).view());
        for (row, &example) in logits.outer_iter().zip(&held) {
            judged.push(
                example,
                design.labels[example],
                row.iter().map(|&v| f64::from(v)),
            );
        }
    }
    judged
}

/// Deals the bursts of every class round-robin to the folds; `None` for examples that are never
/// held back because their class has no other burst.
fn folds(design: &Design) -> Vec<Option<usize>> {
    let mut folds = vec![None; design.rows()];
    for of_class in design.by_burst().chunk_by(|a, b| a.class == b.class) {
        if of_class.len() > 1 {
            for (turn, burst) in of_class.iter().enumerate() {
                burst
                    .rows
                    .iter()
                    .for_each(|&row| folds[row] = Some(turn % FOLDS));
            }
        }
    }
    folds
}

fn rows(folds: &[Option<usize>], wanted: impl Fn(Option<usize>) -> bool) -> Vec<usize> {
    (0..folds.len()).filter(|&row| wanted(folds[row])).collect()
}
