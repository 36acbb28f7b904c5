//! Changes to a graph that do not change what it computes, and parts of it.

use std::collections::HashSet;

use super::{
    GraphError,
    onnx::{self, AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto},
};

/// Renames a tensor wherever it occurs.
pub fn rename(graph: &mut GraphProto, from: &str, to: &str) {
    let change = |name: &mut String| {
        if name == from {
            *name = to.into();
        }
    };
    for node in &mut graph.node {
        node.input.iter_mut().for_each(change);
        node.output.iter_mut().for_each(change);
        // The bodies of If and Loop see the names outside.
        for attribute in &mut node.attribute {
            for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                rename(inner, from, to);
            }
        }
    }
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        change(&mut value.name);
    }
    for tensor in &mut graph.initializer {
        change(&mut tensor.name);
    }
}

/// `wanted`, or the same with a number where a tensor has that name already.
pub fn unused_name(graph: &GraphProto, wanted: &str) -> String {
    let mut used = HashSet::new();
    names(graph, &mut used);
    let mut name = wanted.to_owned();
    let mut number = 1;
    while used.contains(name.as_str()) {
        number += 1;
        name = format!("{wanted}.{number}");
    }
    name
}

fn names<'a>(graph: &'a GraphProto, into: &mut HashSet<&'a str>) {
    for node in &graph.node {
        into.extend(node.input.iter().chain(&node.output).map(String::as_str));
        // tract wants the names of nodes to be unique, too.
        into.insert(&node.name);
        for inner in bodies(node) {
            names(inner, into);
        }
    }
    let values = graph.input.iter().chain(&graph.output);
    into.extend(values.map(|value| value.name.as_str()));
    into.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
}

fn bodies(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    let attributes = node.attribute.iter();
    attributes.flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

/// Names that the bodies of If and Loop take from outside.
fn inner_names(node: &NodeProto) -> Vec<String> {
    let mut names = Vec::new();
    for graph in bodies(node) {
        for inner in &graph.node {
            names.extend(inner.input.iter().cloned());
            names.extend(inner_names(inner));
        }
        names.extend(graph.output.iter().map(|output| output.name.clone()));
    }
    names
}

pub fn outputs(graph: &GraphProto) -> Vec<&str> {
    let names = graph.output.iter();
    names.map(|output| output.name.as_str()).collect()
}

/// Which nodes `outputs` need, and the names of all tensors that are read for them.
pub fn needed(graph: &GraphProto, outputs: &[&str]) -> (Vec<bool>, HashSet<String>) {
    let mut names: HashSet<String> = outputs.iter().map(|&name| name.to_owned()).collect();
    let mut keep = vec![false; graph.node.len()];
    // Nodes come in order of execution; appended ones read what is before them.
    for (node, keep) in graph.node.iter().zip(&mut keep).rev() {
        if node.output.iter().any(|output| names.contains(output)) {
            *keep = true;
            names.extend(node.input.iter().cloned());
            names.extend(inner_names(node));
        }
    }
    (keep, names)
}

/// Drops nodes and weights that no output needs; returns the nodes.
pub fn drop_unused(graph: &mut GraphProto) -> Vec<(String, String)> {
    let (keep, names) = needed(graph, &outputs(graph));
    let mut removed = Vec::new();
    let mut kept = keep.into_iter();
    graph.node.retain(|node| {
        let keep = kept.next().unwrap_or(true);
        if !keep {
            let output = node.output.first().cloned().unwrap_or_default();
            removed.push((node.op_type.clone(), output));
        }
        keep
    });
    graph
        .initializer
        .retain(|tensor| names.contains(&tensor.name));
    removed
}

/// The part of the network that computes `tensors`, without a copy of anything else.
pub fn part(model: &ModelProto, tensors: &[&str]) -> Result<ModelProto, GraphError> {
    let graph = onnx::graph(model)?;
    let (keep, names) = needed(graph, tensors);
    let nodes = graph.node.iter().zip(&keep);
    let initializers = graph.initializer.iter();
    let part = GraphProto {
        name: graph.name.clone(),
        node: nodes
            .filter(|(_, keep)| **keep)
            .map(|(node, _)| node.clone())
            .collect(),
        initializer: initializers
            .filter(|weights| names.contains(&weights.name))
            .cloned()
            .collect(),
        input: graph.input.clone(),
        ..GraphProto::default()
    };
    Ok(ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        graph: Some(part),
        functions: model.functions.clone(),
        ..ModelProto::default()
    })
}

/// Writes the value down that a ConstantOfShape has where it says none, a float 0: tract takes it
/// for a 0 of 64 bits and then fails on what reads it.
pub fn state_defaults(graph: &mut GraphProto) {
    for node in &mut graph.node {
        if node.op_type == "ConstantOfShape" && node.attribute.is_empty() {
            node.attribute.push(AttributeProto {
                name: "value".into(),
                r#type: AttributeType::Tensor.into(),
                t: Some(onnx::weights("", &[1], &[0.0])),
                ..AttributeProto::default()
            });
        }
        for attribute in &mut node.attribute {
            let inner = attribute.g.iter_mut().chain(&mut attribute.graphs);
            inner.for_each(state_defaults);
        }
    }
}
