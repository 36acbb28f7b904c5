//! The input, pinned to one picture of one size.

use std::collections::HashSet;

use lastlayer_shared::{backbone::EMBEDDING, error::plain};

use super::super::{
    GraphError, edit,
    onnx::{self, DataType, GraphProto, ModelProto, ValueInfoProto},
};

/// Layers whose second and later inputs are weights.
const WEIGHED: [&str; 5] = [
    "Conv",
    "Gemm",
    "MatMul",
    "BatchNormalization",
    "LayerNormalization",
];

/// Pins the one picture input to `1 x 3 x N x N`; gives N and the network's own size. A network
/// that wants channels last gets a Transpose in front, so that every backbone takes the same input.
pub fn input(
    model: &mut ModelProto,
    wanted: Option<u32>,
) -> Result<(u32, Option<u32>), GraphError> {
    let graph = onnx::graph_mut(model)?;
    let weights: HashSet<String> = graph
        .initializer
        .iter()
        .map(|tensor| tensor.name.clone())
        .collect();
    // Some exporters leave inputs that no output needs.
    let (_, read) = edit::needed(graph, &edit::outputs(graph));
    graph
        .input
        .retain(|input| !weights.contains(&input.name) && read.contains(&input.name));
    let input = match graph.input.as_slice() {
        [input] => input.clone(),
        inputs => return Err(GraphError::Input(several(graph, inputs))),
    };
    let (kind, sides) = onnx::input_shape(&input)
        .ok_or_else(|| GraphError::Input("not a tensor with a shape".into()))?;
    let show = || -> String {
        let sides = sides
            .iter()
            .map(|side| side.map_or("?".into(), |side| side.to_string()));
        sides.collect::<Vec<_>>().join(" x ")
    };
    if kind != i32::from(DataType::Float) {
        let kind = DataType::try_from(kind).map_or("unknown", |kind| kind.as_str_name());
        return Err(GraphError::Input(format!(
            "{} of the number type {}",
            show(),
            kind.to_lowercase()
        )));
    }
    let (high, wide, channels_last) = match *sides.as_slice() {
        [_, Some(3), high, wide] => (high, wide, false),
        [_, high, wide, Some(3)] => (high, wide, true),
        [_, None, high, wide] => (high, wide, false),
        _ => return Err(GraphError::Input(show())),
    };
    let own = match (high, wide) {
        (Some(high), Some(wide)) if high == wide => u32::try_from(high).ok(),
        (Some(_), Some(_)) => return Err(GraphError::Input(show())),
        _ => None,
    };
    let size = wanted.or(own).ok_or(GraphError::NoInputSize)?;
    let side = size as usize;
    let mut name = input.name;
    if name == EMBEDDING {
        name = edit::unused_name(graph, "input");
        edit::rename(graph, EMBEDDING, &name);
    }
    if channels_last {
        let inner = edit::unused_name(graph, &format!("{name}.channels_last"));
        edit::rename(graph, &name, &inner);
        let turn = onnx::ints("perm", &[0, 2, 3, 1]);
        let turn = onnx::node("Transpose", &[&name], &inner, vec![turn]);
        graph.node.insert(0, turn);
    }
    graph.input = vec![onnx::value(&name, &[1, 3, side, side])];
    Ok((size, own))
}

/// What to say of a network with several inputs, or none.
fn several(graph: &GraphProto, inputs: &[ValueInfoProto]) -> String {
    let weight = inputs.iter().find(|input| {
        graph.node.iter().any(|node| {
            WEIGHED.contains(&node.op_type.as_str())
                && node.input.iter().skip(1).any(|name| *name == input.name)
        })
    });
    let count = inputs.len();
    match weight {
        Some(input) => format!(
            "{count} tensors, and {:?} looks like weights that are missing from the file",
            plain(&input.name)
        ),
        None => format!("{count} tensors"),
    }
}
