//! The head: the small last layer that the board trains.
//!
//! Every kind of head is the same thing once it is fitted: a matrix and a vector over normalised
//! embeddings, and a temperature, so that `logits = (W z + b) / T` and the softmax of the logits is
//! the confidence. The kinds differ in how W and b come from the examples, and each has its file.
//! No I/O, no clock, no randomness: the same examples give the same head.
//!
//! All kinds cost time linear in the number of examples: they never form a matrix of examples by
//! examples or of features by features, but solve by conjugate gradients (`solve`).

mod calibrate;
mod lda;
mod logistic;
mod means;
mod ridge;
mod solve;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nearest class mean, by cosine.
    Means,
    /// Least squares on one-hot targets with a penalty on W.
    Ridge,
    /// Multinomial logistic regression.
    Logistic,
    /// Linear discriminant analysis with a covariance shrunk towards a multiple of the identity.
    /// The default: `lastlayer eval` on the vehicles (docs/learning.md) has it ahead of the others
    /// from 5 examples a class on, and it becomes `Means` where there is one example a class.
    #[default]
    Lda,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Means, Kind::Ridge, Kind::Logistic, Kind::Lda];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Means => "means",
            Kind::Ridge => "ridge",
            Kind::Logistic => "logistic",
            Kind::Lda => "lda",
        }
    }
}

/// One embedding with what it shows.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    pub embedding: &'a [f32],
    /// Index into a class list that the caller keeps; gaps are fine.
    pub class: usize,
    /// Examples of one burst are near-copies: they never judge one another.
    pub burst: u32,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum HeadError {
    #[error("a head needs examples of at least two classes, {0} came; teach another class")]
    TooFewClasses(usize),
    #[error("an embedding has {actual} numbers where {expected} are expected")]
    Width { expected: usize, actual: usize },
    #[error("an embedding holds a number that is not finite; teach that example again")]
    NotFinite,
    #[error("the head is damaged: {0}; fit it again from the samples")]
    Damaged(&'static str),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    kind: Kind,
    /// The classes it answers, ascending; row i of `weights` belongs to `classes[i]`.
    classes: Vec<u16>,
    /// Numbers in an embedding.
    width: u32,
    /// `classes.len()` rows of `width` numbers.
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Above 0; logits are divided by it.
    temperature: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub class: usize,
    /// 0..=1.
    pub confidence: f32,
}

/// W and b of a head before it is calibrated: one row and one number a class.
struct Linear {
    /// What it was fitted as: `Lda` is fitted as `Means` where there is no variance to measure.
    kind: Kind,
    weights: Array2<f32>,
    bias: Array1<f32>,
}

/// Examples in the form that the fits work on.
struct Design {
    /// One normalised embedding a row.
    features: Array2<f32>,
    /// Row of `features` -> row of the head, 0..classes.
    labels: Vec<usize>,
    /// Rows of `features` of one burst share a number.
    bursts: Vec<u32>,
    classes: usize,
}

impl Head {
    /// Fits a head of `kind` on all `examples`.
    pub fn fit(kind: Kind, examples: &[Example<'_>]) -> Result<Self, HeadError> {
        Ok(Self::fit_judged(kind, examples)?.0)
    }

    /// The same, and what heads that had not seen an example's burst call it: a class for each
    /// example, or `None` where its class has no other burst to learn from. Costs nothing more.
    pub fn fit_judged(
        kind: Kind,
        examples: &[Example<'_>],
    ) -> Result<(Self, Vec<Option<usize>>), HeadError> {
        let mut classes: Vec<usize> = examples.iter().map(|example| example.class).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 {
            return Err(HeadError::TooFewClasses(classes.len()));
        }
        let narrow = |class: usize| {
            u16::try_from(class).map_err(|_| HeadError::Damaged("a class number is too large"))
        };
        let design = Design::new(examples, &classes)?;
        let linear = design.fit(kind);
        let (temperature, called) = calibrate::temperature(kind, linear.kind, &design);
        let called = called.into_iter().map(|row| row.map(|row| classes[row]));
        let called = called.collect();
        let head = Self {
            kind,
            classes: classes.into_iter().map(narrow).collect::<Result<_, _>>()?,
            width: design.features.ncols() as u32,
            weights: linear.weights.into_raw_vec_and_offset().0,
            bias: linear.bias.to_vec(),
            temperature,
        };
        Ok((head, called))
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Numbers in an embedding.
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// The classes it can answer, ascending.
    pub fn classes(&self) -> impl Iterator<Item = usize> + '_ {
        self.classes.iter().map(|&class| usize::from(class))
    }

    /// The class with the highest confidence; `None` for an embedding that does not fit the head.
    pub fn answer(&self, embedding: &[f32]) -> Option<Answer> {
        self.confidences(embedding)?
            .into_iter()
            .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
    }

    /// One answer a class, in the order of `classes`; their confidences add up to 1. `None` for an
    /// embedding of another width, with a number that is not finite, or so large that the answer is
    /// not.
    pub fn confidences(&self, embedding: &[f32]) -> Option<Vec<Answer>> {
        if embedding.len() != self.width() || embedding.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let features = normalised(embedding);
        let mut logits: Vec<f32> = self
            .weights
            .chunks_exact(self.width())
            .zip(&self.bias)
            .map(|(row, bias)| {
                (ArrayView1::from(row).dot(&ArrayView1::from(&features)) + bias) / self.temperature
            })
            .collect();
        if logits.iter().any(|logit| !logit.is_finite()) {
            return None;
        }
        softmax(ArrayViewMut1::from(&mut logits));
        let answers = self.classes().zip(logits);
        Some(
            answers
                .map(|(class, confidence)| Answer { class, confidence })
                .collect(),
        )
    }

    /// Whether a head that came from outside holds together: `classes` is the number of classes it
    /// may name and `width` the backbone's.
    pub fn check(&self, classes: usize, width: usize) -> Result<(), HeadError> {
        if self.width() != width || width == 0 {
            return Err(HeadError::Width {
                expected: width,
                actual: self.width(),
            });
        }
        let rows = self.classes.len();
        if rows < 2 || !self.classes.is_sorted_by(|a, b| a < b) {
            return Err(HeadError::Damaged(
                "its classes are not two or more, each once",
            ));
        }
        if self.classes().any(|class| class >= classes) {
            return Err(HeadError::Damaged("it names a class that is not there"));
        }
        if Some(self.weights.len()) != rows.checked_mul(width) || self.bias.len() != rows {
            return Err(HeadError::Damaged("its weights do not fit its classes"));
        }
        let numbers = self.weights.iter().chain(&self.bias);
        if numbers.chain([&self.temperature]).any(|v| !v.is_finite()) || self.temperature <= 0.0 {
            return Err(HeadError::Damaged("it holds a number that is not finite"));
        }
        Ok(())
    }
}

impl Design {
    /// `classes` are the class numbers that occur, ascending.
    fn new(examples: &[Example<'_>], classes: &[usize]) -> Result<Self, HeadError> {
        let width = examples
            .first()
            .map_or(0, |example| example.embedding.len());
        let mut numbers = Vec::with_capacity(examples.len() * width);
        let mut labels = Vec::with_capacity(examples.len());
        for example in examples {
            if example.embedding.len() != width || width == 0 {
                return Err(HeadError::Width {
                    expected: width.max(1),
                    actual: example.embedding.len(),
                });
            }
            if example.embedding.iter().any(|v| !v.is_finite()) {
                return Err(HeadError::NotFinite);
            }
            numbers.extend(normalised(example.embedding));
            labels.push(classes.partition_point(|&class| class < example.class));
        }
        let features = Array2::from_shape_vec((examples.len(), width), numbers)
            .map_err(|_| HeadError::Damaged("the examples do not form a matrix"))?;
        Ok(Self {
            features,
            labels,
            bursts: examples.iter().map(|example| example.burst).collect(),
            classes: classes.len(),
        })
    }

    fn fit(&self, kind: Kind) -> Linear {
        match kind {
            Kind::Means => means::fit(self),
            Kind::Ridge => ridge::fit(self),
            Kind::Logistic => logistic::fit(self),
            Kind::Lda => lda::fit(self),
        }
    }

    /// The mean of each class: `classes` rows.
    fn means(&self) -> Array2<f32> {
        let mut means = Array2::<f32>::zeros((self.classes, self.features.ncols()));
        let mut counts = vec![0.0f32; self.classes];
        for (row, &label) in self.features.outer_iter().zip(&self.labels) {
            let mut mean = means.row_mut(label);
            mean += &row;
            counts[label] += 1.0;
        }
        for (mut mean, count) in means.outer_iter_mut().zip(counts) {
            mean /= count.max(1.0);
        }
        means
    }
}

impl Linear {
    /// One row of logits (before the temperature) a row of `features`.
    fn logits(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        features.dot(&self.weights.t()) + self.bias.view().insert_axis(Axis(0))
    }
}

/// What the heads see of an embedding: the signed square root of every number, then scaled to
/// length 1 (power and L2 normalisation: Perronnin, Sanchez and Mensink, "Improving the Fisher
/// kernel for large-scale image classification", ECCV 2010). All zeros stay zeros.
fn normalised(embedding: &[f32]) -> Vec<f32> {
    let mut features: Vec<f32> = embedding
        .iter()
        .map(|v| v.abs().sqrt().copysign(*v))
        .collect();
    // After the square root the squared length is the sum of absolute values.
    let length = embedding
        .iter()
        .map(|v| f64::from(v.abs()))
        .sum::<f64>()
        .sqrt() as f32;
    if length > 0.0 {
        features.iter_mut().for_each(|v| *v /= length);
    }
    features
}

/// In place, without overflow.
fn softmax(mut logits: ArrayViewMut1<'_, f32>) {
    let highest = logits.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    logits.mapv_inplace(|logit| (logit - highest).exp());
    let sum = logits.sum();
    logits /= sum;
}
