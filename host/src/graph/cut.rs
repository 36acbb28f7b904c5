//! Takes the classifier off an image classifier that was made elsewhere.
//!
//! From the graph's output backwards, past operators that only reshape or scale what a classifier
//! gives, to the last layer with weights: a Gemm, a MatMul or a 1x1 Conv through which everything
//! goes. What goes into that layer is the embedding. Then everything that the embedding does not
//! need is dropped.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Component, Path},
};

use lastlayer_shared::backbone::EMBEDDING;

use super::{
    GraphError,
    onnx::{self, DataType, GraphProto, ModelProto, NodeProto, TensorProto},
    shape_of,
};

/// Operators that may follow a classifier and carry its numbers on.
const AFTER: [&str; 27] = [
    "Softmax",
    "LogSoftmax",
    // A softmax that was written out.
    "Exp",
    "Log",
    "Neg",
    "ReduceMax",
    "ReduceSum",
    "Sigmoid",
    "Hardmax",
    "ArgMax",
    "TopK",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Dropout",
    "Identity",
    "Cast",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "GlobalAveragePool",
    "AveragePool",
    "ReduceMean",
    "Relu",
];
/// A 1x1 Conv followed by Relu and an average is SqueezeNet's classifier, or the last layer of a
/// network that has none. It is taken for a classifier where it gives ImageNet's classes.
const IMAGENET_CLASSES: [usize; 2] = [1000, 1001];

/// A network pinned to one input size, with its embedding, before and after the cut.
pub struct Cut {
    /// Everything, with the embedding as a tensor inside.
    pub whole: ModelProto,
    pub backbone: ModelProto,
    /// What was taken off, in order of execution: operator and output name.
    pub removed: Vec<(String, String)>,
}

/// `folder` is where weights beside the ONNX file are looked for.
pub fn cut(
    mut model: ModelProto,
    input_size: Option<u32>,
    folder: &Path,
) -> Result<(Cut, u32), GraphError> {
    inline_external(&mut model, folder)?;
    // Before version 4 of the format weights had to be listed as inputs too.
    model.ir_version = model.ir_version.max(4);
    let size = pin_input(&mut model, input_size)?;
    let embedding = find_classifier(onnx::graph(&model)?)?;
    let graph = onnx::graph_mut(&mut model)?;
    rename(graph, EMBEDDING, "embedding.inner");
    let embedding = if embedding == EMBEDDING {
        "embedding.inner".into()
    } else {
        embedding
    };
    // Shapes that exporters noted down belong to the unpinned network.
    graph.value_info.clear();
    let width = flatten(&mut model, &embedding)?;
    let mut backbone = model.clone();
    let graph = onnx::graph_mut(&mut backbone)?;
    graph.output = vec![onnx::value(EMBEDDING, &[1, width])];
    let removed = drop_unused(graph);
    Ok((
        Cut {
            whole: model,
            backbone,
            removed,
        },
        size,
    ))
}

/// Tensors that do not depend on the input: weights, and what is computed from weights alone.
fn constants(graph: &GraphProto) -> HashSet<&str> {
    let mut constants: HashSet<&str> = graph
        .initializer
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    for node in &graph.node {
        let fixed = node
            .input
            .iter()
            .all(|input| input.is_empty() || constants.contains(input.as_str()));
        if fixed && !node.op_type.starts_with("Random") {
            constants.extend(node.output.iter().map(String::as_str));
        }
    }
    constants
}

/// The tensor that goes into the classifier.
fn find_classifier(graph: &GraphProto) -> Result<String, GraphError> {
    let constants = constants(graph);
    let producers: HashMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |output| (output.as_str(), at)))
        .collect();
    for output in &graph.output {
        // The nodes that the output is still to be followed through, by their place in the graph.
        let mut open: BTreeSet<usize> = producers
            .get(output.name.as_str())
            .copied()
            .into_iter()
            .collect();
        let mut passed: Vec<&str> = Vec::new();
        // Nodes stand in order of execution, so the last one needs no other open one, and every
        // step goes to an earlier node.
        while let Some(at) = open.pop_last() {
            let node = &graph.node[at];
            // The shape that a Reshape takes may be computed from the picture's; it is no data.
            let data = match node.op_type.as_str() {
                "Reshape" | "Squeeze" | "Unsqueeze" => &node.input[..node.input.len().min(1)],
                _ => &node.input[..],
            };
            let changing: Vec<&str> = data
                .iter()
                .map(String::as_str)
                .filter(|input| !input.is_empty() && !constants.contains(input))
                .collect();
            // Everything goes through this one node, and through one of its inputs.
            if let ([input], true) = (changing.as_slice(), open.is_empty())
                && is_classifier(node, graph, &passed)
            {
                return Ok((*input).to_owned());
            }
            let earlier: Option<Vec<usize>> = changing
                .iter()
                .map(|input| producers.get(input).copied().filter(|&before| before < at))
                .collect();
            let (true, Some(earlier)) = (AFTER.contains(&node.op_type.as_str()), earlier) else {
                break;
            };
            open.extend(earlier);
            passed.push(&node.op_type);
        }
    }
    let last: Vec<&str> = graph
        .node
        .iter()
        .rev()
        .take(4)
        .map(|node| node.op_type.as_str())
        .collect();
    Err(GraphError::NoClassifier(
        last.into_iter().rev().collect::<Vec<_>>().join(", "),
    ))
}

/// `passed` are the operators behind the node.
fn is_classifier(node: &NodeProto, graph: &GraphProto, passed: &[&str]) -> bool {
    let flag = |name: &str| {
        node.attribute
            .iter()
            .any(|attribute| attribute.name == name && attribute.i != 0)
    };
    match node.op_type.as_str() {
        "Gemm" => !flag("transA"),
        "MatMul" => true,
        "Conv" => {
            let kernel = node.input.get(1).and_then(|name| weight(graph, name));
            let Some([classes, _, 1, 1]) = kernel.map(|tensor| tensor.dims.as_slice()) else {
                return false;
            };
            !passed.contains(&"Relu") || IMAGENET_CLASSES.contains(&(*classes as usize))
        }
        _ => false,
    }
}

/// Weights by name, kept as an initializer or as a Constant node.
fn weight<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    let constant = || {
        let node = graph.node.iter().find(|node| {
            node.op_type == "Constant" && node.output.iter().any(|output| output == name)
        })?;
        node.attribute
            .iter()
            .find_map(|attribute| attribute.t.as_ref())
    };
    graph
        .initializer
        .iter()
        .find(|tensor| tensor.name == name)
        .or_else(constant)
}

/// Pins the one picture input to `1 x 3 x N x N` and returns N. A network that wants channels last
/// gets a Transpose in front, so that every backbone takes the same input.
fn pin_input(model: &mut ModelProto, wanted: Option<u32>) -> Result<u32, GraphError> {
    let graph = onnx::graph_mut(model)?;
    let weights: HashSet<String> = graph
        .initializer
        .iter()
        .map(|tensor| tensor.name.clone())
        .collect();
    graph.input.retain(|input| !weights.contains(&input.name));
    let input = match graph.input.as_slice() {
        [input] => input.clone(),
        inputs => return Err(GraphError::Input(format!("{} tensors", inputs.len()))),
    };
    let shape = onnx::input_shape(&input);
    let (kind, sides) =
        shape.ok_or_else(|| GraphError::Input("not a tensor with a shape".into()))?;
    let show = || -> String {
        let sides = sides
            .iter()
            .map(|side| side.map_or("?".into(), |side| side.to_string()));
        sides.collect::<Vec<_>>().join(" x ")
    };
    if kind != i32::from(DataType::Float) {
        return Err(GraphError::Input(format!(
            "{} of another number type",
            show()
        )));
    }
    let (high, wide, channels_last) = match *sides.as_slice() {
        [_, Some(3), high, wide] => (high, wide, false),
        [_, high, wide, Some(3)] => (high, wide, true),
        [_, None, high, wide] => (high, wide, false),
        _ => return Err(GraphError::Input(show())),
    };
    let own = match (high, wide) {
        (Some(high), Some(wide)) if high == wide => u32::try_from(high).ok(),
        (Some(_), Some(_)) => return Err(GraphError::Input(show())),
        _ => None,
    };
    let size = wanted.or(own).ok_or(GraphError::NoInputSize)?;
    let side = size as usize;
    if channels_last {
        let inner = format!("{}.channels_last", input.name);
        rename(graph, &input.name, &inner);
        let turn = onnx::node(
            "Transpose",
            &[&input.name],
            &inner,
            vec![onnx::ints("perm", &[0, 2, 3, 1])],
        );
        graph.node.insert(0, turn);
    }
    graph.input = vec![onnx::value(&input.name, &[1, 3, side, side])];
    Ok(size)
}

/// Makes `tensor` the output `embedding` of `1 x D` numbers and returns D: positions that are still
/// there are averaged.
fn flatten(model: &mut ModelProto, tensor: &str) -> Result<usize, GraphError> {
    let shape = shape_of(model, tensor)?;
    let graph = onnx::graph_mut(model)?;
    let flat = |input: &str| onnx::node("Flatten", &[input], EMBEDDING, vec![onnx::int("axis", 1)]);
    match shape.as_slice() {
        [1, width] => {
            if graph.input.iter().any(|input| input.name == tensor) {
                return Err(GraphError::EmbeddingShape(format!(
                    "{shape:?}, the picture itself"
                )));
            }
            rename(graph, tensor, EMBEDDING);
            Ok(*width)
        }
        [1, width, 1, 1] => {
            graph.node.push(flat(tensor));
            Ok(*width)
        }
        [1, width, _, _] => {
            let pooled = "embedding.pool";
            graph
                .node
                .push(onnx::node("GlobalAveragePool", &[tensor], pooled, vec![]));
            graph.node.push(flat(pooled));
            Ok(*width)
        }
        _ => Err(GraphError::EmbeddingShape(format!("{shape:?}"))),
    }
}

/// Renames a tensor wherever it occurs, but not the graph's own inputs.
fn rename(graph: &mut GraphProto, from: &str, to: &str) {
    let names = graph
        .node
        .iter_mut()
        .flat_map(|node| node.input.iter_mut().chain(node.output.iter_mut()))
        .chain(graph.initializer.iter_mut().map(|tensor| &mut tensor.name))
        .chain(graph.output.iter_mut().map(|output| &mut output.name));
    for name in names {
        if name == from {
            *name = to.into();
        }
    }
}

/// Drops nodes and weights that no output needs; returns the nodes.
fn drop_unused(graph: &mut GraphProto) -> Vec<(String, String)> {
    let mut needed: HashSet<String> = graph
        .output
        .iter()
        .map(|output| output.name.clone())
        .collect();
    let mut keep = vec![false; graph.node.len()];
    // Nodes come in order of execution; appended ones read what is before them.
    for (node, keep) in graph.node.iter().zip(&mut keep).rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            *keep = true;
            needed.extend(node.input.iter().cloned());
            needed.extend(inner_names(node));
        }
    }
    let mut kept = keep.iter();
    let removed = graph
        .node
        .iter()
        .zip(&keep)
        .filter(|(_, keep)| !**keep)
        .map(|(node, _)| {
            (
                node.op_type.clone(),
                node.output.first().cloned().unwrap_or_default(),
            )
        })
        .collect();
    graph.node.retain(|_| kept.next().copied().unwrap_or(true));
    graph
        .initializer
        .retain(|tensor| needed.contains(&tensor.name));
    removed
}

/// Names that the bodies of If and Loop take from outside.
fn inner_names(node: &NodeProto) -> Vec<String> {
    let mut names = Vec::new();
    for graph in node
        .attribute
        .iter()
        .flat_map(|a| a.g.iter().chain(&a.graphs))
    {
        for inner in &graph.node {
            names.extend(inner.input.iter().cloned());
            names.extend(inner_names(inner));
        }
        names.extend(graph.output.iter().map(|output| output.name.clone()));
    }
    names
}

/// Brings weights that lie in a file beside the network into it.
fn inline_external(model: &mut ModelProto, folder: &Path) -> Result<(), GraphError> {
    const EXTERNAL: i32 = 1;
    const MOST: u64 = 1 << 30;
    // Weights do not overlap: together they are not longer than the files.
    let mut left = MOST as usize;
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for tensor in &mut onnx::graph_mut(model)?.initializer {
        if tensor.data_location.unwrap_or_default() != EXTERNAL {
            continue;
        }
        let entry = |key: &str| {
            tensor
                .external_data
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| entry.value.clone())
        };
        let name = entry("location").unwrap_or_default();
        let failed = |reason: &str| GraphError::External(name.clone(), reason.into());
        // The file may not point anywhere else on this machine.
        let inside = Path::new(&name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || name.is_empty() {
            return Err(failed("it is not a plain file name"));
        }
        if !files.contains_key(&name) {
            let bytes = lastlayer_shared::file::read(&folder.join(&name), MOST)
                .map_err(|error| failed(&error.to_string()))?;
            files.insert(name.clone(), bytes);
        }
        let number = |key: &str| entry(key).map(|text| text.parse::<usize>());
        let offset = number("offset")
            .unwrap_or(Ok(0))
            .map_err(|_| failed("its offset"))?;
        let bytes = &files[&name];
        let length = number("length")
            .unwrap_or(Ok(bytes.len().saturating_sub(offset)))
            .map_err(|_| failed("its length"))?;
        left = left
            .checked_sub(length)
            .ok_or_else(|| failed("it is too large"))?;
        tensor.raw_data = offset
            .checked_add(length)
            .and_then(|end| bytes.get(offset..end))
            .ok_or_else(|| failed("it is too short"))?
            .to_vec();
        tensor.external_data.clear();
        tensor.data_location = None;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
