//! What the methods reach.

use std::time::Instant;

use super::{
    Embeddings, EvaluateError, Method,
    measures::{self, Bins, calibration_error},
    splits::Splits,
    strangers::{Strangers, strangers},
};
use crate::{
    heap,
    statistics::{deviation, mean, median},
};

/// What one method reached with one number of photos a class.
#[derive(Clone, Debug)]
pub struct Score {
    /// Photos taught a class.
    pub shots: usize,
    pub method: Method,
    /// Share of right answers, 0..=1, one a split.
    pub accuracies: Vec<f64>,
    /// How sure the head said it was, 0..=1, the mean of each split: what `accuracies` should be.
    pub confidences: Vec<f64>,
    /// Expected calibration errors, 0..=1, one a split.
    pub calibration_errors: Vec<f64>,
    /// Milliseconds to fit the head, one a split.
    pub train_ms: Vec<f64>,
    /// The most bytes of heap that fitting the head of the first split takes beside the examples;
    /// `None` where the program does not count them.
    pub train_peak_bytes: Option<u64>,
    /// One a split; empty where there are too few classes.
    pub strangers: Vec<Strangers>,
    /// Summed over the splits.
    pub bins: Bins,
    /// Row: what it is; column: what was said; summed over the splits.
    pub confusion: Vec<Vec<u64>>,
    /// For every cell of `confusion` the photo that was said so most often.
    pub examples: Vec<Vec<Option<usize>>>,
    /// Photos that were tested at least once.
    pub photos: usize,
}

impl Score {
    /// Of the accuracies, 0..=1.
    pub fn mean(&self) -> f64 {
        mean(&self.accuracies)
    }

    /// Standard deviation of the accuracies over the splits, 0..=0.5.
    pub fn deviation(&self) -> f64 {
        deviation(&self.accuracies)
    }

    /// Half the width of the 95% confidence interval of the mean accuracy: from the draw of the
    /// taught photos (the splits differ) and from the number of photos that there are to test on (the
    /// splits share them).
    pub fn interval(&self) -> f64 {
        let mean = self.mean();
        let drawn = self.deviation().powi(2) / (self.accuracies.len().max(2) - 1) as f64;
        let tested = mean * (1.0 - mean) / self.photos.max(1) as f64;
        1.96 * (drawn + tested).sqrt()
    }

    /// 0..=1.
    pub fn calibration_error(&self) -> f64 {
        mean(&self.calibration_errors)
    }

    /// Mean over the splits; `None` where there are too few classes.
    pub fn strangers(&self) -> Option<Strangers> {
        let of = |pick: fn(&Strangers) -> f64| {
            mean(&self.strangers.iter().map(pick).collect::<Vec<_>>())
        };
        (!self.strangers.is_empty()).then(|| Strangers {
            own: of(|strangers| strangers.own),
            confidence: of(|strangers| strangers.confidence),
            lost: of(|strangers| strangers.lost),
            noticed: of(|strangers| strangers.noticed),
        })
    }

    /// Milliseconds.
    pub fn train_ms_median(&self) -> f64 {
        median(&self.train_ms)
    }
}

/// Every method on the same splits: one score a method. `done` is called after each split.
pub fn score(
    data: &Embeddings,
    splits: &Splits,
    done: impl Fn(),
) -> Result<Vec<Score>, EvaluateError> {
    let mut tallies: Vec<Tally> = Method::ALL
        .map(|method| Tally::new(data, splits.shots, method))
        .into();
    for taught in &splits.taught {
        for tally in &mut tallies {
            tally.split(data, taught)?;
        }
        done();
    }
    Ok(tallies.into_iter().map(Tally::score).collect())
}

/// A score in the making.
struct Tally {
    score: Score,
    /// How often each photo was said to be each class.
    said: Vec<Vec<u32>>,
    labels: Vec<usize>,
}

impl Tally {
    fn new(data: &Embeddings, shots: usize, method: Method) -> Self {
        let classes = data.classes.len();
        let score = Score {
            shots,
            method,
            accuracies: Vec::new(),
            confidences: Vec::new(),
            calibration_errors: Vec::new(),
            train_ms: Vec::new(),
            train_peak_bytes: None,
            strangers: Vec::new(),
            bins: Bins::default(),
            confusion: vec![vec![0; classes]; classes],
            examples: vec![vec![None; classes]; classes],
            photos: 0,
        };
        Self {
            score,
            said: vec![vec![0; classes]; data.labels.len()],
            labels: data.labels.clone(),
        }
    }

    fn split(&mut self, data: &Embeddings, taught: &[usize]) -> Result<(), EvaluateError> {
        let score = &mut self.score;
        let examples = data.examples(taught);
        let start = Instant::now();
        let head = score.method.fit(&data.layout, &examples)?;
        score.train_ms.push(start.elapsed().as_secs_f64() * 1e3);
        if score.train_ms.len() == 1 {
            // Fitted once more, so that the time above is that of fitting alone.
            let fit = || drop(score.method.fit(&data.layout, &examples));
            score.train_peak_bytes = heap::peak(fit);
        }
        let (mut right, mut sure, mut bins) = (0u64, 0.0, Bins::default());
        let tested = Splits::tested(data.labels.len(), taught);
        for &photo in &tested {
            let label = data.labels[photo];
            // Without an answer it is `unknown`, which is not right.
            let Some(said) = head.judge(&data.embeddings[photo]) else {
                continue;
            };
            let best = said.answers.iter();
            let best = best.max_by(|a, b| a.confidence.total_cmp(&b.confidence));
            let Some(best) = best else { continue };
            let hit = best.class == label;
            self.said[photo][best.class] += 1;
            score.confusion[label][best.class] += 1;
            right += u64::from(hit);
            sure += f64::from(best.confidence);
            measures::put(&mut bins, best.confidence, hit);
            measures::put(&mut score.bins, best.confidence, hit);
        }
        let count = tested.len().max(1) as f64;
        score.accuracies.push(right as f64 / count);
        score.confidences.push(sure / count);
        score.calibration_errors.push(calibration_error(&bins));
        score
            .strangers
            .extend(strangers(data, score.method, taught)?);
        Ok(())
    }

    fn score(mut self) -> Score {
        let score = &mut self.score;
        for (photo, (said, &label)) in self.said.iter().zip(&self.labels).enumerate() {
            score.photos += usize::from(said.iter().any(|&times| times > 0));
            for (class, &times) in said.iter().enumerate().filter(|(_, times)| **times > 0) {
                let example = &mut score.examples[label][class];
                if example.is_none_or(|other| self.said[other][class] < times) {
                    *example = Some(photo);
                }
            }
        }
        self.score
    }
}

#[cfg(test)]
mod tests {
    use super::{super::draw, *};
    use lastlayer_shared::head::Layout;

    fn two_heaps() -> Embeddings {
        let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
        let embeddings = labels
            .iter()
            .enumerate()
            .map(|(i, &label)| {
                let wobble = (i as f32 * 0.7).sin() * 0.1;
                vec![label as f32 + wobble, 1.0 - label as f32 + wobble, 0.5]
            })
            .collect();
        Embeddings {
            classes: vec!["a".into(), "b".into()],
            layout: Layout::plain(3),
            labels,
            embeddings,
        }
    }

    #[test]
    fn draws_are_seeded_and_balanced() {
        let data = two_heaps();
        let one = draw(&data.labels, 2, 3, 7, 0);
        assert_eq!(one, draw(&data.labels, 2, 3, 7, 0));
        assert_ne!(one, draw(&data.labels, 2, 3, 7, 1));
        assert_ne!(one, draw(&data.labels, 2, 3, 8, 0));
        assert_eq!(one.iter().filter(|&&i| data.labels[i] == 1).count(), 3);
    }

    #[test]
    fn separate_heaps_are_told_apart_by_every_method() {
        let data = two_heaps();
        let splits = Splits::new(&data, 5, 3, 0).unwrap();
        for score in score(&data, &splits, || ()).unwrap() {
            assert_eq!(score.mean(), 1.0, "{:?}", score.method);
            assert_eq!(score.deviation(), 0.0);
            assert_eq!(score.confusion, [[45, 0], [0, 45]]);
            assert!(score.examples[0][0].is_some() && score.examples[0][1].is_none());
            assert_eq!(score.strangers(), None, "two classes leave one");
        }
    }

    #[test]
    fn too_few_photos_are_named() {
        let error = Splits::new(&two_heaps(), 20, 1, 0).unwrap_err();
        assert!(error.to_string().contains("\"a\" has 20 photos"));
    }
}
