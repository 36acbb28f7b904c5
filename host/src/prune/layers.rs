//! Finds the layers of a MobileNet whose hidden channels can be taken out, and takes them out.
//!
//! A hidden layer is a convolution that widens, a depthwise one on the same channels, and a 1 x 1
//! convolution that reads them and nothing else does (but averages that are taps). What comes between
//! works on each channel alone. The embedding is the last such layer: heads are what reads it, and they
//! take whatever width there is. Nothing but weights changes: the operators stay as they are.

use std::collections::HashMap;

use lastlayer_shared::{backbone::EMBEDDING, taps::TAPS};

use super::{PruneError, least_squares::Reduced};
use crate::graph::onnx::{self, GraphProto, ModelProto, NodeProto, TensorProto};

/// Operators without weights that work on each channel alone.
const ALONE: [&str; 4] = ["Clip", "Relu", "HardSwish", "LeakyRelu"];

/// Operators between the last map and the embedding, a number a channel.
const POOLS: [&str; 4] = ["Flatten", "GlobalAveragePool", "ReduceMean", "Squeeze"];

/// One layer of hidden channels.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// The tensor that the layer begins with.
    pub input: String,
    /// The tensor that `reader` reads,
    pub tensor: String,
    /// and what it gives.
    pub made: String,
    /// What the whole gives: the tensor that must stay as it was.
    pub output: String,
    /// What is added to what `reader` gives.
    pub shortcut: Option<String>,
    /// Convolutions whose outputs are these channels.
    writers: Vec<usize>,
    /// The 1 x 1 convolution. None where heads read what these channels average to.
    reader: Option<usize>,
    pub channels: usize,
    pub outputs: usize,
    /// Pooled into the output `taps`.
    pub is_tapped: bool,
}

/// In order of execution, and what stays as it is: depthwise convolutions that belong to none, and sums
/// of residual blocks of another shape.
pub fn find(model: &ModelProto) -> Result<(Vec<Hidden>, Vec<String>), PruneError> {
    let graph = onnx::graph(model)?;
    let finder = Finder::new(graph);
    let (mut found, mut whole) = (Vec::new(), Vec::new());
    for (at, node) in graph.node.iter().enumerate() {
        if node.op_type == "Conv" && group(node) > 1 {
            match finder.around(at) {
                Some(hidden) => found.push(hidden),
                None => whole.extend(node.output.first().cloned()),
            }
        }
    }
    let sums = graph.node.iter().filter(|node| {
        let is_known = |input: &String| finder.weights.contains_key(input.as_str());
        node.op_type == "Add" && !node.input.iter().any(is_known)
    });
    let of_others = sums
        .filter_map(|node| node.output.first())
        .filter(|sum| !found.iter().any(|hidden: &Hidden| hidden.output == **sum));
    whole.extend(of_others.cloned());
    found.extend(finder.embedding());
    Ok((found, whole))
}

struct Finder<'a> {
    graph: &'a GraphProto,
    made_by: HashMap<&'a str, usize>,
    users: HashMap<&'a str, Vec<usize>>,
    weights: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Finder<'a> {
    fn new(graph: &'a GraphProto) -> Self {
        let mut made_by = HashMap::new();
        let mut users: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, node) in graph.node.iter().enumerate() {
            made_by.extend(node.output.iter().map(|name| (name.as_str(), at)));
            for input in &node.input {
                users.entry(input).or_default().push(at);
            }
        }
        let weights = graph.initializer.iter();
        Self {
            graph,
            made_by,
            users,
            weights: weights
                .map(|tensor| (tensor.name.as_str(), tensor))
                .collect(),
        }
    }

    fn around(&self, depthwise: usize) -> Option<Hidden> {
        let node = &self.graph.node[depthwise];
        let [channels, 1, _, _] = self.kernel(node)?[..] else {
            return None;
        };
        // One channel to one channel, no multiples.
        let is_depthwise = group(node) == channels as i64;
        let expand = self.before(node.input.first()?)?;
        let &[wide, ..] = self.kernel(&self.graph.node[expand])?.as_slice() else {
            return None;
        };
        let is_dense = group(&self.graph.node[expand]) == 1 && wide == channels;
        if !(is_depthwise && is_dense) {
            return None;
        }
        let (tensor, reader, is_tapped) = self.after(node.output.first()?)?;
        let project = &self.graph.node[reader];
        let [outputs, depth, 1, 1] = self.kernel(project)?[..] else {
            return None;
        };
        if group(project) != 1 || depth != channels {
            return None;
        }
        let made = project.output.first()?;
        let (output, shortcut) = match self.users.get(made.as_str()).map(Vec::as_slice) {
            Some(&[user]) if self.graph.node[user].op_type == "Add" => {
                let add = &self.graph.node[user];
                let other = add.input.iter().find(|input| *input != made)?;
                let is_known = self.weights.contains_key(other.as_str());
                match is_known || add.input.len() != 2 {
                    true => (made.clone(), None),
                    false => (add.output.first()?.clone(), Some(other.clone())),
                }
            }
            _ => (made.clone(), None),
        };
        Some(Hidden {
            input: self.graph.node[expand].input.first()?.clone(),
            tensor,
            made: made.clone(),
            output,
            shortcut,
            writers: vec![expand, depthwise],
            reader: Some(reader),
            channels,
            outputs,
            is_tapped,
        })
    }

    /// The convolution whose channels average to the embedding.
    fn embedding(&self) -> Option<Hidden> {
        let mut name = EMBEDDING;
        while let Some(node) = self.made_by.get(name).map(|&at| &self.graph.node[at])
            && POOLS.contains(&node.op_type.as_str())
        {
            name = node.input.first()?;
        }
        let writer = self.before(name)?;
        let [channels, ..] = self.kernel(&self.graph.node[writer])?[..] else {
            return None;
        };
        let outputs = &self.graph.output;
        let embedding = outputs.iter().find(|output| output.name == EMBEDDING)?;
        let (_, sides) = onnx::input_shape(embedding)?;
        let is_pooled = matches!(sides[..], [_, Some(width)] if width == channels);
        let is_dense = group(&self.graph.node[writer]) == 1;
        (is_pooled && is_dense).then(|| Hidden {
            input: self.graph.node[writer].input[0].clone(),
            tensor: name.to_owned(),
            made: name.to_owned(),
            output: name.to_owned(),
            shortcut: None,
            writers: vec![writer],
            reader: None,
            channels,
            outputs: channels,
            is_tapped: false,
        })
    }

    /// The convolution that a tensor comes from, where nothing else reads what is between.
    fn before(&self, tensor: &str) -> Option<usize> {
        let mut name = tensor;
        loop {
            let at = *self.made_by.get(name)?;
            let node = &self.graph.node[at];
            if self.users.get(name)?.len() != 1 || self.is_output(name) {
                return None;
            }
            match node.op_type.as_str() {
                "Conv" => return Some(at),
                op if ALONE.contains(&op) => name = node.input.first()?,
                _ => return None,
            }
        }
    }

    /// The only convolution that reads what becomes of a tensor, the tensor that it reads, and whether
    /// that is a tap, too.
    fn after(&self, tensor: &'a str) -> Option<(String, usize, bool)> {
        let mut name = tensor;
        loop {
            if self.is_output(name) {
                return None;
            }
            let (taps, others): (Vec<usize>, Vec<usize>) = self
                .users
                .get(name)?
                .iter()
                .partition(|&&user| self.is_tap(user));
            let &[user] = others.as_slice() else {
                return None;
            };
            let node = &self.graph.node[user];
            match node.op_type.as_str() {
                "Conv" if node.input.first()? == name => {
                    return Some((name.to_owned(), user, !taps.is_empty()));
                }
                op if ALONE.contains(&op) && taps.is_empty() => name = node.output.first()?,
                _ => return None,
            }
        }
    }

    /// An average that goes into the output `taps` and nowhere else, whatever its width.
    fn is_tap(&self, node: usize) -> bool {
        let mut at = node;
        for op in ["GlobalAveragePool", "Flatten", "Concat"] {
            let node = &self.graph.node[at];
            let Some(output) = node.output.first() else {
                return false;
            };
            if node.op_type != op {
                return false;
            }
            if op == "Concat" {
                return output == TAPS;
            }
            match self.users.get(output.as_str()).map(Vec::as_slice) {
                Some(&[user]) => at = user,
                _ => return false,
            }
        }
        false
    }

    fn is_output(&self, name: &str) -> bool {
        self.graph.output.iter().any(|output| output.name == name)
    }

    /// The sides of a convolution's weights, where weights and bias are its own and known.
    fn kernel(&self, node: &NodeProto) -> Option<Vec<usize>> {
        let [_, kernel, bias] = node.input.as_slice() else {
            return None;
        };
        let own = |name: &String| {
            self.users
                .get(name.as_str())
                .is_some_and(|users| users.len() == 1)
        };
        let sides = |name: &String| {
            let tensor = self.weights.get(name.as_str())?;
            floats(tensor)?;
            let sides = tensor.dims.iter();
            sides
                .map(|&side| usize::try_from(side).ok())
                .collect::<Option<Vec<usize>>>()
        };
        let kernel_sides = sides(kernel)?;
        let fits = kernel_sides.len() == 4 && sides(bias)? == [kernel_sides[0]];
        (node.op_type == "Conv" && fits && own(kernel) && own(bias)).then_some(kernel_sides)
    }
}

fn group(node: &NodeProto) -> i64 {
    let group = node
        .attribute
        .iter()
        .find(|attribute| attribute.name == "group");
    group.map_or(1, |attribute| attribute.i)
}

/// Of a tensor of 32-bit floats that is as long as it says.
pub fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let is_float = tensor.data_type == i32::from(onnx::DataType::Float);
    let numbers = match tensor.float_data.as_slice() {
        [] => {
            let (chunks, rest) = tensor.raw_data.as_chunks::<4>();
            if !rest.is_empty() {
                return None;
            }
            chunks
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect()
        }
        numbers => numbers.to_vec(),
    };
    (is_float && numbers.len() as u64 == onnx::count(tensor)).then_some(numbers)
}

impl Hidden {
    /// Whether these channels average to the embedding.
    pub fn is_embedding(&self) -> bool {
        self.reader.is_none()
    }

    /// `model` with only the channels of `reduced`, and its weights in the layer that reads them.
    pub fn apply(&self, model: &ModelProto, reduced: &Reduced) -> Result<ModelProto, PruneError> {
        let mut model = model.clone();
        let graph = onnx::graph_mut(&mut model)?;
        let lost = || PruneError::Lost(self.tensor.clone());
        for &writer in &self.writers {
            let node = graph.node.get_mut(writer).ok_or_else(lost)?;
            let names = node.input[1..].to_vec();
            if group(node) > 1 {
                let count = reduced.kept.len() as i64;
                for attribute in node.attribute.iter_mut().filter(|a| a.name == "group") {
                    attribute.i = count;
                }
            }
            for name in names {
                let tensor = initializer(graph, &name).ok_or_else(lost)?;
                let numbers = floats(tensor).ok_or_else(lost)?;
                let channels = tensor.dims.first().map_or(0, |&side| side as usize);
                let width = numbers.len() / channels.max(1);
                let rows = reduced.kept.iter();
                let kept: Vec<f32> = rows
                    .flat_map(|&channel| &numbers[channel * width..][..width])
                    .copied()
                    .collect();
                let mut sides: Vec<usize> = tensor.dims.iter().map(|&side| side as usize).collect();
                sides[0] = reduced.kept.len();
                *tensor = onnx::weights(&name, &sides, &kept);
            }
        }
        let Some(reader) = self.reader else {
            return Ok(model);
        };
        let node = graph.node.get(reader).ok_or_else(lost)?;
        let [_, kernel, bias] = <[String; 3]>::try_from(node.input.clone()).map_err(|_| lost())?;
        let (kept, outputs) = (reduced.kept.len(), self.outputs);
        let turned: Vec<f32> = (0..outputs)
            .flat_map(|output| (0..kept).map(move |at| at * outputs + output))
            .map(|at| reduced.weights[at])
            .collect();
        *initializer(graph, &kernel).ok_or_else(lost)? =
            onnx::weights(&kernel, &[outputs, kept, 1, 1], &turned);
        *initializer(graph, &bias).ok_or_else(lost)? =
            onnx::weights(&bias, &[outputs], &reduced.bias);
        Ok(model)
    }
}

fn initializer<'a>(graph: &'a mut GraphProto, name: &str) -> Option<&'a mut TensorProto> {
    graph
        .initializer
        .iter_mut()
        .find(|tensor| tensor.name == name)
}

#[cfg(test)]
mod tests;
