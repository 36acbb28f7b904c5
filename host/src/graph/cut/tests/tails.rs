//! Operators behind the classifier.

use super::*;

#[test]
fn what_only_scales_or_picks_scores_is_passed() {
    let single = |op: &str, more: &[&str]| {
        let inputs = [&["scores"], more].concat();
        vec![node(op, &inputs, "last", vec![])]
    };
    let norm = |op: &str| {
        vec![
            node(op, &["scores"], "norm", vec![onnx::ints("axes", &[1])]),
            node("Div", &["scores", "norm"], "last", vec![]),
        ]
    };
    let concat = vec![
        node("Sigmoid", &["scores"], "yes", vec![]),
        node("Sub", &["one", "yes"], "no", vec![]),
        node("Concat", &["no", "yes"], "last", vec![onnx::int("axis", 1)]),
    ];
    // Normalised as torch writes it: the shape to expand to depends on the picture's.
    let expand = vec![
        node(
            "ReduceL2",
            &["scores"],
            "norm",
            vec![onnx::ints("axes", &[1])],
        ),
        node("Shape", &["scores"], "sides", vec![]),
        node("Expand", &["norm", "sides"], "norms", vec![]),
        node("Div", &["scores", "norms"], "last", vec![]),
    ];
    for tail in [
        concat,
        expand,
        norm("ReduceL1"),
        norm("ReduceL2"),
        single("Clip", &["zero", "six"]),
        single("Slice", &["axis", "five", "axis"]),
        single("Gather", &["axis"]),
        single("LpNormalization", &[]),
        single("Reciprocal", &[]),
        single("Tanh", &[]),
        single("Softplus", &[]),
        single("BatchNormalization", &["bias", "bias", "bias", "bias"]),
        single("Pow", &["one"]),
        single("Sqrt", &[]),
        single("Max", &["zero"]),
        single("Round", &[]),
    ] {
        let head = vec![node("Gemm", &["flat", "dense", "bias"], "scores", vec![])];
        let nodes = with(with(pooled(), head), tail);
        let removed = cut_to(network(nodes, "last", &[1, 5]), 4);
        assert_eq!(removed[0], "Gemm");
    }
}

#[test]
fn pools_of_every_kind_may_follow_a_1x1_convolution() {
    let window = || vec![onnx::ints("kernel_shape", &[30, 30])];
    for pool in [
        vec![node("GlobalMaxPool", &["scores"], "pool", vec![])],
        vec![node("MaxPool", &["scores"], "pool", window())],
        vec![node(
            "ReduceMax",
            &["scores"],
            "pool",
            vec![onnx::ints("axes", &[2, 3])],
        )],
        vec![
            node("Pad", &["scores", "pads"], "padded", vec![]),
            node("AveragePool", &["padded"], "pool", window()),
        ],
    ] {
        let head = vec![node(
            "Conv",
            &["features", "point", "bias"],
            "scores",
            vec![],
        )];
        let removed = cut_to(network(with(head, pool), "pool", &[1, 5, 1, 1]), 4);
        assert_eq!(removed[0], "Conv");
    }
}
