//! Multinomial logistic regression: minimises the summed cross-entropy plus `|W|^2 / (2 C)` by
//! Newton's method, each step solved by conjugate gradients (Lin, Weng and Keerthi, "Trust region
//! Newton method for logistic regression", JMLR 2008; here with a backtracking line search).

use super::{
    Linear,
    design::Design,
    softmax,
    solve::{Stop, conjugate_gradients, inner},
};
use ndarray::{Array1, Array2, Axis, concatenate};

/// C above, for features of length `LENGTH`: scikit-learn's default on vectors of length 6.
const C: f32 = 1.0;
const LENGTH: f32 = 6.0;
const NEWTON_STEPS: usize = 20;
/// A Newton step need not be exact: the next one corrects it.
const INEXACT: Stop = Stop {
    tolerance: 0.1,
    steps: 60,
};
const HALVINGS: usize = 20;
/// Newton stops where the gradient is this small, as a share of the first one.
const TOLERANCE: f64 = 1e-3;
/// On the bias, in place of 1 / C.
const BIAS_PENALTY: f32 = 1e-3;

pub fn fit(design: &Design) -> Linear {
    let problem = Problem::new(design);
    let width = problem.inputs.ncols();
    let mut weights = Array2::<f32>::zeros((design.classes, width));
    let mut state = problem.at(&weights);
    let first = inner(&state.gradient, &state.gradient).sqrt();
    for _ in 0..NEWTON_STEPS {
        let length = inner(&state.gradient, &state.gradient).sqrt();
        if length <= first * TOLERANCE || length == 0.0 {
            break;
        }
        let step = conjugate_gradients(
            |v| problem.curvature(&state.shares, v),
            &state.gradient,
            INEXACT,
        );
        let slope = inner(&state.gradient, &step);
        let mut size = 1.0f32;
        let mut moved = false;
        for _ in 0..HALVINGS {
            let mut candidate = weights.clone();
            candidate.scaled_add(-size, &step);
            let next = problem.at(&candidate);
            if next.loss <= state.loss - 1e-4 * f64::from(size) * slope {
                (weights, state, moved) = (candidate, next, true);
                break;
            }
            size /= 2.0;
        }
        if !moved {
            break;
        }
    }
    let bias: Array1<f32> = weights.column(width - 1).to_owned();
    let weights = weights.slice(ndarray::s![.., ..width - 1]).to_owned() * LENGTH;
    Linear { weights, bias }
}

struct Problem<'a> {
    /// Features of length `LENGTH` with a last column of ones for the bias.
    inputs: Array2<f32>,
    labels: &'a [usize],
}

struct State {
    loss: f64,
    gradient: Array2<f32>,
    /// One row of probabilities an example.
    shares: Array2<f32>,
}

impl<'a> Problem<'a> {
    fn new(design: &'a Design) -> Self {
        let ones = Array2::<f32>::ones((design.rows(), 1));
        let scaled = &design.embedding() * LENGTH;
        let inputs = concatenate(Axis(1), &[scaled.view(), ones.view()])
            .unwrap_or_else(|_| unreachable!("both have a row an example"));
        Self {
            inputs,
            labels: &design.labels,
        }
    }

    fn at(&self, weights: &Array2<f32>) -> State {
        let mut shares = self.inputs.dot(&weights.t());
        let mut penalised = Array2::zeros(weights.raw_dim());
        self.add_penalty(&mut penalised, weights);
        let mut loss = inner(&penalised, weights) / 2.0;
        let mut errors = Array2::zeros(shares.raw_dim());
        for ((mut row, mut error), &label) in shares
            .outer_iter_mut()
            .zip(errors.outer_iter_mut())
            .zip(self.labels)
        {
            let highest = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            let sum: f64 = row.iter().map(|v| f64::from(v - highest).exp()).sum();
            loss += sum.ln() + f64::from(highest - row[label]);
            softmax(row.view_mut());
            error.assign(&row);
            error[label] -= 1.0;
        }
        let mut gradient = errors.t().dot(&self.inputs);
        self.add_penalty(&mut gradient, weights);
        State {
            loss,
            gradient,
            shares,
        }
    }

    /// The Hessian at `shares` times `v`.
    fn curvature(&self, shares: &Array2<f32>, v: &Array2<f32>) -> Array2<f32> {
        let mut images = self.inputs.dot(&v.t());
        for (mut image, share) in images.outer_iter_mut().zip(shares.outer_iter()) {
            let mean = image.dot(&share);
            image.zip_mut_with(&share, |i, p| *i = p * (*i - mean));
        }
        let mut product = images.t().dot(&self.inputs);
        self.add_penalty(&mut product, v);
        product
    }

    /// The bias is held by a penalty too small to matter: without any, adding the same number to
    /// every class would change nothing and the system would be singular.
    fn add_penalty(&self, product: &mut Array2<f32>, weights: &Array2<f32>) {
        product.scaled_add(1.0 / C, weights);
        let last = weights.ncols() - 1;
        product
            .column_mut(last)
            .scaled_add(BIAS_PENALTY - 1.0 / C, &weights.column(last));
    }
}
