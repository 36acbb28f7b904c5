//! ONNX networks: decoded, then cut before their classifier, as `lastlayer export` does with a
//! file. Bytes as they are, a changed good file, and networks put together from operators, which
//! reach what bytes do not: tract's checks of shapes.
//!
//! The fuzzer aborts on panics, by a hook. tract's panics do not set it off, for `contain` puts a
//! hook before it that passes nothing on while it contains; any other panic is a defect. Nothing
//! contains memory and stacks that run out.
#![no_main]

use std::sync::LazyLock;

use lastlayer_fuzz::edited;
use lastlayer_host::graph::{
    cut,
    onnx::{self, AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto},
};
use libfuzzer_sys::fuzz_target;

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
const ATTRIBUTES: &str = "\
    allowzero alpha auto_pad axes axis batch_dims beta block_size blocksize ceil_mode \
    count_include_pad dilations ends epsilon equation group hidden_size k keepdims kernel_shape \
    largest mode num_outputs output_shape pads perm size split starts strides to value";
/// Texts that attributes may hold.
const TEXTS: &str = "SAME_UPPER VALID NOTSET linear nearest reflect constant ij,jk->ik";
/// Sides, axes and counts; one byte of the input chooses.
#[rustfmt::skip]
const NUMBERS: [i64; 16] = [
    0, 1, 2, 3, 4, 5, 7, 8, 32, 127, 1000, -1, -2, 1 << 20, i64::MAX, i64::MIN,
];

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let nodes = [
        onnx::node("Relu", &["conv"], "features", vec![]),
        onnx::node("GlobalAveragePool", &["features"], "pool", vec![]),
        onnx::node("Flatten", &["pool"], "flat", vec![]),
        onnx::node("Gemm", &["flat", "dense", "bias"], "scores", vec![]),
    ];
    onnx::encode(&network(nodes.into(), vec![]))
});

fuzz_target!(|data: &[u8]| {
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
});

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

/// Every byte of the input is a choice; what is missing is 0.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> usize {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first.into()
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.next() % items.len()].clone()
    }

    /// One of the words of a text.
    fn word(&mut self, words: &'static str) -> &'static str {
        let count = words.split(' ').count();
        words
            .split(' ')
            .nth(self.next() % count)
            .unwrap_or_default()
    }

    fn numbers(&mut self) -> Vec<i64> {
        (0..self.next() % 5).map(|_| self.of(&NUMBERS)).collect()
    }

    /// Whole numbers, as operators take shapes and axes.
    fn tensor(&mut self, name: &str) -> TensorProto {
        let numbers = self.numbers();
        TensorProto {
            name: name.into(),
            dims: vec![numbers.len() as i64],
            data_type: DataType::Int64.into(),
            raw_data: numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..TensorProto::default()
        }
    }

    fn attribute(&mut self) -> AttributeProto {
        let name = self.word(ATTRIBUTES);
        match self.next() % 5 {
            0 => onnx::int(name, self.of(&NUMBERS)),
            1 => onnx::ints(name, &self.numbers()),
            2 => onnx::float(name, self.of(&NUMBERS) as f32),
            3 => AttributeProto {
                s: self.word(TEXTS).into(),
                r#type: onnx::AttributeType::String.into(),
                ..onnx::int(name, 0)
            },
            _ => AttributeProto {
                t: Some(self.tensor(name)),
                r#type: onnx::AttributeType::Tensor.into(),
                ..onnx::int(name, 0)
            },
        }
    }
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
