//! Nearest class mean by cosine (what imprinting does: Qi, Brown and Lowe, "Low-shot learning with
//! imprinted weights", CVPR 2018).

use super::{Linear, design::Design};
use ndarray::Array1;

/// Cosines of one backbone's embeddings lie close together; this spreads them to logits. The
/// temperature does the rest.
const SCALE: f32 = 32.0;

pub fn fit(design: &Design) -> Linear {
    let mut weights = design
        .means()
        .slice(ndarray::s![.., ..design.last])
        .to_owned();
    for mut mean in weights.outer_iter_mut() {
        let length = mean.dot(&mean).sqrt();
        if length > 0.0 {
            mean *= SCALE / length;
        }
    }
    Linear {
        bias: Array1::zeros(design.classes),
        weights,
    }
}
