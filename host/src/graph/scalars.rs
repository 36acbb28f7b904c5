//! tract reads a single number out of a tensor without asking whether there is one, so that an empty
//! tensor makes it read beyond its memory. Refused here is what shows in the file: empty tensors where
//! they mean nothing, and a Dropout whose mode is computed. (Boards refuse every empty tensor.)

use tract_onnx::{prelude::*, tract_core::internal::bail};

use super::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};

/// An empty tensor stands for an input that is left out.
const MAY_BE_EMPTY: [&str; 2] = ["Resize", "Upsample"];

pub fn check(model: &ModelProto) -> TractResult<()> {
    model.graph.iter().try_for_each(check_graph)
}

fn check_graph(graph: &GraphProto) -> TractResult<()> {
    let mut known: Vec<(&str, usize)> = Vec::new();
    for tensor in &graph.initializer {
        known.push((&tensor.name, count(tensor)));
    }
    for node in graph.node.iter().filter(|node| node.op_type == "Constant") {
        let numbers = numbers(node);
        known.extend(node.output.iter().map(|name| (name.as_str(), numbers)));
    }
    let numbers_in = |name: &str| known.iter().find(|(known, _)| *known == name);
    for node in &graph.node {
        let kind = node.op_type.as_str();
        let empty = node
            .input
            .iter()
            .filter_map(|name| numbers_in(name))
            .find(|(_, numbers)| *numbers == 0);
        if let Some((name, _)) = empty
            && !MAY_BE_EMPTY.contains(&kind)
        {
            bail!("the operator {kind} takes {name}, which is empty");
        }
        let mut modes = node.input.iter().skip(1).filter(|name| !name.is_empty());
        let is_number = |name: &str| numbers_in(name).is_some_and(|(_, numbers)| *numbers == 1);
        if kind == "Dropout"
            && let Some(name) = modes.find(|name| !is_number(name))
        {
            bail!("the mode of a Dropout, {name}, is no number in the file");
        }
        for attribute in &node.attribute {
            let inner = attribute.g.iter().chain(&attribute.graphs);
            inner.into_iter().try_for_each(check_graph)?;
        }
    }
    Ok(())
}

fn count(tensor: &TensorProto) -> usize {
    let sides = tensor.dims.iter();
    sides.fold(1, |numbers: usize, side| {
        numbers.saturating_mul(usize::try_from(*side).unwrap_or(0))
    })
}

fn numbers(constant: &NodeProto) -> usize {
    let mut attributes = constant.attribute.iter();
    let value = attributes.find(|attribute| attribute.name.starts_with("value"));
    value.map_or(0, |value| match (&value.t, value.name.as_str()) {
        (Some(tensor), _) => count(tensor),
        (_, "value_ints") => value.ints.len(),
        (_, "value_floats") => value.floats.len(),
        (_, "value_strings") => value.strings.len(),
        _ => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::onnx;

    fn checked(nodes: Vec<NodeProto>) -> Result<(), String> {
        let graph = GraphProto {
            node: nodes,
            initializer: vec![
                onnx::weights("none", &[0], &[]),
                onnx::weights("one", &[], &[1.0]),
            ],
            ..GraphProto::default()
        };
        check(&onnx::model(graph)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_tensor_is_refused_where_a_number_is_read() {
        let node = |kind: &str, inputs: &[&str]| onnx::node(kind, inputs, "y", vec![]);
        for good in [
            node("Dropout", &["x", "one", "one"]),
            node("Dropout", &["x", "", "one"]),
            node("Dropout", &["x"]),
            node("Resize", &["x", "none", "one"]),
        ] {
            assert_eq!(checked(vec![good]), Ok(()));
        }
        for bad in [
            node("Dropout", &["x", "none"]),
            node("Clip", &["x", "none"]),
            node("Range", &["one", "none", "one"]),
        ] {
            let error = checked(vec![bad]).unwrap_err();
            assert!(error.ends_with("takes none, which is empty"), "{error}");
        }
        let computed = checked(vec![node("Dropout", &["x", "one", "z"])]).unwrap_err();
        assert!(
            computed.contains("mode of a Dropout, z, is no number"),
            "{computed}"
        );
        // A Constant without a value is empty too.
        let constant = onnx::node("Constant", &[], "c", vec![]);
        assert!(checked(vec![constant, node("Clip", &["x", "c"])]).is_err());
    }
}
