//! What an ONNX network must be before tract sees it.
//!
//! tract is made to run networks, not to doubt them: a file can make it allocate without end, count
//! for centuries, or panic. So the file is judged here first, on the numbers it states, without an
//! allocation that they could ask for:
//!
//! 1. `wire`: how many messages the file holds, before they are decoded; what no backbone has
//!    (subgraphs, functions, numbers in other files) ends there.
//! 2. `tensor`: weights are as long as their shape says.
//! 3. node by node, in the file's order, which must be the order of execution: the operator is one of
//!    `operators::ALLOWED`, its attributes are those that it has, and the shapes of what it makes
//!    follow from the shapes of what it reads. So every size and the work are known, and bounded.
//!
//! Whole numbers (shapes, axes, places) must be known before the picture is: then no shape depends
//! on what a camera sees.

mod node;
mod operators;
mod places;
mod tensor;
mod windows;
mod wire;

use std::collections::HashMap;

use prost::Message;
use tract_onnx::pb::{
    GraphProto, ModelProto, ValueInfoProto,
    tensor_shape_proto::dimension::Value::DimValue,
    type_proto::{self, Value::TensorType},
};

use crate::{backbone::EMBEDDING, error::plain};
use node::Node;
pub use operators::ALLOWED as OPERATORS;
use tensor::{FLOAT, Value};

/// Bytes of a file: more than a board keeps in memory four times, as loading does.
const MOST_BYTES: usize = 1 << 28;
/// The versions of ONNX's operators that exporters write and tract knows.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;
const MOST_NODES: usize = 4096;
const MOST_WEIGHTS: usize = 8192;
const MOST_OUTPUTS: usize = 64;
/// Bytes of a name, which tract copies into many others.
const MOST_NAME: usize = 512;
const MOST_SIDES: usize = 8;
/// The largest side of a tensor, and so the largest number among shapes and places.
const MOST_SIDE: usize = 1 << 24;
/// Numbers of a tensor that is computed, and of the windows that a convolution lays out: 256 MiB.
const MOST_NUMBERS: u64 = 1 << 26;
/// Numbers of all computed tensors together, should tract keep them all: 1 GiB.
const MOST_ACTIVATIONS: u64 = 1 << 28;
/// Multiply-adds for a picture: over a hundred MobileNetV2, some seconds on a board.
const MOST_WORK: u64 = 1 << 35;
/// Numbers of an embedding.
pub const MOST_WIDTH: usize = 65_536;

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NetworkError {
    #[error("this is not an ONNX file: {0}; export it again")]
    NotOnnx(String),
    #[error("this network is none for boards: {0}; docs/backbones.md says what they run")]
    Refused(String),
}

/// A file's network, if it is one that may be given to tract, with `side` pixels a side.
pub fn read(onnx: &[u8], side: usize) -> Result<ModelProto, NetworkError> {
    if onnx.len() > MOST_BYTES {
        return Err(NetworkError::Refused(format!(
            "its file has {} MiB, more than {}",
            onnx.len() >> 20,
            MOST_BYTES >> 20
        )));
    }
    wire::check(onnx)?;
    let model =
        ModelProto::decode(onnx).map_err(|error| NetworkError::NotOnnx(error.to_string()))?;
    check(&model, side).map_err(NetworkError::Refused)?;
    Ok(model)
}

fn check(model: &ModelProto, side: usize) -> Result<(), String> {
    let graph = model.graph.as_ref().ok_or("there is no network in it")?;
    let mut walk = Walk {
        opset: opset(model)?,
        values: HashMap::new(),
        activations: 0,
        work: 0,
    };
    counts(graph)?;
    for weights in &graph.initializer {
        let value = Value::of_tensor(weights)
            .map_err(|reason| format!("the weights {} {reason}", short(&weights.name)))?;
        walk.define(&weights.name, value)?;
    }
    let [input] = graph.input.as_slice() else {
        return Err(format!("it has {} inputs, not 1", graph.input.len()));
    };
    let expected = [1, 3, side, side];
    if !is_float_of(input, &expected) {
        return Err(format!(
            "its input is not 1 x 3 x {side} x {side} 32-bit floats"
        ));
    }
    walk.define(&input.name, Value::float(expected.to_vec(), false))?;
    for node in &graph.node {
        walk.node(&Node::new(node)).map_err(|reason| {
            let name = node.output.first().unwrap_or(&node.name);
            let op = short(&node.op_type);
            format!("the operator {} ({op}) {reason}", short(name))
        })?;
    }
    let made = |name: &str| {
        let mut outputs = graph.node.iter().flat_map(|node| &node.output);
        outputs.any(|output| output == name)
    };
    // tract forgets the shapes of weights and inputs that are outputs too.
    if let Some(stray) = graph.output.iter().find(|output| !made(&output.name)) {
        let name = short(&stray.name);
        return Err(format!("no operator makes its output {name}"));
    }
    let named = graph.output.iter().filter(|o| o.name == EMBEDDING);
    match (named.count(), walk.values.get(EMBEDDING)) {
        (1, Some(value)) => embedding(value),
        _ => Err(format!("it has no output `{EMBEDDING}`")),
    }
}

fn embedding(value: &Value) -> Result<(), String> {
    match *value.shape {
        [1, 1..=MOST_WIDTH] if value.whole.is_none() && !value.fixed => Ok(()),
        [1, 1..=MOST_WIDTH] => Err("its embedding does not depend on the picture".into()),
        _ => Err(format!(
            "its embedding is {}, not 1 x D numbers with D up to {MOST_WIDTH}",
            sides(&value.shape)
        )),
    }
}

fn counts(graph: &GraphProto) -> Result<(), String> {
    let limits = [
        ("operators", graph.node.len(), MOST_NODES),
        ("weights", graph.initializer.len(), MOST_WEIGHTS),
        ("outputs", graph.output.len(), MOST_OUTPUTS),
    ];
    match limits.iter().find(|(_, count, most)| count > most) {
        Some((what, count, most)) => Err(format!("it has {count} {what}, more than {most}")),
        None => Ok(()),
    }
}

/// The version of the operators; other domains may be named, but no operator may be of one.
fn opset(model: &ModelProto) -> Result<i64, String> {
    let imports = model.opset_import.iter();
    let own = imports.filter(|import| import.domain.is_empty() || import.domain == "ai.onnx");
    match own.map(|import| import.version).collect::<Vec<_>>()[..] {
        [version] if OPSETS.contains(&version) => Ok(version),
        [version] => Err(format!(
            "its operators are of version {version}, not of {} to {}",
            OPSETS.start(),
            OPSETS.end()
        )),
        _ => Err("it does not say one version of its operators".into()),
    }
}

fn is_float_of(value: &ValueInfoProto, expected: &[usize]) -> bool {
    let kind = value.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(TensorType(type_proto::Tensor {
        elem_type: FLOAT,
        shape: Some(shape),
    })) = kind
    else {
        return false;
    };
    let sides = shape.dim.iter().map(|dim| match dim.value {
        Some(DimValue(side)) => usize::try_from(side).ok(),
        _ => None,
    });
    sides.eq(expected.iter().map(|&side| Some(side)))
}

/// What is known so far on the way through the network.
struct Walk {
    opset: i64,
    values: HashMap<String, Value>,
    activations: u64,
    work: u64,
}

impl Walk {
    fn define(&mut self, name: &str, value: Value) -> Result<(), String> {
        if name.is_empty() || name.len() > MOST_NAME {
            return Err("a tensor has no name, or one that is too long".into());
        }
        match self.values.insert(name.into(), value) {
            None => Ok(()),
            Some(_) => Err(format!("two tensors are called {}", short(name))),
        }
    }

    fn node(&mut self, node: &Node<'_>) -> Result<(), String> {
        node.check()?;
        let mut inputs = Vec::new();
        for name in node.inputs() {
            inputs.push(match (name.is_empty(), self.values.get(name)) {
                (true, _) => None,
                (false, Some(value)) => Some(value),
                (false, None) => {
                    return Err(format!("reads {}, which is not there yet", short(name)));
                }
            });
        }
        let (outputs, work) = operators::apply(node, &inputs, self.opset)?;
        if outputs.len() != node.outputs().len() {
            return Err(format!("has {} outputs", node.outputs().len()));
        }
        for (name, value) in node.outputs().iter().zip(outputs) {
            let numbers = value.numbers()?;
            if numbers > MOST_NUMBERS {
                return Err(format!(
                    "gives {} numbers, more than this program keeps in memory",
                    sides(&value.shape)
                ));
            }
            self.activations += numbers;
            if self.activations > MOST_ACTIVATIONS {
                return Err("brings the network's tensors over what a board can keep".into());
            }
            self.define(name, value)?;
        }
        self.work = self.work.saturating_add(work);
        if self.work > MOST_WORK {
            return Err("brings the work for a picture over what a board can do".into());
        }
        Ok(())
    }
}

/// A name out of a file, for a message: plain, quoted, and not long.
fn short(name: &str) -> String {
    let name: String = plain(name).chars().take(60).collect();
    format!("{name:?}")
}

fn sides(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    sides.join(" x ")
}

#[cfg(test)]
mod tests;
