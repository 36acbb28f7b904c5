//! ONNX graphs: put together from weights, cut before their classifier, checked and measured.

pub mod compare;
pub mod cost;
pub mod cut;
mod edit;
pub mod metadata;
pub mod mobilenet_v2;
mod norms;
pub mod onnx;
mod scalars;
mod windows;

use tract_onnx::prelude::*;

use lastlayer_shared::{
    backbone::{BackboneError, EMBEDDING},
    contain::{bounded, contain, plausible},
};
use onnx::ModelProto;

#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error("this is not an ONNX file: {0}")]
    NotOnnx(String),
    #[error("the network keeps numbers in the file {0:?} beside it, which cannot be read: {1}")]
    External(String, String),
    #[error(
        "the network's input is {0}; one picture of 3 channels and equal sides is needed, as \
         32-bit floats"
    )]
    Input(String),
    #[error(
        "the network takes pictures of any size; say which with `--input-size N` (224 is what most \
         are trained for)"
    )]
    NoInputSize,
    #[error(
        "no classifier was found at the end of this network, which must be a Gemm, MatMul or 1x1 \
         Conv layer whose weights are in the file: {0}"
    )]
    NoClassifier(String),
    #[error(
        "the network's output {0:?} has the shape {1}, an answer for every position; a network \
         that gives one answer for the whole picture is needed"
    )]
    Positions(String, String),
    #[error("this network is quantised (it has {0}); use the float network that it was made from")]
    Quantised(String),
    #[error("the operator {node:?} looks at {window} positions at once, and {room} are there")]
    Window {
        node: String,
        window: String,
        room: String,
    },
    #[error("{error}; the network was made for `--input-size {own}`, not for {size}")]
    OtherSize {
        error: Box<GraphError>,
        own: u32,
        size: u32,
    },
    #[error("the classifier's input has the shape {0}, which gives no embedding of 1 x D numbers")]
    EmbeddingShape(String),
    #[error("tract cannot run this network: {0}")]
    Unsupported(String),
    #[error("these weights are not a {architecture}: {reason}")]
    Weights {
        architecture: &'static str,
        reason: String,
    },
    #[error("the network says {0} about itself, which is not as `lastlayer export` writes it: {1}")]
    Metadata(&'static str, String),
    #[error("the written network gives other embeddings than its source (up to {0:.3} apart)")]
    Disagrees(f32),
    #[error(transparent)]
    Backbone(#[from] BackboneError),
}

impl GraphError {
    /// Adds that the network was made for another size than it was asked to have: that is a likely
    /// cause.
    pub fn at_size(self, size: u32, own: Option<u32>) -> Self {
        match own {
            Some(own) if own != size && !matches!(self, Self::OtherSize { .. }) => {
                Self::OtherSize {
                    error: Box::new(self),
                    own,
                    size,
                }
            }
            _ => self,
        }
    }
}

/// Sides as people write them.
struct Shape<'a>(&'a [usize]);

impl std::fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, side) in self.0.iter().enumerate() {
            let times = if at == 0 { "" } else { " x " };
            write!(f, "{times}{side}")?;
        }
        Ok(())
    }
}

/// The network as tract understands it, with `outputs` as its only outputs. What is not needed for it
/// may be beyond tract.
pub(crate) fn typed(model: &ModelProto, outputs: &[&str]) -> Result<TypedModel, GraphError> {
    let part = edit::part(model, outputs)?;
    contain(|| {
        plausible(&part)?;
        scalars::check(&part)?;
        // Asks tract.
        norms::check(&part)?;
        let model = tract_onnx::onnx().model_for_proto_model(&part)?;
        bounded(model.with_outputs_by_name(outputs)?.into_typed()?)
    })
    .map_err(GraphError::Unsupported)
}

/// The shape and number type of one tensor of the network; sides that are not numbers are an error.
pub(crate) fn fact_of(
    model: &ModelProto,
    tensor: &str,
) -> Result<(Vec<usize>, DatumType), GraphError> {
    let typed = typed(model, &[tensor])?;
    let fact = typed
        .output_fact(0)
        .map_err(|error| GraphError::Unsupported(error.to_string()))?;
    match fact.shape.as_concrete() {
        Some(shape) => Ok((shape.to_vec(), fact.datum_type)),
        None => Err(GraphError::EmbeddingShape(format!("{:?}", fact.shape))),
    }
}

/// D of a finished backbone.
pub fn embedding_width(model: &ModelProto) -> Result<usize, GraphError> {
    match fact_of(model, EMBEDDING)?.0.as_slice() {
        [1, width] => Ok(*width),
        shape => Err(GraphError::EmbeddingShape(Shape(shape).to_string())),
    }
}
