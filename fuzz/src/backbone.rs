//! Backbones as a board loads them: bytes as they are, a changed good file, and good networks whose
//! parts are changed: numbers, shapes, edges, operators, their order.
//!
//! What the validator (`lastlayer_shared::network`) lets through must load in tract, or be an error
//! of tract's, without a panic, even a contained one; and what loads must run. Where it can be cut before
//! its last layer (`lastlayer_shared::tuning`), both parts together must give what the whole does.

use std::{collections::BTreeMap, sync::LazyLock};

use lastlayer_host::{
    graph::{
        mobilenet_v2::{self, Normalisation},
        onnx::{self, DataType, GraphProto, ModelProto, NodeProto, TensorProto, float, int, ints},
    },
    pretrained::state_dict::{StateDict, Tensor},
};
use lastlayer_shared::{
    backbone::{Backbone, BackboneError, EMBEDDING},
    contain::PANICKED,
    frame::Frame,
    network::OPERATORS,
    preprocess::Preprocess,
    tuning::Cut,
};

use super::{
    choices::{Choices, NUMBERS},
    cut, edited,
};

const SIDE: u32 = 32;
/// More would only make it slow.
const MOST_PIECES: usize = 6;
const MOST_CHANGES: usize = 8;

/// What `lastlayer export` makes of a MobileNetV2, folded and not: eight channels everywhere.
static EXPORTED: LazyLock<[ModelProto; 2]> = LazyLock::new(|| {
    [Normalisation::Folded, Normalisation::Apart].map(|how| {
        mobilenet_v2::build(&state_dict(), SIDE as usize, how, &mobilenet_v2::TAPPED)
            .unwrap()
            .0
    })
});
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = onnx::encode(&EXPORTED[0]);
    assert!(Cut::of(&file, &preprocess()).unwrap().is_some());
    file
});

pub fn run(data: &[u8]) {
    let [how, data @ ..] = data else {
        return;
    };
    // The exported ones are the slowest: they have fifty layers.
    let bytes = match how % 16 {
        0 => data.to_vec(),
        1 => edited(&FILE, data),
        how => {
            let mut choices = Choices(data);
            let mut model = match how {
                2 => EXPORTED[0].clone(),
                3 => EXPORTED[1].clone(),
                _ => {
                    let pieces = pieces();
                    let count = choices.next() % (MOST_PIECES + 1);
                    let chosen = (0..count).map(|_| choices.of(&pieces).1).collect();
                    backbone(chosen)
                }
            };
            let count = choices.next() % (MOST_CHANGES + 1);
            (0..count).for_each(|_| change(&mut model, &mut choices));
            onnx::encode(&model)
        }
    };
    if let Ok(embedding) = load_and_run(&bytes) {
        cut::run(&bytes, &embedding);
    }
}

pub fn preprocess() -> Preprocess {
    Preprocess::named("unit", SIDE).unwrap()
}

pub fn picture() -> Frame {
    let rgb = (0..3 * SIDE * SIDE).map(|i| (i * 7 % 251) as u8).collect();
    Frame::new(SIDE, SIDE, rgb).unwrap()
}

/// Fails where tract panics.
pub fn load_and_run(bytes: &[u8]) -> Result<Vec<f32>, String> {
    run_loaded(Backbone::load(bytes, &preprocess()), 0)
}

/// `more`: numbers that come after an embedding. Fails where tract panics.
pub fn run_loaded(
    backbone: Result<Backbone, BackboneError>,
    more: usize,
) -> Result<Vec<f32>, String> {
    let result = backbone.and_then(|backbone| {
        let embedding = backbone.embedder()?.embed_crop(&picture())?;
        assert_eq!(embedding.len(), backbone.width() + more);
        Ok(embedding)
    });
    result.map_err(|error| {
        let line = error.to_string();
        assert!(!line.contains(PANICKED), "tract panicked");
        line
    })
}

/// As torchvision names its weights.
fn state_dict() -> StateDict {
    let mut weights: StateDict = BTreeMap::new();
    let mut put = |name: String, shape: &[usize]| {
        let data = (0..shape.iter().product::<usize>()).map(|i| 0.1 + (i % 3) as f32 * 0.1);
        let data = data.collect();
        let shape = shape.to_vec();
        weights.insert(name, Tensor { shape, data });
    };
    for stage in 0..19 {
        let kernels: &[[usize; 4]] = match stage {
            0 => &[[8, 3, 3, 3]],
            18 => &[[8, 8, 1, 1]],
            1 => &[[8, 1, 3, 3], [8, 8, 1, 1]],
            _ => &[[8, 8, 1, 1], [8, 1, 3, 3], [8, 8, 1, 1]],
        };
        for (at, kernel) in kernels.iter().enumerate() {
            let name = format!("features.{stage}.conv.{}", 2 * at);
            put(format!("{name}.weight"), kernel);
            let norm = format!("features.{stage}.conv.{}", 2 * at + 1);
            for part in ["weight", "bias", "running_mean", "running_var"] {
                put(format!("{norm}.{part}"), &[8]);
            }
        }
    }
    weights
}

/// A piece of a network from `x` to `y`, both 1 x 4 x 15 x 15.
pub type Piece = Vec<NodeProto>;

fn node(op: &str, inputs: &[&str], output: &str, more: Vec<onnx::AttributeProto>) -> NodeProto {
    onnx::node(op, inputs, output, more)
}

fn text(name: &str, value: &str) -> onnx::AttributeProto {
    onnx::AttributeProto {
        s: value.into(),
        r#type: onnx::AttributeType::String.into(),
        ..int(name, 0)
    }
}

/// Pieces that together have every operator that backbones are made of, in the ways in which
/// exporters write them.
#[rustfmt::skip]
pub fn pieces() -> Vec<(&'static str, Piece)> {
    let pad1 = || vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1]), ints("strides", &[1, 1])];
    let value = |tensor: TensorProto| vec![onnx::AttributeProto {
        t: Some(tensor),
        r#type: onnx::AttributeType::Tensor.into(),
        ..int("value", 0)
    }];
    let mut all = vec![
        ("conv", vec![node("Conv", &["x", "k3", "c"], "y", pad1())]),
        ("same", vec![node("Conv", &["x", "k3"], "y", vec![text("auto_pad", "SAME_UPPER")])]),
        ("depthwise", vec![node("Conv", &["x", "d3"], "y", [pad1(), vec![int("group", 4)]].concat())]),
        ("dilated", vec![node("Conv", &["x", "k3"], "y", vec![ints("dilations", &[2, 2]), ints("pads", &[2; 4])])]),
        ("norm", vec![node("BatchNormalization", &["x", "c", "c", "c", "c"], "y", vec![float("epsilon", 1e-3)])]),
        ("instance", vec![node("InstanceNormalization", &["x", "c", "c"], "y", vec![])]),
        ("layer norm", vec![
            node("Transpose", &["x"], "t", vec![ints("perm", &[0, 2, 3, 1])]),
            node("LayerNormalization", &["t", "c", "c"], "n", vec![int("axis", -1)]),
            node("MatMul", &["n", "table"], "m", vec![]),
            node("Gelu", &["m"], "g", vec![]),
            node("Transpose", &["g"], "y", vec![ints("perm", &[0, 3, 1, 2])]),
        ]),
        ("lrn", vec![node("LRN", &["x"], "y", vec![int("size", 3)])]),
        ("max pool", vec![node("MaxPool", &["x"], "y", pad1())]),
        ("average pool", vec![node("AveragePool", &["x"], "y", [pad1(), vec![int("count_include_pad", 1)]].concat())]),
        ("ceil", vec![
            node("AveragePool", &["x"], "p", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), int("ceil_mode", 1)]),
            node("MaxPool", &["p"], "m", vec![ints("kernel_shape", &[2, 2]), int("ceil_mode", 1), ints("strides", &[2, 2])]),
            node("ReduceMean", &["m"], "r", vec![ints("axes", &[2, 3]), int("keepdims", 1)]),
            node("Mul", &["x", "r"], "y", vec![]),
        ]),
        ("squeeze and excite", vec![
            node("GlobalAveragePool", &["x"], "p", vec![]),
            node("Conv", &["p", "k1", "c"], "a", vec![]),
            node("Relu", &["a"], "b", vec![]),
            node("Conv", &["b", "k1"], "d", vec![]),
            node("HardSigmoid", &["d"], "e", vec![float("alpha", 0.17)]),
            node("Mul", &["e", "x"], "y", vec![]),
        ]),
        ("maximum", vec![node("GlobalMaxPool", &["x"], "p", vec![]), node("Add", &["x", "p"], "y", vec![])]),
        ("dense", vec![
            node("GlobalAveragePool", &["x"], "p", vec![]),
            node("Flatten", &["p"], "f", vec![int("axis", 1)]),
            node("Gemm", &["f", "table", "c"], "g", vec![int("transB", 1), float("alpha", 0.5)]),
            node("Unsqueeze", &["g", "places"], "u", vec![]),
            node("Sub", &["x", "u"], "y", vec![]),
        ]),
        ("eca", vec![
            node("GlobalAveragePool", &["x"], "p", vec![]),
            node("Squeeze", &["p", "last"], "q", vec![]),
            node("Transpose", &["q"], "t", vec![ints("perm", &[0, 2, 1])]),
            node("Conv", &["t", "line"], "a", vec![ints("pads", &[1, 1])]),
            node("Transpose", &["a"], "b", vec![ints("perm", &[0, 2, 1])]),
            node("Unsqueeze", &["b", "last"], "d", vec![]),
            node("Sigmoid", &["d"], "e", vec![]),
            node("Mul", &["x", "e"], "y", vec![]),
        ]),
        ("reshape", vec![
            node("Shape", &["x"], "s", vec![]),
            node("Gather", &["s", "one"], "h", vec![int("axis", 0)]),
            node("Unsqueeze", &["h", "first"], "u", vec![]),
            node("Concat", &["one_list", "u", "rest"], "to", vec![int("axis", 0)]),
            node("Reshape", &["x", "to"], "r", vec![]),
            node("Slice", &["s", "first", "two_list"], "head", vec![]),
            node("Constant", &[], "tail", vec![ints("value_ints", &[15, -1])]),
            node("Concat", &["head", "tail"], "back", vec![int("axis", 0)]),
            node("Reshape", &["r", "back"], "y", vec![]),
        ]),
        ("shuffle", vec![
            node("Reshape", &["x", "groups"], "r", vec![]),
            node("Transpose", &["r"], "t", vec![ints("perm", &[0, 2, 1, 3, 4])]),
            node("Reshape", &["t", "whole"], "y", vec![]),
        ]),
        ("split", vec![
            NodeProto { output: vec!["a".into(), "b".into()], ..node("Split", &["x", "halves"], "a", vec![int("axis", 1)]) },
            node("Concat", &["b", "a"], "y", vec![int("axis", 1)]),
        ]),
        ("cut", vec![
            node("Slice", &["x", "first", "two_list", "one_list"], "a", vec![]),
            node("Pad", &["a", "pads"], "y", vec![text("mode", "constant")]),
        ]),
        ("reflect", vec![
            node("Pad", &["x", "around"], "p", vec![text("mode", "reflect")]),
            node("Conv", &["p", "k3"], "y", vec![]),
        ]),
        ("gather", vec![node("Gather", &["x", "order"], "y", vec![int("axis", 1)])]),
        ("expand", vec![
            node("ReduceMax", &["x"], "m", vec![ints("axes", &[1])]),
            node("Shape", &["x"], "s", vec![]),
            node("Expand", &["m", "s"], "e", vec![]),
            node("ConstantOfShape", &["s"], "z", value(onnx::weights("", &[1], &[0.5]))),
            node("Add", &["e", "z"], "y", vec![]),
        ]),
        ("norms", vec![
            node("ReduceL2", &["x"], "l", vec![ints("axes", &[1])]),
            node("Div", &["x", "l"], "d", vec![]),
            node("ReduceSum", &["d", "last"], "r", vec![]),
            node("Add", &["d", "r"], "y", vec![]),
        ]),
        ("sides", vec![
            node("Shape", &["x"], "s", vec![]),
            node("Gather", &["s", "two"], "h", vec![]),
            node("Cast", &["h"], "f", vec![int("to", 1)]),
            node("Floor", &["f"], "g", vec![]),
            node("Ceil", &["g"], "i", vec![]),
            node("Mul", &["h", "two"], "j", vec![]),
            node("Cast", &["j"], "k", vec![int("to", 1)]),
            node("Div", &["x", "i"], "l", vec![]),
            node("Mul", &["l", "k"], "y", vec![]),
        ]),
        ("limits", vec![
            node("Max", &["x", "number"], "a", vec![]),
            node("Min", &["a", "number", "x"], "b", vec![]),
            node("Sum", &["a", "b"], "d", vec![]),
            node("Mean", &["d", "x"], "y", vec![]),
        ]),
        ("swish", vec![
            node("Neg", &["x"], "n", vec![]),
            node("Exp", &["n"], "e", vec![]),
            node("Add", &["e", "number"], "a", vec![]),
            node("Reciprocal", &["a"], "r", vec![]),
            node("Mul", &["r", "x"], "y", vec![]),
        ]),
        ("roots", vec![
            node("Abs", &["x"], "a", vec![]),
            node("Sqrt", &["a"], "q", vec![]),
            node("Add", &["q", "number"], "l", vec![]),
            node("Log", &["l"], "m", vec![]),
            node("Pow", &["m", "number"], "y", vec![]),
        ]),
        ("prelu", vec![node("PRelu", &["x", "slopes"], "y", vec![])]),
        ("clip", vec![node("Clip", &["x", "number", ""], "a", vec![]), node("Clip", &["a", "", "six"], "y", vec![])]),
        ("softmax", vec![node("Softmax", &["x"], "y", vec![int("axis", 1)])]),
        ("constant", vec![
            node("Constant", &[], "k", value(onnx::weights("", &[1, 4, 1, 1], &[0.5; 4]))),
            node("Mul", &["x", "k"], "a", vec![]),
            node("Constant", &[], "f", vec![float("value_float", 2.0)]),
            node("Mul", &["a", "f"], "y", vec![]),
        ]),
        ("blocks", vec![
            node("Slice", &["x", "first", "even", "two_list"], "a", vec![]),
            node("Slice", &["a", "first", "even", "last"], "b", vec![]),
            node("SpaceToDepth", &["b"], "d", vec![int("blocksize", 2)]),
            node("DepthToSpace", &["d"], "e", vec![int("blocksize", 2)]),
            node("Pad", &["e", "back14"], "y", vec![]),
        ]),
    ];
    for op in ["Relu", "LeakyRelu", "Elu", "Sigmoid", "HardSwish", "Tanh", "Erf", "Mish", "Softplus", "Identity", "Dropout"] {
        all.push((op, vec![node(op, &["x"], "y", vec![])]));
    }
    all
}

/// A stem to 1 x 4 x 15 x 15, the pieces one after another, and the average of positions.
pub fn backbone(pieces: Vec<Piece>) -> ModelProto {
    let mut nodes = vec![onnx::node(
        "Conv",
        &["input", "stem"],
        "0.y",
        vec![ints("strides", &[2, 2])],
    )];
    for (at, piece) in pieces.into_iter().enumerate() {
        let made: Vec<String> = piece.iter().flat_map(|node| node.output.clone()).collect();
        let own = |name: &mut String| match name.as_str() {
            "x" => *name = format!("{at}.y"),
            _ if made.contains(name) => *name = format!("{}.{name}", at + 1),
            _ => (),
        };
        for mut node in piece {
            node.input.iter_mut().for_each(own);
            node.output.iter_mut().for_each(own);
            own(&mut node.name);
            nodes.push(node);
        }
    }
    let last = nodes.last().unwrap().output.last().unwrap().clone();
    nodes.push(onnx::node("GlobalAveragePool", &[&last], "pool", vec![]));
    nodes.push(onnx::node("Flatten", &["pool"], EMBEDDING, vec![]));
    let weights = |name: &str, shape: &[usize]| {
        let numbers = (0..shape.iter().product()).map(|i: usize| 0.1 + (i % 5) as f32 * 0.05);
        onnx::weights(name, shape, &numbers.collect::<Vec<_>>())
    };
    onnx::model(GraphProto {
        name: "pieces".into(),
        node: nodes,
        initializer: vec![
            weights("stem", &[4, 3, 3, 3]),
            weights("k3", &[4, 4, 3, 3]),
            weights("d3", &[4, 1, 3, 3]),
            weights("k1", &[4, 4, 1, 1]),
            weights("line", &[1, 1, 3]),
            weights("table", &[4, 4]),
            weights("c", &[4]),
            weights("slopes", &[4, 1, 1]),
            weights("number", &[]),
            onnx::weights("six", &[], &[6.0]),
            whole("one", &[], &[1]),
            whole("two", &[], &[2]),
            whole("first", &[1], &[0]),
            whole("one_list", &[1], &[1]),
            whole("two_list", &[1], &[2]),
            whole("last", &[1], &[3]),
            whole("even", &[1], &[14]),
            whole("places", &[2], &[2, 3]),
            whole("rest", &[1], &[-1]),
            whole("halves", &[2], &[2, 2]),
            whole("order", &[4], &[3, 1, -2, 0]),
            whole("groups", &[5], &[1, 2, 2, 15, 15]),
            whole("whole", &[4], &[0, 4, 15, 15]),
            whole("pads", &[8], &[0, 1, 0, 0, 0, 1, 0, 0]),
            whole("around", &[8], &[0, 0, 1, 1, 0, 0, 1, 1]),
            whole("back14", &[8], &[0, 0, 0, 0, 0, 0, 1, 1]),
        ],
        input: vec![onnx::value("input", &[1, 3, SIDE as usize, SIDE as usize])],
        output: vec![onnx::value(EMBEDDING, &[1, 4])],
        ..GraphProto::default()
    })
}

fn whole(name: &str, shape: &[i64], numbers: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: shape.to_vec(),
        data_type: DataType::Int64.into(),
        int64_data: numbers.into(),
        ..TensorProto::default()
    }
}

/// Changes one part of the network.
pub fn change(model: &mut ModelProto, choices: &mut Choices<'_>) {
    let kind = choices.next() % 16;
    if kind == 0 {
        model.opset_import[0].version = 5 + (choices.next() % 20) as i64;
        return;
    }
    let graph = model.graph.as_mut().unwrap();
    let names: Vec<String> = graph
        .initializer
        .iter()
        .map(|tensor| &tensor.name)
        .chain(graph.node.iter().flat_map(|node| &node.output))
        .cloned()
        .collect();
    let pick =
        |choices: &mut Choices<'_>, count: usize| (choices.next() * 256 + choices.next()) % count;
    if (1..=3).contains(&kind) && !graph.initializer.is_empty() {
        let at = pick(choices, graph.initializer.len());
        return change_tensor(&mut graph.initializer[at], kind, choices);
    }
    if graph.node.is_empty() {
        return;
    }
    let at = pick(choices, graph.node.len());
    let other = pick(choices, graph.node.len());
    let node = &mut graph.node[at];
    match kind {
        4 => drop(graph.node.remove(at)),
        5 => graph.node.swap(at, other),
        6 => {
            let mut copy = node.clone();
            for output in &mut copy.output {
                output.push('2');
            }
            graph.node.insert(at, copy);
        }
        7 => node.op_type = choices.of(&OPERATORS).0.into(),
        8 => node.input.push(choices.of(&names)),
        9 => drop(node.input.pop()),
        10 if !node.input.is_empty() => {
            let which = choices.next() % node.input.len();
            let name = choices.of(&names);
            node.input[which] = if choices.next().is_multiple_of(8) {
                String::new()
            } else {
                name
            };
        }
        11 => node.attribute.push(choices.attribute()),
        12 if !node.attribute.is_empty() => {
            let which = choices.next() % node.attribute.len();
            node.attribute.remove(which);
        }
        13 => {
            let known = OPERATORS.iter().find(|(op, _)| *op == node.op_type);
            let known = known.map_or(&[][..], |(_, attributes)| attributes);
            if !known.is_empty() {
                let mut attribute = choices.attribute();
                attribute.name = choices.of(known).into();
                node.attribute.retain(|old| old.name != attribute.name);
                node.attribute.push(attribute);
            }
        }
        _ if !node.attribute.is_empty() => {
            let which = choices.next() % node.attribute.len();
            let attribute = &mut node.attribute[which];
            let number = choices.of(&NUMBERS);
            match attribute.ints.len() {
                0 => (attribute.i, attribute.f) = (number, number as f32),
                count => {
                    let which = choices.next() % count;
                    attribute.ints[which] = number;
                }
            }
        }
        _ => (),
    }
}

fn change_tensor(tensor: &mut TensorProto, kind: usize, choices: &mut Choices<'_>) {
    let number = choices.of(&NUMBERS);
    let at = choices.next();
    if kind == 1 && !tensor.int64_data.is_empty() {
        let count = tensor.int64_data.len();
        tensor.int64_data[at % count] = number;
        return;
    }
    match tensor.dims.len() {
        0 => tensor.dims.push(number),
        _ if kind == 2 && at.is_multiple_of(4) => drop(tensor.dims.pop()),
        count => tensor.dims[at % count] = number,
    }
    // As many numbers as it says, now and then.
    let count = tensor
        .dims
        .iter()
        .try_fold(1i64, |all, &side| all.checked_mul(side));
    if let (3, Some(count @ 0..=65_536)) = (kind, count) {
        match tensor.int64_data.is_empty() {
            true => tensor.raw_data = vec![0x3e; 4 * count as usize],
            false => tensor.int64_data = vec![1; count as usize],
        }
    }
}
