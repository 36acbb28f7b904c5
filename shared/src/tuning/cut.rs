//! Where a network is cut before its last layer, found by its form: nothing has to be said in the file.

use std::sync::Arc;

use ndarray::Array1;
use prost::Message;
use tract_onnx::{
    pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataType},
    prelude::*,
};

use super::{Layer, Map};
use crate::{
    backbone::{BackboneError, EMBEDDING, TUNED},
    contain::{bounded, contain},
    frame::Frame,
    network,
    operators::Operators,
    preprocess::Preprocess,
};

/// A network and its last layer.
pub struct Cut {
    network: ModelProto,
    /// The tensor that goes into the layer.
    maps: String,
    /// The names of the layer's weights.
    weights: String,
    bias: String,
    pub layer: Layer,
}

impl Cut {
    /// `None` where the embedding does not come from a 1 x 1 convolution with a bias, followed by an
    /// activation that only limits and by an average over all positions.
    pub fn of(onnx: &[u8], preprocess: &Preprocess) -> Result<Option<Self>, BackboneError> {
        let network = network::read(onnx, preprocess.input_size as usize)?;
        Ok(find(&network).map(|(maps, weights, bias, layer)| Self {
            network,
            maps,
            weights,
            bias,
            layer,
        }))
    }

    /// The network with another last layer, as ONNX; `None` where that is not of the same form.
    pub fn with(&self, layer: &Layer) -> Option<Vec<u8>> {
        let (weights, bias) = layer.weights();
        let fits = layer.outputs() == self.layer.outputs()
            && layer.inputs() == self.layer.inputs()
            && layer.limits() == self.layer.limits();
        let mut network = self.network.clone();
        let tensors = &mut network.graph.as_mut()?.initializer;
        for (name, numbers) in [(&self.weights, weights), (&self.bias, bias)] {
            let tensor = tensors.iter_mut().find(|tensor| tensor.name == *name)?;
            tensor.float_data.clear();
            tensor.raw_data = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
        }
        fits.then(|| network.encode_to_vec())
    }

    /// The network with another layer of the same form beside its last one, as ONNX: what it says is the
    /// output `tuned`, and the others are as they were. `None` where the form is not the same.
    pub fn beside(&self, layer: &Layer) -> Option<Vec<u8>> {
        let name = |name: &str| match name {
            EMBEDDING => TUNED.into(),
            name => format!("{TUNED}/{name}"),
        };
        // The layer and what makes an embedding of it, under names of its own, with other weights.
        let mut network = ModelProto::decode(self.with(layer)?.as_slice()).ok()?;
        let graph = network.graph.as_mut()?;
        let mut renamed = vec![self.weights.clone(), self.bias.clone()];
        let after: Vec<NodeProto> = graph
            .node
            .iter()
            .filter(|node| {
                let is_layer = node.input.contains(&self.weights);
                let follows = node
                    .input
                    .first()
                    .is_some_and(|input| renamed.contains(input));
                if is_layer || follows {
                    renamed.extend(node.output.iter().cloned());
                }
                is_layer || follows
            })
            .cloned()
            .collect();
        let weights = graph.initializer.iter();
        let weights = weights.filter(|tensor| [&self.weights, &self.bias].contains(&&tensor.name));
        let weights: Vec<TensorProto> = weights.cloned().collect();
        let mut both = self.network.clone();
        let graph = both.graph.as_mut()?;
        graph
            .initializer
            .extend(weights.into_iter().map(|tensor| TensorProto {
                name: name(&tensor.name),
                ..tensor
            }));
        graph.node.extend(after.into_iter().map(|mut node| {
            let names = node.input.iter_mut().chain(&mut node.output);
            for own in names.filter(|own| renamed.contains(own)) {
                *own = name(own);
            }
            node.name = name(&node.name);
            node
        }));
        graph.output.push(ValueInfoProto {
            name: TUNED.into(),
            ..ValueInfoProto::default()
        });
        Some(both.encode_to_vec())
    }

    /// What comes before the layer, ready to run.
    pub fn trunk(
        &self,
        preprocess: &Preprocess,
        operators: Operators,
    ) -> Result<Trunk, BackboneError> {
        let side = preprocess.input_size as usize;
        let mut network = self.network.clone();
        if let Some(graph) = &mut network.graph {
            graph.output = vec![ValueInfoProto {
                name: self.maps.clone(),
                ..ValueInfoProto::default()
            }];
            keep_what_is_used(graph);
        }
        let plan = contain(|| {
            let model = tract_onnx::onnx()
                .with_ignore_value_info(true)
                .model_for_proto_model(&network)?
                .with_input_fact(0, f32::fact([1, 3, side, side]).into())?;
            operators.runnable(bounded(model.into_typed()?)?)
        })
        .map_err(BackboneError::Load)?;
        let state = contain(|| Arc::clone(&plan).spawn()).map_err(BackboneError::Run)?;
        Ok(Trunk {
            state,
            preprocess: preprocess.clone(),
        })
    }
}

/// A network up to its last layer.
pub struct Trunk {
    state: TypedSimpleState,
    preprocess: Preprocess,
}

impl Trunk {
    /// The map of a frame that is the network's crop already, as samples keep it.
    pub fn map(&mut self, crop: &Frame) -> Result<Map, BackboneError> {
        let numbers = self.preprocess.normalise(crop)?;
        let side = self.preprocess.input_size as usize;
        let state = &mut self.state;
        let map = contain(|| {
            let input = Tensor::from_shape(&[1, 3, side, side], &numbers)?;
            let outputs = state.run(tvec!(input.into_tvalue()))?;
            let view = outputs[0].to_plain_array_view::<f32>()?;
            let &[1, channels, height, width] = view.shape() else {
                return Ok(None);
            };
            let numbers: Array1<f32> = view.iter().copied().collect();
            Ok(Map::new(channels, height, width, &numbers.to_vec()))
        })
        .map_err(BackboneError::Run)?;
        map.ok_or(BackboneError::Map)
    }
}

/// The names of the maps, the weights and the bias, and the layer.
fn find(network: &ModelProto) -> Option<(String, String, String, Layer)> {
    let graph = network.graph.as_ref()?;
    let by = |name: &str| {
        let mut nodes = graph.node.iter();
        nodes.find(|node| node.output.first().is_some_and(|output| output == name))
    };
    let mut node = by(EMBEDDING)?;
    while matches!(
        node.op_type.as_str(),
        "Flatten" | "Reshape" | "Squeeze" | "Identity"
    ) {
        node = by(node.input.first()?)?;
    }
    if node.op_type != "GlobalAveragePool" {
        return None;
    }
    let activation = by(node.input.first()?)?;
    let (low, high) = limits(graph, activation)?;
    let convolution = by(activation.input.first()?)?;
    let [maps, weights, bias] = convolution.input.as_slice() else {
        return None;
    };
    let of_weights = tensor(graph, weights)?;
    let is_plain = convolution.op_type == "Conv"
        && matches!(of_weights.dims.as_slice(), [_, _, 1, 1])
        && convolution
            .attribute
            .iter()
            .all(|attribute| match attribute.name.as_str() {
                "group" => attribute.i == 1,
                "strides" | "dilations" | "kernel_shape" => attribute.ints.iter().all(|&i| i == 1),
                "pads" => attribute.ints.iter().all(|&i| i == 0),
                _ => false,
            });
    // What else goes by these numbers must not change with them.
    let used = |name: &str| {
        let inputs = graph.node.iter().flat_map(|node| &node.input);
        inputs.filter(|input| *input == name).count()
    };
    if !is_plain || used(weights) != 1 || used(bias) != 1 {
        return None;
    }
    let layer = Layer::new(
        numbers(of_weights)?,
        numbers(tensor(graph, bias)?)?,
        low,
        high,
    )?;
    let fits = of_weights.dims == [layer.outputs() as i64, layer.inputs() as i64, 1, 1];
    fits.then(|| (maps.clone(), weights.clone(), bias.clone(), layer))
}

/// Of an activation that does nothing else.
fn limits(graph: &GraphProto, node: &NodeProto) -> Option<(f32, f32)> {
    match node.op_type.as_str() {
        "Relu" => Some((0.0, f32::MAX)),
        "Clip" => {
            // Inputs since version 11 of the operators, attributes before.
            let limit = |at: usize, attribute: &str, none: f32| match node.input.get(at) {
                Some(name) if !name.is_empty() => numbers(tensor(graph, name)?)?.first().copied(),
                _ => {
                    let mut attributes = node.attribute.iter();
                    let stated = attributes.find(|stated| stated.name == attribute);
                    Some(stated.map_or(none, |stated| stated.f))
                }
            };
            Some((limit(1, "min", f32::MIN)?, limit(2, "max", f32::MAX)?))
        }
        _ => None,
    }
}

fn tensor<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    graph.initializer.iter().find(|tensor| tensor.name == name)
}

fn numbers(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != DataType::Float as i32 {
        return None;
    }
    if !tensor.float_data.is_empty() {
        return Some(tensor.float_data.clone());
    }
    let (chunks, rest) = tensor.raw_data.as_chunks::<4>();
    let numbers = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes));
    rest.is_empty().then(|| numbers.collect())
}

/// Drops nodes and weights that no output needs; nodes come after those that they need.
fn keep_what_is_used(graph: &mut GraphProto) {
    let mut needed: Vec<String> = graph
        .output
        .iter()
        .map(|value| value.name.clone())
        .collect();
    let mut kept = Vec::new();
    for node in graph.node.drain(..).rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            needed.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph
        .initializer
        .retain(|tensor| needed.contains(&tensor.name));
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::AttributeProto;

    use super::*;

    #[test]
    fn limits_are_attributes_in_older_networks() {
        let attribute = |name: &str, f: f32| AttributeProto {
            name: name.into(),
            f,
            ..AttributeProto::default()
        };
        let mut clip = NodeProto {
            op_type: "Clip".into(),
            input: vec!["x".into()],
            attribute: vec![attribute("max", 6.0), attribute("min", 0.0)],
            ..NodeProto::default()
        };
        let graph = GraphProto::default();
        assert_eq!(limits(&graph, &clip), Some((0.0, 6.0)));
        clip.attribute.truncate(1);
        assert_eq!(limits(&graph, &clip), Some((f32::MIN, 6.0)));
        // A limit that is not in the file.
        clip.input.push("computed".into());
        assert_eq!(limits(&graph, &clip), None);
    }
}
