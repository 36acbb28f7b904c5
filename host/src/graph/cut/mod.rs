//! Takes the classifier off an image classifier that was made elsewhere.
//!
//! The input is pinned to one size (`pin`), the classifier is found from the graph's outputs
//! backwards (`find`), what goes into it becomes the output `embedding` of `1 x D` numbers, and
//! everything that the embedding does not need is dropped. Weights that lie beside the
//! file are brought in first (`external`).

mod external;
mod find;
mod pin;

use std::path::Path;

use lastlayer_shared::backbone::EMBEDDING;
use tract_onnx::prelude::DatumType;

use super::{
    GraphError, Shape, edit, fact_of,
    onnx::{self, DataType, ModelProto},
    windows,
};
use find::Classifier;

/// A network pinned to one input size, with its embedding, before and after the cut.
pub struct Cut {
    /// Everything, with the embedding as a tensor inside.
    pub whole: ModelProto,
    pub backbone: ModelProto,
    /// The output of `whole` that the classifier's scores become.
    pub scores: String,
    /// What was taken off, in order of execution: operator and output name.
    pub removed: Vec<(String, String)>,
    /// Side of the input.
    pub size: u32,
    /// The side that the network was made for, where it says one.
    pub own_size: Option<u32>,
}

/// `folder` is where weights beside the ONNX file are looked for; `None` where nothing is beside it.
pub fn cut(
    mut model: ModelProto,
    input_size: Option<u32>,
    folder: Option<&Path>,
) -> Result<Cut, GraphError> {
    external::bring_in(&mut model, folder)?;
    // Before version 4 of the format weights had to be listed as inputs too.
    model.ir_version = model.ir_version.max(4);
    let (size, own_size) = pin::input(&mut model, input_size)?;
    cut_pinned(model, size, own_size).map_err(|error| error.at_size(size, own_size))
}

fn cut_pinned(mut model: ModelProto, size: u32, own_size: Option<u32>) -> Result<Cut, GraphError> {
    let graph = onnx::graph_mut(&mut model)?;
    edit::state_defaults(graph);
    // Shapes that exporters noted down belong to the unpinned network.
    graph.value_info.clear();
    for output in &mut graph.output {
        output.r#type = None;
    }
    let inner = edit::unused_name(graph, "embedding.inner");
    edit::rename(graph, EMBEDDING, &inner);
    let classifier = find::classifier(&model)?;
    let width = name_embedding(&mut model, &classifier)?;
    windows::check(&super::typed(&model, &[EMBEDDING])?)?;
    let mut backbone = model.clone();
    let graph = onnx::graph_mut(&mut backbone)?;
    graph.output = vec![onnx::value(EMBEDDING, &[1, width])];
    let removed = edit::drop_unused(graph);
    Ok(Cut {
        whole: model,
        backbone,
        scores: classifier.scores,
        removed,
        size,
        own_size,
    })
}

/// Makes the classifier's input the tensor `embedding` of `1 x D` 32-bit floats and returns D:
/// positions that are still there are averaged.
fn name_embedding(model: &mut ModelProto, classifier: &Classifier) -> Result<usize, GraphError> {
    let tensor = &classifier.input;
    let (shape, kind) = fact_of(model, tensor)?;
    let wrong = |why: &str| GraphError::EmbeddingShape(format!("{}{why}", Shape(&shape)));
    let graph = onnx::graph_mut(model)?;
    if graph.input.iter().any(|input| &input.name == tensor) {
        return Err(wrong(", the picture itself"));
    }
    let mut steps = Vec::new();
    match kind {
        DatumType::F32 => (),
        DatumType::F16 | DatumType::F64 => {
            let float = onnx::int("to", i32::from(DataType::Float).into());
            steps.push(("Cast", vec![float]));
        }
        _ => return Err(wrong(&format!(" of {kind:?}"))),
    }
    let flat = || ("Flatten", vec![onnx::int("axis", 1)]);
    let turn = |perm: &[i64]| ("Transpose", vec![onnx::ints("perm", perm)]);
    let width = match shape.as_slice() {
        [1, width] => *width,
        [width, 1] => {
            steps.push(turn(&[1, 0]));
            *width
        }
        [1, sides @ ..] if sides.iter().filter(|&&side| side != 1).count() <= 1 => {
            steps.push(flat());
            sides.iter().product()
        }
        // A MatMul works on the last side, a Conv on the second.
        [1, _, _, width] if classifier.channels_last => {
            let pool = ("GlobalAveragePool", vec![]);
            steps.extend([turn(&[0, 3, 1, 2]), pool, flat()]);
            *width
        }
        [1, width, _, _] if !classifier.channels_last => {
            steps.extend([("GlobalAveragePool", vec![]), flat()]);
            *width
        }
        _ => return Err(wrong("")),
    };
    let mut last = tensor.clone();
    for (op, attributes) in steps {
        let name = edit::unused_name(graph, &format!("embedding.{}", op.to_lowercase()));
        graph.node.push(onnx::node(op, &[&last], &name, attributes));
        last = name;
    }
    edit::rename(graph, &last, EMBEDDING);
    Ok(width)
}

#[cfg(test)]
mod tests;
