//! Whether a layer that learns from samples is better than the one before, by cross-validation: one part
//! of the bursts after another is held back, a layer learns from the others, and heads on it that know
//! the others too are asked about those held back. How long to learn is found on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use super::{
    Layer, Sample, embed, fit,
    learn::{Lesson, PASSES},
};
use crate::head::{Answer, Calibration, HeadError, Kind, Layout};

/// Parts that the bursts of a class are held back in.
const FOLDS: usize = 4;
/// Fewer bursts cannot tell a gain from luck.
const FEWEST: usize = 48;
/// How much likelier they must be, in standard errors of that: without taps, and with them. A head that has
/// taps loses more by a layer that knows its samples than those held back show, and less is to be gained.
const SURE: [f64; 2] = [1.0, 2.0];
/// Passes between two looks at what was held back.
const LOOK: usize = 5;

/// A lesson that is worth its while.
pub(super) struct Worthwhile {
    pub passes: usize,
    /// With the layer as it was, and as it is then.
    pub before: Calibration,
    pub after: Calibration,
    /// What the samples are called then and then by heads that had not seen them; `None` of those that
    /// could not be held back.
    pub called_before: Vec<Option<usize>>,
    pub called_after: Vec<Option<usize>>,
}

/// What was said of samples, and which class they are.
type Said = Vec<(Vec<Answer>, usize)>;
/// A class and the number of its burst.
type Burst = (usize, u32);

/// `None` where learning is not worth its while, the samples are too few to say, or `going`, which is
/// told how much is done, 0..=1, ends it.
pub(super) fn validate(
    layer: &Layer,
    layout: &Layout,
    samples: &[Sample<'_>],
    threads: usize,
    mut going: impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Option<Worthwhile>, HeadError> {
    if !are_enough(samples.iter().map(burst)) {
        return Ok(None);
    }
    let folds = folds(samples);
    // With the layer as it is, and after each look.
    let mut said: Vec<Said> = vec![Said::new(); 1 + PASSES / LOOK];
    let mut asked: Vec<usize> = Vec::new();
    for fold in 0..FOLDS {
        let part = |is_held: bool| -> Vec<Sample<'_>> {
            let of = samples.iter().zip(&folds);
            let part = of.filter(|(_, of)| (**of == Some(fold)) == is_held);
            part.map(|(sample, _)| *sample).collect()
        };
        let (held, taught) = (part(true), part(false));
        asked.extend((0..samples.len()).filter(|&row| folds[row] == Some(fold)));
        let mut lesson = Lesson::new(layer, &taught, threads)?;
        for (look, said) in said.iter_mut().enumerate() {
            let had = look.saturating_sub(1) * LOOK;
            for pass in had..look * LOOK {
                let seen = lesson.pass(|done| {
                    going(((fold * PASSES + pass) as f32 + done) / (FOLDS * PASSES) as f32)
                });
                if !seen.continue_value().is_some_and(f64::is_finite) {
                    return Ok(None);
                }
            }
            let head = fit(Kind::default(), layout, lesson.layer(), &taught)?;
            for sample in &held {
                let Some(answers) = head.confidences(&embed(lesson.layer(), sample)) else {
                    return Ok(None);
                };
                said.push((answers, sample.class));
            }
        }
    }
    let judged: Option<Vec<_>> = said.iter().map(|said| Calibration::of(said)).collect();
    let mut judged = judged.unwrap_or_default().into_iter().enumerate();
    let Some((_, (before, losses_before))) = judged.next() else {
        return Ok(None);
    };
    let best = judged.min_by(|(_, (a, _)), (_, (b, _))| a.loss.total_cmp(&b.loss));
    Ok(best.and_then(|(look, (after, losses))| {
        let pairs = losses_before.iter().zip(losses);
        let gains = pairs.map(|(before, after)| before - after);
        let called = |said: &Said| {
            let mut called = vec![None; samples.len()];
            for (&row, (answers, _)) in asked.iter().zip(said) {
                let best = answers.iter();
                let best = best.max_by(|a, b| a.confidence.total_cmp(&b.confidence));
                called[row] = best.map(|answer| answer.class);
            }
            called
        };
        let (called_before, called_after) = (called(&said[0]), called(&said[look]));
        let right = |called: &[Option<usize>], row: usize| {
            f64::from(u8::from(called[row] == Some(samples[row].class)))
        };
        let rows = asked.iter();
        let rightly = rows.map(|&row| right(&called_after, row) - right(&called_before, row));
        // Likelier alone is not enough: of a layer that learned too much the answers that are right are
        // surer, and fewer.
        let bursts: Vec<Burst> = asked.iter().map(|&row| burst(&samples[row])).collect();
        let sure = SURE[usize::from(!layout.taps().is_empty())];
        let (likelier, more) = (Gain::new(&bursts, gains), Gain::new(&bursts, rightly));
        let is_better = likelier.mean > sure * likelier.error && more.mean >= -more.error;
        is_better.then_some(Worthwhile {
            passes: look * LOOK,
            before,
            after,
            called_before,
            called_after,
        })
    }))
}

/// Whether a layer may be tuned on samples of these bursts, each a class and its number, one a sample: there
/// are classes to tell apart, and they can be held back and are enough to tell a gain.
pub fn are_enough(bursts: impl Iterator<Item = (usize, u32)>) -> bool {
    let bursts: BTreeSet<Burst> = bursts.collect();
    let mut of_classes: BTreeMap<usize, usize> = BTreeMap::new();
    for (class, _) in bursts {
        *of_classes.entry(class).or_default() += 1;
    }
    let classes = of_classes.len();
    let judged = of_classes.into_values().filter(|bursts| *bursts > 1);
    classes > 1 && judged.sum::<usize>() >= FEWEST
}

/// In which fold each sample is judged; in none where its class has no other burst.
fn folds(samples: &[Sample<'_>]) -> Vec<Option<usize>> {
    let mut bursts: Vec<Burst> = samples.iter().map(burst).collect();
    bursts.sort_unstable();
    bursts.dedup();
    let fold = |sample: &Sample<'_>| {
        let start = bursts.partition_point(|burst| burst.0 < sample.class);
        let of_class = bursts[start..].partition_point(|burst| burst.0 == sample.class);
        let of_class = &bursts[start..start + of_class];
        let place = of_class.partition_point(|burst| burst.1 < sample.burst);
        (of_class.len() > 1).then_some(place % FOLDS)
    };
    samples.iter().map(fold).collect()
}

fn burst(sample: &Sample<'_>) -> Burst {
    (sample.class, sample.burst)
}

/// What bursts gain in the mean.
struct Gain {
    mean: f64,
    /// Its standard error.
    error: f64,
}

impl Gain {
    /// By what each sample gains: those of a burst are near-copies, which gain or lose together. `bursts`:
    /// one a sample.
    fn new(bursts: &[Burst], gains: impl Iterator<Item = f64>) -> Self {
        let mut of_bursts: BTreeMap<Burst, (f64, f64)> = BTreeMap::new();
        for (burst, gain) in bursts.iter().zip(gains) {
            let (sum, count) = of_bursts.entry(*burst).or_default();
            *sum += gain;
            *count += 1.0;
        }
        let count = of_bursts.len() as f64;
        let means = || of_bursts.values().map(|(sum, count)| sum / count);
        let mean = means().sum::<f64>() / count;
        let variance = means().map(|gain| (gain - mean).powi(2)).sum::<f64>() / count;
        Self {
            mean,
            error: (variance / count).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::Map;

    #[test]
    fn every_burst_is_held_back_once_and_whole_but_a_class_s_only_one() {
        let map = Map::new(1, 1, 1, &[1.0]).unwrap();
        let sample = |class, burst| Sample {
            map: &map,
            taps: &[],
            class,
            burst,
        };
        // The same number in two classes is two bursts.
        let bursts = [
            (0, 7),
            (0, 7),
            (0, 9),
            (3, 7),
            (0, 1),
            (1, 2),
            (1, 2),
            (3, 8),
        ];
        let samples: Vec<_> = bursts
            .iter()
            .map(|&(class, burst)| sample(class, burst))
            .collect();
        let expected = [
            Some(1),
            Some(1),
            Some(2),
            Some(0),
            Some(0),
            None,
            None,
            Some(1),
        ];
        assert_eq!(folds(&samples), expected);
    }

    #[test]
    fn bursts_are_enough_that_can_be_held_back() {
        let bursts = |of: [usize; 2]| {
            let all = of.into_iter().enumerate();
            let all = all.flat_map(|(class, of)| (0..of as u32).map(move |burst| (class, burst)));
            all.flat_map(|burst| [burst; 10])
        };
        assert!(are_enough(bursts([FEWEST / 2, FEWEST / 2])));
        assert!(!are_enough(bursts([FEWEST - 1, 1])));
        assert!(are_enough(bursts([FEWEST, 1])));
        assert!(!are_enough(bursts([2 * FEWEST, 0])));
        assert!(!are_enough(bursts([FEWEST / 2, FEWEST / 2 - 1])));
    }

    #[test]
    fn near_copies_are_no_more_evidence_than_one_of_them() {
        let gains = [0.3, 0.1, 0.2, -0.2, -0.4].into_iter();
        let bursts = [(0, 4), (0, 4), (0, 4), (0, 5), (0, 5)];
        let gain = Gain::new(&bursts, gains);
        assert!((gain.mean + 0.05).abs() < 1e-12, "{}", gain.mean);
        assert!((gain.error - 0.25 / 2f64.sqrt()).abs() < 1e-12);
        // Of nothing no gain is above 0.
        assert!(Gain::new(&[], [].into_iter()).mean.is_nan());
    }
}
