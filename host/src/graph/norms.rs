//! tract counts up to the axis of a LayerNormalization. Where a negative one is of a tensor that has
//! fewer sides, that is a number below 0, taken for one without a sign, and the count takes
//! centuries. How many sides a tensor has is known only after tract's analysis, so that is done
//! first on a copy that has Identity, which keeps a shape too, in the place of such operators.

use tract_onnx::{prelude::*, tract_core::internal::bail};

use super::onnx::{GraphProto, ModelProto};

const NORM: &str = "LayerNormalization";

pub fn check(model: &ModelProto) -> TractResult<()> {
    let Some(graph) = &model.graph else {
        return Ok(());
    };
    if graph.node.iter().any(|node| {
        let attributes = node.attribute.iter();
        let mut bodies = attributes.flat_map(|a| a.g.iter().chain(&a.graphs));
        bodies.any(holds_norm)
    }) {
        bail!("an operator with a body has a {NORM} in it");
    }
    let norms = graph.node.iter().filter(|node| node.op_type == NORM);
    let axes: Vec<(&str, i64)> = norms
        .filter_map(|node| {
            let axis = node.attribute.iter().find(|a| a.name == "axis");
            Some((node.input.first()?.as_str(), axis.map_or(-1, |a| a.i)))
        })
        .filter(|(_, axis)| *axis < 0)
        .collect();
    if axes.is_empty() {
        return Ok(());
    }
    let mut copy = model.clone();
    for node in copy.graph.iter_mut().flat_map(|graph| &mut graph.node) {
        if node.op_type == NORM {
            node.op_type = "Identity".into();
            node.input.truncate(1);
            node.output.truncate(1);
            node.attribute.clear();
        }
    }
    let names = axes.iter().map(|(name, _)| *name);
    let typed = tract_onnx::onnx()
        .model_for_proto_model(&copy)?
        .with_outputs_by_name(names)?
        .into_typed()?;
    for (at, (name, axis)) in axes.iter().enumerate() {
        let sides = typed.output_fact(at)?.rank() as u64;
        if axis.unsigned_abs() > sides {
            bail!("a {NORM} names the axis {axis} of {name}, which has {sides} sides");
        }
    }
    Ok(())
}

fn holds_norm(graph: &GraphProto) -> bool {
    graph.node.iter().any(|node| {
        let attributes = node.attribute.iter();
        let mut bodies = attributes.flat_map(|a| a.g.iter().chain(&a.graphs));
        node.op_type == NORM || bodies.any(holds_norm)
    })
}
