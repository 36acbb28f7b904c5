//! ONNX graphs: put together from weights, cut before their classifier, checked and measured.

pub mod compare;
pub mod cost;
pub mod cut;
pub mod metadata;
pub mod mobilenet_v2;
pub mod onnx;

use tract_onnx::prelude::*;

use lastlayer_shared::{
    backbone::{BackboneError, EMBEDDING},
    contain::contain,
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
        "no classifier was found at the end of this network (last operators: {0}); it must end in a \
         Gemm, MatMul or 1x1 Conv layer whose weights are in the file, or be a weight file with a \
         recipe"
    )]
    NoClassifier(String),
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

/// The network as tract understands it, with `output` as its only output.
fn typed(model: &ModelProto, output: &str) -> Result<TypedModel, GraphError> {
    contain(|| {
        tract_onnx::onnx()
            .model_for_proto_model(model)?
            .with_outputs_by_name([output])?
            .into_typed()
    })
    .map_err(GraphError::Unsupported)
}

/// The shape of one tensor of the network; sides that are not numbers are an error.
fn shape_of(model: &ModelProto, tensor: &str) -> Result<Vec<usize>, GraphError> {
    let typed = typed(model, tensor)?;
    let fact = typed
        .output_fact(0)
        .map_err(|error| GraphError::Unsupported(error.to_string()))?;
    match fact.shape.as_concrete() {
        Some(shape) => Ok(shape.to_vec()),
        None => Err(GraphError::EmbeddingShape(format!("{:?}", fact.shape))),
    }
}

/// D of a finished backbone.
pub fn embedding_width(model: &ModelProto) -> Result<usize, GraphError> {
    match shape_of(model, EMBEDDING)?.as_slice() {
        [1, width] => Ok(*width),
        shape => Err(GraphError::EmbeddingShape(format!("{shape:?}"))),
    }
}
