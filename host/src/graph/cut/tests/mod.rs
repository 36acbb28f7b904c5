//! Small graphs, made here.

use super::*;
use crate::graph::onnx::{GraphProto, NodeProto, node, value, weights};

mod external;
mod find;
mod input;
mod tails;

/// `input` -> 3x3 Conv with 4 channels -> Relu `features`, then what `tail` adds.
fn network(tail: Vec<NodeProto>, output: &str, shape: &[usize]) -> ModelProto {
    let mut nodes = vec![
        node("Conv", &["input", "kernel"], "conv", vec![]),
        node("Relu", &["conv"], "features", vec![]),
    ];
    nodes.extend(tail);
    let numbers = |count: usize| {
        (0..count)
            .map(|i| (i % 7) as f32 * 0.1 - 0.2)
            .collect::<Vec<_>>()
    };
    onnx::model(GraphProto {
        name: "test".into(),
        node: nodes,
        initializer: vec![
            weights("kernel", &[4, 3, 3, 3], &numbers(108)),
            weights("dense", &[4, 5], &numbers(20)),
            weights("bias", &[5], &numbers(5)),
            weights("point", &[5, 4, 1, 1], &numbers(20)),
            weights("imagenet", &[1000, 4, 1, 1], &numbers(4000)),
            weights("turned", &[4, 5, 1, 1], &numbers(20)),
            weights("deeper", &[6, 4, 3, 3], &numbers(216)),
            weights("dense6", &[6, 5], &numbers(30)),
            weights("wide", &[5, 4], &numbers(20)),
            weights("zero", &[], &[0.0]),
            weights("one", &[], &[1.0]),
            weights("six", &[], &[6.0]),
            integers("axis", &[1]),
            integers("two", &[2]),
            integers("five", &[5]),
            integers("pads", &[0; 8]),
        ],
        input: vec![value("input", &[1, 3, 32, 32])],
        output: vec![value(output, shape)],
        ..GraphProto::default()
    })
}

fn integers(name: &str, numbers: &[i64]) -> onnx::TensorProto {
    onnx::TensorProto {
        name: name.into(),
        dims: vec![numbers.len() as i64],
        data_type: DataType::Int64.into(),
        int64_data: numbers.into(),
        ..onnx::TensorProto::default()
    }
}

fn pooled() -> Vec<NodeProto> {
    vec![
        node("GlobalAveragePool", &["features"], "pool", vec![]),
        node("Flatten", &["pool"], "flat", vec![]),
    ]
}

fn with(mut nodes: Vec<NodeProto>, more: Vec<NodeProto>) -> Vec<NodeProto> {
    nodes.extend(more);
    nodes
}

/// Cuts, loads the result, and gives the removed operators.
fn cut_to(model: ModelProto, width: usize) -> Vec<String> {
    let cut = cut(model, None, None).unwrap();
    assert_eq!(cut.size, 32);
    assert_eq!(crate::graph::embedding_width(&cut.backbone).unwrap(), width);
    let graph = cut.backbone.graph.unwrap();
    assert_eq!(graph.output[0].name, EMBEDDING);
    assert!(
        graph
            .initializer
            .iter()
            .all(|tensor| ["kernel", "axis"].contains(&tensor.name.as_str())),
        "weights are left"
    );
    cut.removed.into_iter().map(|(op, _)| op).collect()
}

fn refused(model: ModelProto) -> GraphError {
    match cut(model, None, None) {
        Err(error) => error,
        Ok(_) => panic!("nothing was wrong with it"),
    }
}
