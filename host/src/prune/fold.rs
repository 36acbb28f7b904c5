//! Folds batch normalisations into the convolutions before them, and gives convolutions without a bias
//! one of zeros: then every channel's numbers are in one place, where `layers` looks for them.
//!
//! y = g (x - m) / sqrt(v + e) + b of a convolution's output x is a convolution, too, whose weights are
//! those times g / sqrt(v + e) (Ioffe and Szegedy, ICML 2015).

use std::collections::HashMap;

use super::{PruneError, layers::floats};
use crate::graph::onnx::{self, GraphProto, ModelProto, NodeProto, TensorProto};

/// Added to the variance where an operator does not say how much, as ONNX has it.
const EPSILON: f32 = 1e-5;

/// The same network; what cannot be folded stays.
pub fn normalisations(model: &ModelProto) -> Result<ModelProto, PruneError> {
    let mut model = model.clone();
    let graph = onnx::graph_mut(&mut model)?;
    let mut users: HashMap<String, usize> = HashMap::new();
    for name in graph.node.iter().flat_map(|node| &node.input) {
        *users.entry(name.clone()).or_default() += 1;
    }
    for output in &graph.output {
        *users.entry(output.name.clone()).or_default() += 1;
    }
    let made_by: HashMap<String, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |name| (name.clone(), at)))
        .collect();
    let is_alone = |name: &str| users.get(name) == Some(&1);
    let mut folded = Vec::new();
    for at in 0..graph.node.len() {
        let norm = &graph.node[at];
        let Some(conv) = norm.input.first().and_then(|from| made_by.get(from)) else {
            continue;
        };
        let fits = norm.op_type == "BatchNormalization"
            && norm.output.len() == 1
            && graph.node[*conv].op_type == "Conv"
            && is_alone(&norm.input[0])
            && graph.node[*conv].input[1..]
                .iter()
                .all(|name| is_alone(name));
        if fits && fold(graph, *conv, at).is_some() {
            folded.push(at);
        }
    }
    let mut at = 0;
    graph.node.retain(|_| {
        at += 1;
        !folded.contains(&(at - 1))
    });
    for at in 0..graph.node.len() {
        let node = &graph.node[at];
        if node.op_type == "Conv"
            && node.input.len() == 2
            && let Some(kernel) = tensor(graph, &node.input[1])
        {
            let bias = vec![0.0; kernel.dims.first().map_or(0, |&side| side as usize)];
            give_bias(graph, at, &bias);
        }
    }
    Ok(model)
}

fn tensor<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    let mut tensors = graph.initializer.iter();
    tensors.find(|tensor| tensor.name == name)
}

/// The numbers of a tensor that is `count` long.
fn numbers(graph: &GraphProto, name: &str, count: usize) -> Option<Vec<f32>> {
    floats(tensor(graph, name)?).filter(|numbers| numbers.len() == count)
}

fn fold(graph: &mut GraphProto, conv: usize, norm: usize) -> Option<()> {
    let [_, scale, shift, mean, variance] =
        <[String; 5]>::try_from(graph.node[norm].input.clone()).ok()?;
    let kernel = graph.node[conv].input.get(1)?.clone();
    let sides: Vec<usize> = tensor(graph, &kernel)?
        .dims
        .iter()
        .map(|&side| usize::try_from(side).ok())
        .collect::<Option<_>>()?;
    let channels = *sides.first().filter(|&&channels| channels > 0)?;
    let mut weights = numbers(graph, &kernel, sides.iter().product())?;
    let bias = match graph.node[conv].input.get(2) {
        Some(bias) => numbers(graph, bias, channels)?,
        None => vec![0.0; channels],
    };
    let of = |name: &str| numbers(graph, name, channels);
    let (scale, shift, mean, variance) = (of(&scale)?, of(&shift)?, of(&mean)?, of(&variance)?);
    let epsilon = attribute(&graph.node[norm], "epsilon").unwrap_or(EPSILON);
    let factors: Vec<f32> = (0..channels)
        .map(|c| scale[c] / (variance[c] + epsilon).sqrt())
        .collect();
    let width = weights.len() / channels;
    for (weights, factor) in weights.chunks_mut(width.max(1)).zip(&factors) {
        weights.iter_mut().for_each(|weight| *weight *= factor);
    }
    let bias: Vec<f32> = (0..channels)
        .map(|c| (bias[c] - mean[c]) * factors[c] + shift[c])
        .collect();
    let place = graph.initializer.iter_mut().find(|t| t.name == kernel)?;
    *place = onnx::weights(&kernel, &sides, &weights);
    give_bias(graph, conv, &bias);
    graph.node[conv].output = graph.node[norm].output.clone();
    Some(())
}

fn give_bias(graph: &mut GraphProto, conv: usize, bias: &[f32]) {
    let kernel = &graph.node[conv].input[1];
    // Nothing else has this name: the kernel is this convolution's own, or its bias is all zeros.
    let name = format!("{kernel}.folded_bias");
    graph.initializer.retain(|tensor| tensor.name != name);
    graph
        .initializer
        .push(onnx::weights(&name, &[bias.len()], bias));
    graph.node[conv].input.truncate(2);
    graph.node[conv].input.push(name);
}

fn attribute(node: &NodeProto, name: &str) -> Option<f32> {
    let found = node.attribute.iter().find(|a| a.name == name);
    found.map(|attribute| attribute.f)
}

#[cfg(test)]
mod tests {
    use lastlayer_shared::{backbone::EMBEDDING, preprocess::Preprocess};

    use super::*;
    use crate::graph::compare;

    /// Two convolutions of the same picture; only one is followed by a normalisation and nothing else.
    fn network() -> ModelProto {
        let weights = |name: &str, sides: &[usize], scale: f32| {
            let count: usize = sides.iter().product();
            let numbers: Vec<f32> = (0..count)
                .map(|at| scale * ((at * 37 % 11) as f32 - 4.0))
                .collect();
            onnx::weights(name, sides, &numbers)
        };
        let stride = || vec![onnx::ints("strides", &[8, 8])];
        let norm = |from: &str, to: &str| {
            let inputs = [from, "scale", "shift", "mean", "variance"];
            onnx::node("BatchNormalization", &inputs, to, vec![])
        };
        onnx::model(GraphProto {
            node: vec![
                onnx::node("Conv", &["input", "w1"], "a", stride()),
                norm("a", "a.norm"),
                onnx::node("Conv", &["input", "w2", "b2"], "b", stride()),
                norm("b", "b.norm"),
                onnx::node("Add", &["a.norm", "b.norm"], "sum", vec![]),
                onnx::node("Add", &["sum", "b"], "all", vec![]),
                onnx::node("GlobalAveragePool", &["all"], "pooled", vec![]),
                onnx::node("Flatten", &["pooled"], EMBEDDING, vec![]),
            ],
            initializer: vec![
                weights("w1", &[4, 3, 3, 3], 0.1),
                weights("w2", &[4, 3, 3, 3], 0.2),
                weights("b2", &[4], 0.3),
                weights("scale", &[4], 0.5),
                weights("shift", &[4], 0.7),
                weights("mean", &[4], 0.2),
                onnx::weights("variance", &[4], &[0.5, 1.0, 2.0, 0.1]),
            ],
            input: vec![onnx::value("input", &[1, 3, 32, 32])],
            output: vec![onnx::value(EMBEDDING, &[1, 4])],
            ..GraphProto::default()
        })
    }

    #[test]
    fn a_folded_network_is_the_same_and_what_others_read_stays() {
        let model = network();
        let folded = normalisations(&model).unwrap();
        let graph = onnx::graph(&folded).unwrap();
        let left = |op: &str| graph.node.iter().filter(|node| node.op_type == op).count();
        assert_eq!((left("BatchNormalization"), left("Conv")), (1, 2));
        assert!(
            graph
                .node
                .iter()
                .all(|node| node.op_type != "Conv" || node.input.len() == 3)
        );
        let preprocess = Preprocess::named("imagenet", 32).unwrap();
        let apart = compare::largest_difference(&model, &folded, EMBEDDING, &preprocess).unwrap();
        assert!(apart < 1e-5, "{apart}");
        // Once more changes nothing.
        assert!(normalisations(&folded).unwrap() == folded);
    }
}
