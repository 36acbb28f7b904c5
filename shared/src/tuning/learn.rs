//! Back-propagation through head, average, activation and convolution.
//!
//! The head on top is a softmax over embeddings of length `SCALE`. It starts as the head that the samples
//! have without learning, so that the layer is not led astray by one that knows nothing (Kumar et al.,
//! "Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022), learns
//! with the layer, and is left behind when that has learned. Every time a sample is seen, it is by a
//! window of its map at random, from one position to all: the average over some is as good a label as
//! that over all, and more of them are seen (as random crops of a photo, but without running the network
//! again). Steps are Adam's (Kingma and Ba, ICLR 2015) with a rate that falls to 0.

use std::{ops::ControlFlow, thread};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Sample, fit,
    layer::{Layer, Map, Window},
};
use crate::head::{HeadError, Kind, Layout};

/// How often every sample is seen at the most.
pub const PASSES: usize = 20;
/// Of the first step.
const RATE: f32 = 0.01;
const RATE_OF_HEAD: f32 = 3e-3;
const SCALE: f32 = 5.0;
/// How sure the head is at the start, as a share of how sure the fitted one is: that knows its samples by
/// heart, and would find nothing to learn from them.
const SURENESS: f32 = 0.2;
/// Samples a step; and those of them that are one piece of work, whose gradients are added up in order,
/// so that the number of threads does not matter.
const STEP: usize = 32;
const PIECE: usize = 8;

/// What is learned: layer and head.
pub(super) struct Model {
    /// A row an output.
    weights: Array2<f32>,
    bias: Array1<f32>,
    /// A row a class.
    head: Array2<f32>,
    head_bias: Array1<f32>,
}

/// What some samples say.
pub(super) struct Piece {
    /// Sum of their cross-entropies, in nats.
    pub loss: f64,
    /// Of the loss, in the shape of what it is the gradient of.
    pub gradient: Model,
}

impl Model {
    pub(super) fn numbers(&mut self) -> [&mut [f32]; 4] {
        // All are in standard order: they are made here.
        [
            self.weights.as_slice_mut().unwrap_or_default(),
            self.bias.as_slice_mut().unwrap_or_default(),
            self.head.as_slice_mut().unwrap_or_default(),
            self.head_bias.as_slice_mut().unwrap_or_default(),
        ]
    }
}

/// Means of the gradient and of its square.
struct Moments {
    mean: Vec<f32>,
    square: Vec<f32>,
}

/// A layer that learns from samples.
pub struct Lesson<'a> {
    samples: &'a [Sample<'a>],
    /// Of each sample, counted from 0.
    labels: Vec<usize>,
    limits: (f32, f32),
    pub(super) model: Model,
    moments: [Moments; 4],
    random: ChaCha8Rng,
    steps: usize,
    threads: usize,
    layer: Layer,
}

impl<'a> Lesson<'a> {
    pub fn new(
        layer: &Layer,
        samples: &'a [Sample<'a>],
        threads: usize,
    ) -> Result<Self, HeadError> {
        let mut classes: Vec<usize> = samples.iter().map(|sample| sample.class).collect();
        classes.sort_unstable();
        classes.dedup();
        let place = |sample: &Sample<'_>| classes.partition_point(|&class| class < sample.class);
        let labels: Vec<usize> = samples.iter().map(place).collect();
        let (weights, bias) = layer.weights();
        let shape = (layer.outputs(), layer.inputs());
        let weights = ArrayView2::from_shape(shape, weights);
        let (head, head_bias) = first_head(layer, samples)?;
        let mut model = Model {
            weights: weights.map_or_else(|_| Array2::zeros(shape), |view| view.to_owned()),
            bias: Array1::from(bias.to_vec()),
            head,
            head_bias,
        };
        let moments = model.numbers().map(|numbers| Moments {
            mean: vec![0.0; numbers.len()],
            square: vec![0.0; numbers.len()],
        });
        Ok(Self {
            samples,
            labels,
            limits: layer.limits(),
            model,
            moments,
            random: ChaCha8Rng::seed_from_u64(0),
            steps: 0,
            threads: threads.max(1),
            layer: layer.clone(),
        })
    }

    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Sees every sample once more; the mean cross-entropy in nats, of each when it was seen. `going` is
    /// told which share of the pass is done, 0..=1, and may end it.
    pub fn pass(&mut self, mut going: impl FnMut(f32) -> ControlFlow<()>) -> ControlFlow<(), f64> {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        order.shuffle(&mut self.random);
        let all = PASSES * order.len().div_ceil(STEP);
        let mut losses = 0.0;
        for (place, step) in order.chunks(STEP).enumerate() {
            going((place * STEP) as f32 / order.len() as f32)?;
            let seen: Vec<(usize, Window)> = step
                .iter()
                .map(|&sample| (sample, window(self.samples[sample].map, &mut self.random)))
                .collect();
            let Piece { loss, mut gradient } = self.gradient(&seen);
            losses += loss;
            self.steps += 1;
            let left = (1.0 - self.steps as f32 / all as f32).max(0.0);
            let rates = [RATE, RATE, RATE_OF_HEAD, RATE_OF_HEAD];
            let pairs = self.model.numbers().into_iter().zip(gradient.numbers());
            for (((numbers, gradient), moments), rate) in pairs.zip(&mut self.moments).zip(rates) {
                moments.step(numbers, gradient, rate * left, self.steps);
            }
        }
        let Model { weights, bias, .. } = &self.model;
        let flat = |array: &[f32]| array.to_vec();
        let weights = weights.as_slice().map(flat).unwrap_or_default();
        self.layer = self.layer.with(&weights, &bias.to_vec());
        ControlFlow::Continue(losses / self.samples.len().max(1) as f64)
    }

    /// The gradient is of the mean over `seen`.
    pub(super) fn gradient(&self, seen: &[(usize, Window)]) -> Piece {
        let pieces: Vec<&[(usize, Window)]> = seen.chunks(PIECE).collect();
        let mut parts: Vec<Option<Piece>> = pieces.iter().map(|_| None).collect();
        let share = pieces.len().div_ceil(self.threads);
        thread::scope(|scope| {
            for (pieces, parts) in pieces.chunks(share).zip(parts.chunks_mut(share)) {
                scope.spawn(move || {
                    for (piece, part) in pieces.iter().zip(parts) {
                        *part = Some(self.part(piece, seen.len() as f32));
                    }
                });
            }
        });
        let mut parts = parts.into_iter().flatten();
        let mut sum = parts.next().unwrap_or_else(|| self.part(&[], 1.0));
        for mut part in parts {
            sum.loss += part.loss;
            let pairs = sum.gradient.numbers().into_iter();
            for (sum, part) in pairs.zip(part.gradient.numbers()) {
                let pairs = sum.iter_mut().zip(part);
                pairs.for_each(|(sum, part)| *sum += *part);
            }
        }
        sum
    }

    /// The gradient is divided by `count`.
    pub(super) fn part(&self, piece: &[(usize, Window)], count: f32) -> Piece {
        let Model {
            weights,
            bias,
            head,
            head_bias,
        } = &self.model;
        let (low, high) = self.limits;
        let mut rows = Vec::new();
        let mut ends = vec![0];
        for (sample, window) in piece {
            self.samples[*sample].map.read(*window, &mut rows);
            ends.push(rows.len() / weights.ncols());
        }
        let positions = rows.len() / weights.ncols();
        let rows = Array2::from_shape_vec((positions, weights.ncols()), rows);
        let rows = rows.unwrap_or_else(|_| Array2::zeros((positions, weights.ncols())));
        let mut values = rows.dot(&weights.t());
        values += bias;
        let mut loss = 0.0;
        let mut gradient = Model {
            weights: Array2::zeros((0, 0)),
            bias: Array1::zeros(0),
            head: Array2::zeros(head.raw_dim()),
            head_bias: Array1::zeros(head_bias.raw_dim()),
        };
        for ((sample, _), ends) in piece.iter().zip(ends.windows(2)) {
            let mut values = values.slice_mut(s![ends[0]..ends[1], ..]);
            let share = 1.0 / (ends[1] - ends[0]) as f32;
            let mut embedding = Array1::<f32>::zeros(bias.len());
            for row in values.outer_iter() {
                let pairs = embedding.iter_mut().zip(row);
                pairs.for_each(|(sum, value)| *sum += value.clamp(low, high) * share);
            }
            let length = embedding.dot(&embedding).sqrt().max(f32::MIN_POSITIVE);
            embedding /= length;
            let mut errors = head.dot(&embedding) * SCALE + head_bias;
            softmax(&mut errors);
            loss -= f64::from(errors[self.labels[*sample]].max(f32::MIN_POSITIVE)).ln();
            errors[self.labels[*sample]] -= 1.0;
            errors /= count;
            // Back: the head, the scaling to length 1, the average, the activation.
            let outer = errors.view().insert_axis(Axis(1));
            gradient.head += &(&outer * &(&embedding * SCALE));
            gradient.head_bias += &errors;
            let back = head.t().dot(&errors) * SCALE;
            let along = back.dot(&embedding);
            let back = (back - &embedding * along) / length * share;
            for mut row in values.outer_iter_mut() {
                row.zip_mut_with(&back, |value, back| {
                    *value = if *value > low && *value < high {
                        *back
                    } else {
                        0.0
                    };
                });
            }
        }
        gradient.weights = values.t().dot(&rows).as_standard_layout().into_owned();
        gradient.bias = values.sum_axis(Axis(0));
        Piece { loss, gradient }
    }
}

const KEPT: [f32; 2] = [0.9, 0.999];

impl Moments {
    /// The `step`-th step of Adam, counted from 1.
    fn step(&mut self, numbers: &mut [f32], gradient: &[f32], rate: f32, step: usize) {
        let step = i32::try_from(step).unwrap_or(i32::MAX);
        let [of_mean, of_square] = KEPT.map(|kept| 1.0 / (1.0 - kept.powi(step)));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((number, gradient), (mean, square)) in numbers.iter_mut().zip(gradient).zip(moments) {
            *mean += (1.0 - KEPT[0]) * (gradient - *mean);
            *square += (1.0 - KEPT[1]) * (gradient * gradient - *square);
            *number -= rate * *mean * of_mean / ((*square * of_square).sqrt() + 1e-8);
        }
    }
}

/// Weights, a row a class, and one number a class.
fn first_head(
    layer: &Layer,
    samples: &[Sample<'_>],
) -> Result<(Array2<f32>, Array1<f32>), HeadError> {
    let alone: Vec<Sample<'_>> = samples
        .iter()
        .map(|sample| Sample {
            taps: &[],
            ..*sample
        })
        .collect();
    let layout = Layout::plain(layer.outputs());
    let head = fit(Kind::default(), &layout, layer, &alone)?;
    let (weights, bias) = head.linear();
    let weights = ArrayView2::from_shape((bias.len(), layer.outputs()), weights);
    let weights = weights.map_err(|_| HeadError::Damaged("it has too few weights"))?;
    let bias = ArrayView1::from(bias);
    Ok((&weights * (SURENESS / SCALE), &bias * SURENESS))
}

fn window(map: &Map, random: &mut ChaCha8Rng) -> Window {
    let mut part = |all: usize| {
        let size = random.random_range(1..=all);
        (random.random_range(0..=all - size), size)
    };
    let (top, height) = part(map.height());
    let (left, width) = part(map.width());
    Window {
        top,
        left,
        height,
        width,
    }
}

fn softmax(logits: &mut Array1<f32>) {
    let highest = logits.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    logits.mapv_inplace(|logit| (logit - highest).exp());
    let sum = logits.sum();
    *logits /= sum;
}
