//! Small pieces of ONNX, on tract's own protobuf types: they read and write the format.

use prost::{
    Message,
    encoding::{self, WireType},
};
use tract_onnx::pb::TensorShapeProto;
pub use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType,
    tensor_shape_proto, type_proto,
};

use super::GraphError;

/// What is written: readable by every ONNX runtime of the last years.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 13;

pub fn decode(bytes: &[u8]) -> Result<ModelProto, GraphError> {
    let model =
        ModelProto::decode(bytes).map_err(|error| GraphError::NotOnnx(error.to_string()))?;
    match &model.graph {
        Some(graph) if !graph.node.is_empty() && !graph.input.is_empty() => Ok(model),
        _ => Err(GraphError::NotOnnx("there is no network in it".into())),
    }
}

/// tract's types leave zeros out when they are written. An attribute without its number is not what
/// was read: onnx.checker calls a Constant without one invalid, and takes the default for others, so
/// that `keepdims` 0 becomes 1. So attributes are written here, and all around them; the order of
/// fields means nothing in this format.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    let around = ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        producer_name: model.producer_name.clone(),
        producer_version: model.producer_version.clone(),
        domain: model.domain.clone(),
        model_version: model.model_version,
        doc_string: model.doc_string.clone(),
        metadata_props: model.metadata_props.clone(),
        functions: model.functions.clone(),
        // What is only for training is left out.
        ..ModelProto::default()
    };
    let mut bytes = around.encode_to_vec();
    if let Some(graph) = &model.graph {
        put(7, &encode_graph(graph), &mut bytes);
    }
    bytes
}

fn encode_graph(graph: &GraphProto) -> Vec<u8> {
    let mut bytes = Vec::new();
    for node in &graph.node {
        let around = NodeProto {
            input: node.input.clone(),
            output: node.output.clone(),
            name: node.name.clone(),
            op_type: node.op_type.clone(),
            domain: node.domain.clone(),
            doc_string: node.doc_string.clone(),
            attribute: Vec::new(),
        };
        let mut node_bytes = around.encode_to_vec();
        for attribute in &node.attribute {
            put(5, &encode_attribute(attribute), &mut node_bytes);
        }
        put(1, &node_bytes, &mut bytes);
    }
    for weights in &graph.initializer {
        put(5, &weights.encode_to_vec(), &mut bytes);
    }
    let around = GraphProto {
        name: graph.name.clone(),
        sparse_initializer: graph.sparse_initializer.clone(),
        doc_string: graph.doc_string.clone(),
        input: graph.input.clone(),
        output: graph.output.clone(),
        value_info: graph.value_info.clone(),
        quantization_annotation: graph.quantization_annotation.clone(),
        ..GraphProto::default()
    };
    bytes.extend(around.encode_to_vec());
    bytes
}

fn encode_attribute(attribute: &AttributeProto) -> Vec<u8> {
    let is = |kind: AttributeType| attribute.r#type == i32::from(kind);
    let mut bytes = if attribute.g.is_none() && attribute.graphs.is_empty() {
        attribute.encode_to_vec()
    } else {
        let mut around = attribute.clone();
        (around.g, around.graphs) = (None, Vec::new());
        around.encode_to_vec()
    };
    if let Some(graph) = &attribute.g {
        put(6, &encode_graph(graph), &mut bytes);
    }
    for graph in &attribute.graphs {
        put(11, &encode_graph(graph), &mut bytes);
    }
    if is(AttributeType::Float) && attribute.f == 0.0 {
        encoding::float::encode(2, &attribute.f, &mut bytes);
    } else if is(AttributeType::Int) && attribute.i == 0 {
        encoding::int64::encode(3, &0, &mut bytes);
    } else if is(AttributeType::String) && attribute.s.is_empty() {
        put(4, &[], &mut bytes);
    }
    bytes
}

/// A field that holds bytes.
fn put(tag: u32, field: &[u8], into: &mut Vec<u8>) {
    encoding::encode_key(tag, WireType::LengthDelimited, into);
    encoding::encode_varint(field.len() as u64, into);
    into.extend_from_slice(field);
}

/// A model around `graph`, in the version that this program writes.
pub fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        producer_name: "lastlayer".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// A node named after its only output.
pub fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(|&input| input.into()).collect(),
        output: vec![output.into()],
        attribute: attributes,
        ..NodeProto::default()
    }
}

pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints.into(),
        ints: values.into(),
        ..AttributeProto::default()
    }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int.into(),
        i: value,
        ..AttributeProto::default()
    }
}

pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Float.into(),
        f: value,
        ..AttributeProto::default()
    }
}

/// Float weights; `data` fills `shape` row by row.
pub fn weights(name: &str, shape: &[usize], data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: shape.iter().map(|&side| side as i64).collect(),
        data_type: DataType::Float.into(),
        raw_data: data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// A float input or output of a fixed shape.
pub fn value(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim = |&side: &usize| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(side as i64)),
        ..tensor_shape_proto::Dimension::default()
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float.into(),
                shape: Some(TensorShapeProto {
                    dim: shape.iter().map(dim).collect(),
                }),
            })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

/// The element type and sides of an input; a side without a number is `None`.
pub fn input_shape(value: &ValueInfoProto) -> Option<(i32, Vec<Option<usize>>)> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    let side = |dim: &tensor_shape_proto::Dimension| match dim.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(side)) => {
            usize::try_from(side).ok().filter(|&side| side > 0)
        }
        _ => None,
    };
    let sides = tensor.shape.as_ref()?.dim.iter().map(side).collect();
    Some((tensor.elem_type, sides))
}

/// Numbers in a weight tensor.
pub fn count(tensor: &TensorProto) -> u64 {
    tensor.dims.iter().map(|&side| side.max(0) as u64).product()
}

/// Weights of the whole graph, in initializers and in Constant nodes: float tensors, not the shapes,
/// indices and single numbers (such as the 6 of ReLU6) that graphs also carry.
pub fn parameters(model: &ModelProto) -> u64 {
    let floats = [
        DataType::Float,
        DataType::Float16,
        DataType::Double,
        DataType::Bfloat16,
    ]
    .map(i32::from);
    let graph = model.graph.iter();
    let constants = graph.clone().flat_map(|graph| {
        let nodes = graph.node.iter().filter(|node| node.op_type == "Constant");
        nodes
            .flat_map(|node| &node.attribute)
            .filter_map(|attribute| attribute.t.as_ref())
    });
    graph
        .flat_map(|graph| &graph.initializer)
        .chain(constants)
        .filter(|tensor| !tensor.dims.is_empty() && floats.contains(&tensor.data_type))
        .map(count)
        .sum()
}

pub fn graph(model: &ModelProto) -> Result<&GraphProto, GraphError> {
    model
        .graph
        .as_ref()
        .ok_or_else(|| GraphError::NotOnnx("there is no network in it".into()))
}

pub fn graph_mut(model: &mut ModelProto) -> Result<&mut GraphProto, GraphError> {
    model
        .graph
        .as_mut()
        .ok_or_else(|| GraphError::NotOnnx("there is no network in it".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_of_attributes_are_written_inner_graphs_included() {
        let constant = |attribute| node("Constant", &[], "c", vec![attribute]);
        let inner = AttributeProto {
            name: "then_branch".into(),
            r#type: AttributeType::Graph.into(),
            g: Some(GraphProto {
                node: vec![constant(int("value_int", 0))],
                ..GraphProto::default()
            }),
            ..AttributeProto::default()
        };
        let model = model(GraphProto {
            name: "zeros".into(),
            node: vec![
                constant(float("value_float", 0.0)),
                constant(float("value_float", 1.0)),
                node("ReduceMean", &["c"], "mean", vec![int("keepdims", 0)]),
                node("If", &["c"], "if", vec![inner]),
            ],
            initializer: vec![weights("w", &[2], &[1.0, 0.0])],
            input: vec![value("input", &[1, 3, 8, 8])],
            output: vec![value("if", &[1])],
            ..GraphProto::default()
        });
        let bytes = encode(&model);
        assert_eq!(decode(&bytes).unwrap(), model);
        let holds = |field: &[u8]| bytes.windows(field.len()).filter(|w| *w == field).count();
        // Tag 20, the type, then the number: field 2 as four bytes, field 3 as a varint.
        assert_eq!(holds(&[0xa0, 0x01, 1, 0x15, 0, 0, 0, 0]), 1);
        assert_eq!(holds(&[0xa0, 0x01, 2, 0x18, 0]), 2);
    }
}
