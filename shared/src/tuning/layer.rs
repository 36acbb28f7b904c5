//! The layer that is tuned, and the maps that go into it.

use half::f16;
use ndarray::{Array1, Array2};

/// What goes into the layer: `channels` numbers at each of `height x width` positions. Half floats: a
/// map of 7 x 7 x 320 takes 31 kB.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    height: usize,
    width: usize,
    channels: usize,
    /// Position by position.
    numbers: Vec<f16>,
}

impl Map {
    /// `numbers`: channel by channel, as networks give them. `None` where they are not as many as they
    /// should be, none, or one is not finite as a half float.
    pub fn new(channels: usize, height: usize, width: usize, numbers: &[f32]) -> Option<Self> {
        let positions = height.checked_mul(width)?;
        if numbers.is_empty() || positions.checked_mul(channels)? != numbers.len() {
            return None;
        }
        let mut map = Vec::with_capacity(numbers.len());
        for position in 0..positions {
            let channels = (0..channels).map(|c| f16::from_f32(numbers[c * positions + position]));
            map.extend(channels);
        }
        map.iter().all(|v| v.is_finite()).then_some(Self {
            height,
            width,
            channels,
            numbers: map,
        })
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.numbers.len() * size_of::<f16>()
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Appends the positions of a window, row by row.
    pub(super) fn read(&self, window: Window, into: &mut Vec<f32>) {
        for y in window.top..window.top + window.height {
            let start = (y * self.width + window.left) * self.channels;
            let row = &self.numbers[start..start + window.width * self.channels];
            into.extend(row.iter().map(|v| v.to_f32()));
        }
    }

    pub(super) fn whole(&self) -> Window {
        Window {
            top: 0,
            left: 0,
            height: self.height,
            width: self.width,
        }
    }
}

/// Some positions of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// A 1 x 1 convolution, its activation and the average over positions: from a map to an embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// A row an output.
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// Activations are limited to these.
    low: f32,
    high: f32,
}

impl Layer {
    /// `weights`: a row an output. `None` where there is no output or input, they do not fit, a number
    /// is not finite, or nothing is between the limits.
    pub fn new(weights: Vec<f32>, bias: Vec<f32>, low: f32, high: f32) -> Option<Self> {
        let layer = Self {
            weights,
            bias,
            low,
            high,
        };
        let all = layer.weights.iter().chain(&layer.bias);
        let is_one = !layer.bias.is_empty()
            && !layer.weights.is_empty()
            && layer.weights.len().is_multiple_of(layer.bias.len())
            && all.into_iter().all(|v| v.is_finite())
            && layer.low < layer.high;
        is_one.then_some(layer)
    }

    /// Channels of the maps.
    pub fn inputs(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    /// Numbers of the embedding.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// A row an output; and one number an output.
    pub fn weights(&self) -> (&[f32], &[f32]) {
        (&self.weights, &self.bias)
    }

    pub(super) fn limits(&self) -> (f32, f32) {
        (self.low, self.high)
    }

    /// The embedding of a map; empty where the map has other channels.
    pub fn embed(&self, map: &Map) -> Vec<f32> {
        let mut rows = Vec::with_capacity(map.numbers.len());
        map.read(map.whole(), &mut rows);
        let (inputs, positions) = (self.inputs(), map.height * map.width);
        let Ok(rows) = Array2::from_shape_vec((positions, inputs), rows) else {
            return Vec::new();
        };
        let Ok(weights) = ndarray::ArrayView2::from_shape((self.outputs(), inputs), &self.weights)
        else {
            return Vec::new();
        };
        let mut sums = Array1::<f32>::zeros(self.outputs());
        for row in rows.dot(&weights.t()).outer_iter() {
            for ((sum, value), bias) in sums.iter_mut().zip(row).zip(&self.bias) {
                *sum += (value + bias).clamp(self.low, self.high);
            }
        }
        (sums / positions as f32).to_vec()
    }

    /// The same layer with other numbers.
    pub(super) fn with(&self, weights: &[f32], bias: &[f32]) -> Self {
        Self {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
            low: self.low,
            high: self.high,
        }
    }
}
