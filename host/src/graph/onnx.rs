//! Small pieces of ONNX, on tract's own protobuf types: they read and write the format.

use prost::Message;
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

pub fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
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

/// Weights of the whole graph: float tensors, not the shapes, indices and single numbers (such as
/// the 6 of ReLU6) that graphs also carry.
pub fn parameters(model: &ModelProto) -> u64 {
    let floats = [
        DataType::Float,
        DataType::Float16,
        DataType::Double,
        DataType::Bfloat16,
    ];
    model
        .graph
        .iter()
        .flat_map(|graph| &graph.initializer)
        .filter(|tensor| !tensor.dims.is_empty())
        .filter(|tensor| {
            floats
                .iter()
                .any(|&float| tensor.data_type == i32::from(float))
        })
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
