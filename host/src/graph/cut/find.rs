//! Finds the classifier: from an output of the graph backwards, past operators that only reshape,
//! pool or scale what a classifier gives, to the last layer with weights through which everything
//! goes.
//!
//! A Gemm or a MatMul is a classifier. So are several of them that read one tensor, such as two
//! heads whose answers are averaged. A 1x1 Conv is one unless an activation stands between it and
//! the average over positions (or the output, where nothing is averaged): that is how a layer of
//! features looks. SqueezeNet's classifier looks the same; it is known by what follows (Softmax and
//! the like) or by ImageNet's number of classes. A product of two computed tensors, as in swish and
//! other gates, never follows a classifier.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lastlayer_shared::error::plain;

use super::super::{
    GraphError, Shape, edit, fact_of,
    onnx::{self, GraphProto, ModelProto, NodeProto},
};

/// Operators that may follow a classifier and carry its numbers on.
const AFTER: [&str; 49] = [
    "Softmax",
    "LogSoftmax",
    "Hardmax",
    "ArgMax",
    "TopK",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "Relu",
    "Clip",
    // A softmax or a norm that was written out.
    "Exp",
    "Log",
    "Neg",
    "Pow",
    "Sqrt",
    "Reciprocal",
    "Max",
    "ReduceMax",
    "ReduceSum",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "LpNormalization",
    "BatchNormalization",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Transpose",
    "Pad",
    "Slice",
    "Gather",
    "Concat",
    "Dropout",
    "Identity",
    "Cast",
    "Round",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Sum",
    "Mean",
    "GlobalAveragePool",
    "AveragePool",
    "GlobalMaxPool",
    "MaxPool",
    "ReduceMean",
];
/// What averages over positions, or picks among them.
const POOLS: [&str; 8] = [
    "GlobalAveragePool",
    "AveragePool",
    "GlobalMaxPool",
    "MaxPool",
    "ReduceMean",
    "ReduceMax",
    "ReduceSum",
    "ReduceLogSumExp",
];
/// What follows layers inside a network as much as classifiers.
const ACTIVATIONS: [&str; 6] = [
    "Relu",
    "Clip",
    "Max",
    "Tanh",
    "Softplus",
    "BatchNormalization",
];
/// What only follows scores.
const DECISIONS: [&str; 5] = ["Softmax", "LogSoftmax", "Hardmax", "ArgMax", "TopK"];
/// Operators whose further inputs are shapes and places, which may be computed from the picture's
/// shape; they are no data.
const SHAPED: [&str; 6] = ["Reshape", "Squeeze", "Unsqueeze", "Expand", "Slice", "Pad"];
/// More outputs than any classifier has; each is followed back.
const MOST_OUTPUTS: usize = 64;
/// A 1x1 Conv that gives so many numbers is SqueezeNet's classifier, whatever follows.
const IMAGENET_CLASSES: [usize; 2] = [1000, 1001];

pub struct Classifier {
    /// The tensor that goes into it.
    pub input: String,
    /// The graph's output that its scores become.
    pub scores: String,
    /// Whether it works on the last side of its input, not on the second.
    pub channels_last: bool,
    /// Its place in the graph.
    at: usize,
}

/// The classifier of the output that lies deepest: auxiliary heads hang on earlier layers.
pub fn classifier(model: &ModelProto) -> Result<Classifier, GraphError> {
    let graph = onnx::graph(model)?;
    let quantised = |node: &&NodeProto| {
        let op = node.op_type.as_str();
        op.ends_with("uantizeLinear") || op.starts_with("QLinear") || op.ends_with("Integer")
    };
    if let Some(node) = graph.node.iter().find(quantised) {
        return Err(GraphError::Quantised(plain(&node.op_type)));
    }
    let walk = Walk::new(model, graph);
    let mut best: Option<((usize, usize), Classifier)> = None;
    let mut refused = None;
    // Each name once: a file may list one a thousand times.
    let outputs: BTreeSet<&str> = graph
        .output
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    for output in outputs.into_iter().take(MOST_OUTPUTS) {
        let found = walk
            .back_from(output)
            .map_err(GraphError::NoClassifier)
            .and_then(|found| walk.without_positions(found));
        match found {
            Ok(found) => {
                // The file may list an auxiliary head last, but it needs less of the network.
                let needs = edit::needed(graph, &[&found.input]).0;
                let depth = (needs.iter().filter(|&&needed| needed).count(), found.at);
                if best.as_ref().is_none_or(|(deepest, _)| depth > *deepest) {
                    best = Some((depth, found));
                }
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (best, refused) {
        (Some((_, found)), _) => Ok(found),
        (None, Some(error)) => Err(error),
        (None, None) => Err(GraphError::NoClassifier("it has no outputs".into())),
    }
}

struct Walk<'a> {
    model: &'a ModelProto,
    graph: &'a GraphProto,
    /// Tensors that do not depend on the input: weights, and what is computed from weights alone.
    constants: HashSet<&'a str>,
    /// Which node makes a tensor.
    producers: HashMap<&'a str, usize>,
}

enum Layer {
    /// Gemm or MatMul.
    Dense,
    /// A 1x1 Conv with so many outputs.
    Point(usize),
    Other,
}

impl<'a> Walk<'a> {
    fn new(model: &'a ModelProto, graph: &'a GraphProto) -> Self {
        let mut constants: HashSet<&str> = graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        let mut producers = HashMap::new();
        for (at, node) in graph.node.iter().enumerate() {
            let fixed = node
                .input
                .iter()
                .all(|input| input.is_empty() || constants.contains(input.as_str()));
            if fixed && !node.op_type.starts_with("Random") {
                constants.extend(node.output.iter().map(String::as_str));
            }
            producers.extend(node.output.iter().map(|output| (output.as_str(), at)));
        }
        Self {
            model,
            graph,
            constants,
            producers,
        }
    }

    /// The tensors with data that the node reads and that depend on the picture.
    fn changing(&self, node: &'a NodeProto) -> Vec<&'a str> {
        let data = match SHAPED.contains(&node.op_type.as_str()) {
            true => &node.input[..node.input.len().min(1)],
            false => &node.input[..],
        };
        data.iter()
            .map(String::as_str)
            .filter(|input| !input.is_empty() && !self.constants.contains(input))
            .collect()
    }

    /// The error says why there is no classifier.
    fn back_from(&self, output: &str) -> Result<Classifier, String> {
        let found = |input: &str, at: usize| Classifier {
            input: input.into(),
            scores: output.into(),
            channels_last: self.graph.node[at].op_type != "Conv",
            at,
        };
        // The nodes that are still to be followed, by their place in the graph, each with an
        // activation that stands between it and the nearest pool or the output.
        let mut open: BTreeMap<usize, Option<&str>> = BTreeMap::new();
        let start = self.producers.get(output);
        open.extend(start.map(|&at| (at, None)));
        let mut passed: BTreeSet<&str> = BTreeSet::new();
        // Dense layers beside which there were other open nodes: where and what they read.
        let mut heads: Vec<(&str, usize)> = Vec::new();
        // Nodes stand in order of execution, so the last one needs no other open one, and every
        // step goes to an earlier node.
        while let Some((at, activation)) = open.pop_last() {
            let node = &self.graph.node[at];
            let op = node.op_type.as_str();
            let changing = self.changing(node);
            // Everything goes through this one node, and through one of its inputs.
            let alone = open.is_empty() && heads.is_empty();
            if let [input] = changing.as_slice() {
                match (self.layer(node), activation) {
                    (Layer::Dense, _) if alone => return Ok(found(input, at)),
                    (Layer::Dense, _) => {
                        heads.push((input, at));
                        continue;
                    }
                    (Layer::Point(classes), Some(activation)) if alone => {
                        let decided = DECISIONS.iter().any(|op| passed.contains(op))
                            || passed.contains("Exp") && passed.contains("ReduceSum");
                        if decided || IMAGENET_CLASSES.contains(&classes) {
                            return Ok(found(input, at));
                        }
                        return Err(format!(
                            "its last layer, a 1x1 Conv of {classes} channels with {activation} \
                             behind it, may be a classifier or a layer of features; if these are \
                             its classes, export it with its Softmax"
                        ));
                    }
                    (Layer::Point(_), None) if alone => return Ok(found(input, at)),
                    _ => (),
                }
            }
            let gate = op == "Mul" && changing.len() > 1;
            if gate || !AFTER.contains(&op) {
                return Err(format!(
                    "{} {:?} is no such layer and does not follow one",
                    plain(op),
                    plain(node.output.first().map_or("", String::as_str))
                ));
            }
            let activation = match op {
                _ if POOLS.contains(&op) => None,
                _ if ACTIVATIONS.contains(&op) => Some(op),
                // x / (1 + exp(-x)) is swish.
                "Div" if changing.len() > 1 => Some(op),
                _ => activation,
            };
            for input in changing {
                let earlier = self.producers.get(input).filter(|&&before| before < at);
                let Some(&before) = earlier else {
                    return Err("there is no layer with weights before its output".into());
                };
                let known = open.entry(before).or_default();
                *known = known.or(activation);
            }
            passed.insert(op);
        }
        match heads.as_slice() {
            [(input, at), others @ ..] if others.iter().all(|(other, _)| other == input) => {
                Ok(found(input, *at))
            }
            [] => Err("its output does not depend on the picture".into()),
            _ => Err("several layers give its scores and read different tensors".into()),
        }
    }

    fn layer(&self, node: &NodeProto) -> Layer {
        let number = |name: &str| {
            let attribute = node.attribute.iter().find(|a| a.name == name);
            attribute.map_or(0, |attribute| attribute.i)
        };
        match node.op_type.as_str() {
            "Gemm" if number("transA") == 0 => Layer::Dense,
            "MatMul" => Layer::Dense,
            "Conv" if number("group") <= 1 => {
                // Kernels may be computed from other weights, so tract is asked.
                let kernel = node.input.get(1).filter(|name| {
                    let name: &str = name;
                    self.constants.contains(name)
                });
                let shape = kernel.and_then(|name| fact_of(self.model, name).ok());
                match shape.as_ref().map(|(shape, _)| shape.as_slice()) {
                    Some([classes, _, window @ ..]) if window.iter().all(|&side| side == 1) => {
                        Layer::Point(*classes)
                    }
                    _ => Layer::Other,
                }
            }
            _ => Layer::Other,
        }
    }

    /// Refuses a network that answers for every position of the picture. Where tract cannot say
    /// the shapes, which is the case for some tails that are cut off, it is let through.
    fn without_positions(&self, found: Classifier) -> Result<Classifier, GraphError> {
        let wide = |tensor: &str| {
            let (shape, _) = fact_of(self.model, tensor).ok()?;
            (shape.iter().filter(|&&side| side > 1).count() > 1).then_some(shape)
        };
        if self.graph.node[found.at].op_type == "Gemm" || wide(&found.input).is_none() {
            return Ok(found);
        }
        match wide(&found.scores) {
            None => Ok(found),
            Some(shape) => Err(GraphError::Positions(
                plain(&found.scores),
                Shape(&shape).to_string(),
            )),
        }
    }
}
