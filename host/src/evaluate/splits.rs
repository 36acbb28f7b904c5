//! Which photos are taught and which are tested.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{Embeddings, EvaluateError};

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

/// The taught photos of every split with one number of photos a class.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Photos taught a class.
    pub shots: usize,
    /// Indices into the photos, one list a split.
    pub taught: Vec<Vec<usize>>,
}

impl Splits {
    /// Every class needs more than `shots` photos.
    pub fn new(
        data: &Embeddings,
        shots: usize,
        splits: u64,
        seed: u64,
    ) -> Result<Self, EvaluateError> {
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
        let taught = (0..splits).map(|split| draw(&data.labels, classes, shots, seed, split));
        Ok(Self {
            shots,
            taught: taught.collect(),
        })
    }

    /// The photos that are not in `taught`, ascending.
    pub fn tested(photos: usize, taught: &[usize]) -> Vec<usize> {
        let mut is_taught = vec![false; photos];
        taught.iter().for_each(|&photo| is_taught[photo] = true);
        (0..photos).filter(|&photo| !is_taught[photo]).collect()
    }
}
