//! The head: the small last layer that the board trains.
//!
//! Every kind of head is the same thing once it is fitted: a matrix and a vector over features
//! (`layout`), so that the softmax of `W z + b` is the confidence; the default also says whether what
//! it sees was taught at all (`unknown`). The kinds differ in how W and b come from the examples, and
//! each has its file. No I/O, no clock, no randomness: the same bursts give the same head, bit by bit on
//! one kind of processor, in whatever order they came and on whichever boards they were taught. So to
//! add a burst, to take one away or to put together what two boards know is to fit what is there then.

mod calibrate;
mod design;
mod layout;
mod lda;
mod logistic;
mod means;
mod order;
mod reliance;
mod ridge;
mod solve;
#[cfg(test)]
mod tests;
mod unknown;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};
use serde::{Deserialize, Serialize};

pub use calibrate::Calibration;
use calibrate::Judged;
use design::Design;
pub use layout::{Layout, MOST_TAPS};
use unknown::Unknown;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nearest class mean, by cosine.
    Means,
    /// Least squares on one-hot targets with a penalty on W.
    Ridge,
    /// Multinomial logistic regression.
    Logistic,
    /// Linear discriminant analysis whose shrinkage and use of taps the examples choose. The default:
    /// docs/learning.md has it ahead of the others, or level with the best, at every number of
    /// examples.
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

/// What the numbers of an embedding may be kept as: `f32`, or `half::f16` where there are many.
pub trait Number: Copy + Into<f32> {}

impl<T: Copy + Into<f32>> Number for T {}

/// One embedding with what it shows.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a, T = f32> {
    pub embedding: &'a [T],
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
    layout: Layout,
    /// `classes.len()` rows of `layout.width()` numbers.
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// `None` where there was nothing to learn from what is usual.
    unknown: Option<Unknown>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub class: usize,
    /// 0..=1.
    pub confidence: f32,
}

/// W and b of a head: one row and one number a class. Over the last embedding alone or all features.
struct Linear {
    weights: Array2<f32>,
    bias: Array1<f32>,
}

impl Head {
    /// Fits a head of `kind` on all `examples`, whose embeddings `layout` describes.
    pub fn fit<T: Number>(
        kind: Kind,
        layout: &Layout,
        examples: &[Example<'_, T>],
    ) -> Result<Self, HeadError> {
        Ok(Self::fit_judged(kind, layout, examples)?.0)
    }

    /// The same, and what heads that had not seen an example's burst call it: a class for each
    /// example, or `None` where its class has no other burst to learn from, or there are too many
    /// examples to ask for each. Costs nothing more.
    pub fn fit_judged<T: Number>(
        kind: Kind,
        layout: &Layout,
        examples: &[Example<'_, T>],
    ) -> Result<(Self, Vec<Option<usize>>), HeadError> {
        let mut classes: Vec<usize> = examples.iter().map(|example| example.class).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 {
            return Err(HeadError::TooFewClasses(classes.len()));
        }
        let narrow = |class: &usize| {
            u16::try_from(*class).map_err(|_| HeadError::Damaged("a class number is too large"))
        };
        let (places, ordered) = order::ordered(examples);
        let design = Design::new(layout, &ordered, &classes)?;
        let (linear, judged, unknown): (Linear, Judged, _) = match kind {
            Kind::Lda => lda::fit(&design),
            other => (
                other.linear(&design),
                calibrate::held_back(other, &design),
                None,
            ),
        };
        let sharpness = calibrate::sharpness(&judged, calibrate::GUESS)
            .map(|fit| fit.sharpness * judged.growth());
        let sharpness = sharpness.unwrap_or(kind.uncalibrated());
        let mut called = vec![None; examples.len()];
        for (place, row) in places.into_iter().zip(judged.called(examples.len())) {
            called[place] = row.map(|row| classes[row]);
        }
        let head = Self {
            kind,
            classes: classes.iter().map(narrow).collect::<Result<_, _>>()?,
            layout: layout.clone(),
            weights: linear.over(layout.width(), sharpness as f32),
            bias: (linear.bias * sharpness as f32).to_vec(),
            unknown,
        };
        Ok((head, called))
    }

    /// Weights, a row a class over features, and one number a class.
    pub(crate) fn linear(&self) -> (&[f32], &[f32]) {
        (&self.weights, &self.bias)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Of the embeddings that it answers for.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The classes it can answer, ascending.
    pub fn classes(&self) -> impl Iterator<Item = usize> + '_ {
        self.classes.iter().map(|&class| usize::from(class))
    }

    /// The class with the highest confidence; `None` for an embedding that does not fit the head.
    pub fn answer(&self, embedding: &[f32]) -> Option<Answer> {
        self.judge(embedding)?
            .answers
            .into_iter()
            .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
    }

    /// One answer a class, in the order of `classes`; `None` where `judge` has none.
    pub fn confidences(&self, embedding: &[f32]) -> Option<Vec<Answer>> {
        Some(self.judge(embedding)?.answers)
    }

    /// `None` for an embedding of another width, with a number that is not finite, or so large that
    /// the answer is not.
    pub fn judge(&self, embedding: &[f32]) -> Option<Judgement> {
        let width = self.layout.width();
        if embedding.len() != width || embedding.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let features = self.layout.features(embedding);
        let mut logits: Vec<f32> = self
            .weights
            .chunks_exact(width)
            .zip(&self.bias)
            .map(|(row, bias)| ArrayView1::from(row).dot(&ArrayView1::from(&features)) + bias)
            .collect();
        if logits.iter().any(|logit| !logit.is_finite()) {
            return None;
        }
        let familiarity = match &self.unknown {
            None => None,
            Some(unknown) => Some(unknown.familiarity(&features, self.layout.last())?),
        };
        softmax(ArrayViewMut1::from(&mut logits));
        let answers = self.classes().zip(logits);
        Some(Judgement {
            answers: answers
                .map(|(class, confidence)| Answer { class, confidence })
                .collect(),
            familiarity,
        })
    }

    /// The same answers, surer or less sure: their logits are multiplied by `factor`.
    pub fn sharpened(mut self, factor: f32) -> Self {
        let numbers = self.weights.iter_mut().chain(&mut self.bias);
        numbers.for_each(|number| *number *= factor);
        self
    }

    /// Whether a head that came from outside holds together: `classes` is the number of classes it
    /// may name and `width` the numbers in the backbone's embeddings.
    pub fn check(&self, classes: usize, width: usize) -> Result<(), HeadError> {
        if !self.layout.holds_together() || self.layout.width() != width {
            return Err(HeadError::Width {
                expected: width,
                actual: self.layout.width(),
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
        if self
            .weights
            .iter()
            .chain(&self.bias)
            .any(|v| !v.is_finite())
        {
            return Err(HeadError::Damaged("it holds a number that is not finite"));
        }
        match &self.unknown {
            Some(unknown) => unknown.check(rows, &self.layout),
            None => Ok(()),
        }
    }
}

/// What a head says of one embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// One a class, in the order of `Head::classes`; their confidences add up to 1.
    pub answers: Vec<Answer>,
    /// The share of taught things that look stranger than this, 0..=1; `None` where the head cannot
    /// tell.
    pub familiarity: Option<f32>,
}

impl Judgement {
    /// Whether it looks like something that was taught: no stranger than the share `least` of that.
    pub fn is_known(&self, least: f32) -> bool {
        self.familiarity.is_none_or(|share| share >= least)
    }
}

impl Kind {
    /// Of the kinds that look at the last embedding only.
    fn linear(self, design: &Design) -> Linear {
        match self {
            Kind::Means => means::fit(design),
            Kind::Ridge => ridge::fit(design),
            Kind::Logistic => logistic::fit(design),
            Kind::Lda => lda::fit(design).0,
        }
    }

    /// What logits are multiplied by where nothing could be held back: a little on the careful side
    /// of what was likeliest on the vehicle photos whose number mod 8 is 5 at one and two a class.
    fn uncalibrated(self) -> f64 {
        match self {
            Kind::Means => 1.0,
            Kind::Ridge => 1.0,
            Kind::Logistic => 2.5,
            Kind::Lda => 20.0,
        }
    }
}

impl Linear {
    /// One row of logits a row of `features`.
    fn logits(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        features.dot(&self.weights.t()) + self.bias.view().insert_axis(Axis(0))
    }

    /// The weights times `factor` over `width` features, zeros where it does not look.
    fn over(&self, width: usize, factor: f32) -> Vec<f32> {
        let mut weights = Array2::zeros((self.weights.nrows(), width));
        let seen = self.weights.ncols();
        weights
            .slice_mut(ndarray::s![.., ..seen])
            .assign(&self.weights);
        weights *= factor;
        weights.into_raw_vec_and_offset().0
    }
}

/// In place, without overflow.
fn softmax(mut logits: ArrayViewMut1<'_, f32>) {
    let highest = logits.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    logits.mapv_inplace(|logit| (logit - highest).exp());
    let sum = logits.sum();
    logits /= sum;
}
