//! ONNX networks: decoded, then cut before their classifier, as `lastlayer export` does with a
//! file. Bytes as they are, a changed good file, and networks put together from operators, which
//! reach what bytes do not: tract's checks of shapes.
//!
//! The fuzzer aborts on panics, by a hook. tract's panics do not set it off, for `contain` puts a
//! hook before it that passes nothing on while it contains; any other panic is a defect. Nothing
//! contains memory and stacks that run out.

use std::sync::LazyLock;

use super::{choices::Choices, edited};
use lastlayer_host::graph::{
    cut,
    onnx::{self, GraphProto, ModelProto, NodeProto, TensorProto},
};

const INPUT_SIZE: u32 = 32;
/// More would only make it slow.
const MOST_NODES: usize = 16;

/// What classifiers are made of, and operators whose shapes are computed in many ways.
const OPERATORS: &str = "\
    Add ArgMax AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv \
    ConvTranspose DepthToSpace Div Dropout Einsum Exp Expand Flatten Gather GatherElements \
    GatherND Gemm GlobalAveragePool HardSigmoid HardSwish Identity InstanceNormalization LRN \
    LSTM LayerNormalization LogSoftmax MatMul MaxPool Mul NonZero OneHot PRelu Pad Pow \
    QuantizeLinear Range ReduceMax ReduceMean ReduceSum Relu Reshape Resize ScatterElements \
    Shape Sigmoid Slice Softmax SpaceToDepth Split Squeeze Sub Sum Tile TopK Transpose Trilu \
    Unsqueeze Upsample Where";
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let nodes = [
        onnx::node("Relu", &["conv"], "features", vec![]),
        onnx::node("GlobalAveragePool", &["features"], "pool", vec![]),
        onnx::node("Flatten", &["pool"], "flat", vec![]),
        onnx::node("Gemm", &["flat", "dense", "bias"], "scores", vec![]),
    ];
    onnx::encode(&network(nodes.into(), vec![]))
});

pub fn run(data: &[u8]) {
    let [how, data @ ..] = data else {
        return;
    };
    let bytes = match how % 4 {
        0 => data.to_vec(),
        1 => edited(&GOOD, data),
        _ => onnx::encode(&generated(data)),
    };
    let Ok(model) = onnx::decode(&bytes) else {
        return;
    };
    // Without a folder: weights that lie beside the file are not looked for.
    if let Ok(cut) = cut::cut(model, Some(INPUT_SIZE), None) {
        assert_eq!(cut.size, INPUT_SIZE);
        onnx::parameters(&cut.backbone);
    }
}

/// `input` -> Conv `conv`, then `nodes`, the last of which is to make `scores`.
fn network(nodes: Vec<NodeProto>, more: Vec<TensorProto>) -> ModelProto {
    let mut all = vec![onnx::node("Conv", &["input", "kernel"], "conv", vec![])];
    all.extend(nodes);
    let weights = |name: &str, shape: &[usize]| {
        onnx::weights(name, shape, &vec![0.5; shape.iter().product()])
    };
    let mut initializer = vec![
        weights("kernel", &[4, 3, 3, 3]),
        weights("dense", &[4, 5]),
        weights("bias", &[5]),
        weights("point", &[5, 4, 1, 1]),
        weights("number", &[]),
    ];
    initializer.extend(more);
    onnx::model(GraphProto {
        name: "fuzz".into(),
        node: all,
        initializer,
        input: vec![onnx::value("input", &[1, 3, 32, 32])],
        output: vec![onnx::value("scores", &[1, 5])],
        ..GraphProto::default()
    })
}

/// A network of any operators in any order, with a classifier at its end.
fn generated(data: &[u8]) -> ModelProto {
    let mut choices = Choices(data);
    let classifier = choices.of(&[("MatMul", "dense"), ("Conv", "point")]);
    let more = vec![choices.tensor("shape"), choices.tensor("axes")];
    let fixed = [
        "conv", "input", "kernel", "dense", "bias", "point", "number", "shape", "axes", "",
    ];
    let mut names: Vec<String> = fixed.map(String::from).into();
    let mut nodes = Vec::new();
    let mut last = String::from("conv");
    while nodes.len() < MOST_NODES && !choices.0.is_empty() {
        let operator = choices.word(OPERATORS);
        // The operators form a row, or else most would be of no use to the classifier.
        let mut inputs = vec![last];
        inputs.extend((0..choices.next() % 4).map(|_| choices.of(&names)));
        if choices.next().is_multiple_of(4) {
            inputs.rotate_left(1);
        }
        let attributes = (0..choices.next() % 4)
            .map(|_| choices.attribute())
            .collect();
        last = format!("made.{}", nodes.len());
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        nodes.push(onnx::node(operator, &inputs, &last, attributes));
        names.push(last.clone());
    }
    let (classifier, weights) = classifier;
    nodes.push(onnx::node(classifier, &[&last, weights], "scores", vec![]));
    network(nodes, more)
}
