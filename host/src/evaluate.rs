//! How well heads learn: draws a few photos a class, fits the head as a board does, tests on all
//! others, and repeats.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use lastlayer_shared::{
    backbone::Backbone,
    file, framed,
    head::{Example, Head, HeadError, Kind, Layout},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    embed::{self, EmbedError},
    photos::LabelledPhotos,
    pretrained::cache::{Cache, CacheError, MAX_FILE},
    statistics::{deviation, mean, median},
};

const CACHE: framed::Kind = framed::Kind {
    name: *b"LLEM",
    version: 1,
};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error(
        "the class {class:?} has {photos} photos; {shots} taught ones leave none to test on: add \
         photos or ask for fewer with --shots"
    )]
    TooFewPhotos {
        class: String,
        photos: usize,
        shots: usize,
    },
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// One embedding a photo with its class.
pub struct Embeddings {
    /// Names, in order.
    pub classes: Vec<String>,
    /// One a photo; indexes `classes`.
    pub labels: Vec<usize>,
    /// Of the backbone.
    pub layout: Layout,
    /// One a photo, as `layout` describes them.
    pub embeddings: Vec<Vec<f32>>,
}

/// What one kind of head reached with one number of photos a class.
#[derive(Clone, Debug)]
pub struct Score {
    /// Photos taught a class.
    pub shots: usize,
    /// Of the head.
    pub kind: Kind,
    /// Share of right answers, 0..=1, one a split.
    pub accuracies: Vec<f64>,
    /// How sure the head said it was, 0..=1, the mean of each split: what `accuracies` should be.
    pub confidences: Vec<f64>,
    /// Milliseconds to fit the head, one a split.
    pub train_ms: Vec<f64>,
    /// Row: what it is; column: what was said; summed over the splits.
    pub confusion: Vec<Vec<u64>>,
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

    /// Milliseconds.
    pub fn train_ms_median(&self) -> f64 {
        median(&self.train_ms)
    }
}

/// Embeds photos, taking those from the cache that this backbone has seen before. A cache that
/// cannot be read is made anew; one that cannot be written is told to `not_kept`, and no error.
/// `started` is given the number of photos to embed, `done` is called after each, from any thread.
pub fn embeddings(
    backbone: &Backbone,
    labelled: &LabelledPhotos,
    cache: &Cache,
    started: impl Fn(u64),
    done: impl Fn() + Sync,
    not_kept: impl FnOnce(CacheError),
) -> Result<Embeddings, EvaluateError> {
    let name = format!("embeddings-{}", backbone.id());
    let mut known = read_cache(cache, &name, backbone.width());
    let sums: Vec<String> = labelled
        .photos
        .iter()
        .map(|(_, path)| Ok(file::sha256(&file::read(path, MAX_FILE)?)))
        .collect::<Result<_, file::FileError>>()?;
    let missing: Vec<usize> = (0..sums.len())
        .filter(|&i| !known.contains_key(&sums[i]))
        .collect();
    let paths: Vec<PathBuf> = missing
        .iter()
        .map(|&i| labelled.photos[i].1.clone())
        .collect();
    started(paths.len() as u64);
    let embedded = embed::photos(backbone, &paths, |_, embedding| Ok(embedding), done)?;
    for (&photo, embedding) in missing.iter().zip(embedded) {
        known.insert(sums[photo].clone(), embedding);
    }
    if !missing.is_empty()
        && let Ok(bytes) = framed::seal(CACHE, &known)
        && let Err(error) = cache.write(&name, &bytes)
    {
        not_kept(error);
    }
    Ok(Embeddings {
        classes: labelled.classes.clone(),
        layout: backbone.layout().clone(),
        labels: labelled.photos.iter().map(|(class, _)| *class).collect(),
        embeddings: sums.iter().map(|sum| known[sum].clone()).collect(),
    })
}

fn read_cache(cache: &Cache, name: &str, width: usize) -> BTreeMap<String, Vec<f32>> {
    let read =
        || -> Option<BTreeMap<String, Vec<f32>>> { framed::open(CACHE, &cache.read(name)?).ok() };
    let mut known = read().unwrap_or_default();
    known.retain(|_, embedding| embedding.len() == width);
    known
}

/// The photos that split `number` of `seed` teaches: indices into `labels`, class by class, `shots`
/// of each or as many as there are; the rest is tested. `labels` are below `classes`.
pub fn draw(labels: &[usize], classes: usize, shots: usize, seed: u64, number: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let mut taught = Vec::with_capacity(classes * shots);
    for class in 0..classes {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        members.shuffle(&mut random);
        taught.extend(members.into_iter().take(shots));
    }
    taught
}

/// Every kind of head on the same splits: one score a kind. `done` is called after each split. Every
/// class needs more than `shots` photos.
pub fn score(
    data: &Embeddings,
    shots: usize,
    splits: u64,
    seed: u64,
    done: impl Fn(),
) -> Result<Vec<Score>, EvaluateError> {
    let classes = data.classes.len();
    for (class, name) in data.classes.iter().enumerate() {
        let photos = data.labels.iter().filter(|&&label| label == class).count();
        if photos <= shots {
            return Err(EvaluateError::TooFewPhotos {
                class: name.clone(),
                photos,
                shots,
            });
        }
    }
    let mut scores: Vec<Score> = Kind::ALL
        .map(|kind| Score {
            shots,
            kind,
            accuracies: Vec::new(),
            confidences: Vec::new(),
            train_ms: Vec::new(),
            confusion: vec![vec![0; classes]; classes],
        })
        .into();
    for split in 0..splits {
        let taught = draw(&data.labels, classes, shots, seed, split);
        let examples: Vec<Example<'_>> = taught
            .iter()
            .enumerate()
            .map(|(burst, &photo)| Example {
                embedding: &data.embeddings[photo],
                class: data.labels[photo],
                burst: burst as u32,
            })
            .collect();
        let is_taught: std::collections::HashSet<usize> = taught.iter().copied().collect();
        for score in &mut scores {
            let start = Instant::now();
            let head = Head::fit(score.kind, &data.layout, &examples)?;
            score.train_ms.push(start.elapsed().as_secs_f64() * 1e3);
            let (mut right, mut sure, mut tested) = (0u64, 0.0, 0u64);
            for (photo, &label) in data.labels.iter().enumerate() {
                if is_taught.contains(&photo) {
                    continue;
                }
                tested += 1;
                // Without an answer it is `unknown`, which is not right.
                if let Some(answer) = head.answer(&data.embeddings[photo]) {
                    score.confusion[label][answer.class] += 1;
                    right += u64::from(answer.class == label);
                    sure += f64::from(answer.confidence);
                }
            }
            score.accuracies.push(right as f64 / tested.max(1) as f64);
            score.confidences.push(sure / tested.max(1) as f64);
        }
        done();
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn separate_heaps_are_told_apart_by_every_head() {
        let data = two_heaps();
        for score in score(&data, 5, 3, 0, || ()).unwrap() {
            assert_eq!(score.mean(), 1.0, "{:?}", score.kind);
            assert_eq!(score.deviation(), 0.0);
            assert_eq!(score.confusion, [[45, 0], [0, 45]]);
        }
    }

    #[test]
    fn too_few_photos_are_named() {
        let error = score(&two_heaps(), 20, 1, 0, || ()).unwrap_err();
        assert!(error.to_string().contains("\"a\" has 20 photos"));
    }
}
