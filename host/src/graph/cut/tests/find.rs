//! Which layer is the classifier.

use super::*;

#[test]
fn every_kind_of_classifier_is_found() {
    let gemm = with(
        pooled(),
        vec![node("Gemm", &["flat", "dense", "bias"], "scores", vec![])],
    );
    assert_eq!(cut_to(network(gemm, "scores", &[1, 5]), 4), ["Gemm"]);

    let matmul = with(
        pooled(),
        vec![
            node("MatMul", &["flat", "dense"], "product", vec![]),
            node("Add", &["bias", "product"], "scores", vec![]),
            node("Softmax", &["scores"], "shares", vec![]),
        ],
    );
    assert_eq!(
        cut_to(network(matmul, "shares", &[1, 5]), 4),
        ["MatMul", "Add", "Softmax"]
    );

    // A softmax that is written out: its pieces depend on the scores twice.
    let softmax = with(
        pooled(),
        vec![
            node("Gemm", &["flat", "dense", "bias"], "scores", vec![]),
            node("ReduceMax", &["scores"], "most", vec![]),
            node("Sub", &["scores", "most"], "below", vec![]),
            node("Exp", &["below"], "powers", vec![]),
            node("ReduceSum", &["powers"], "sum", vec![]),
            node("Div", &["powers", "sum"], "shares", vec![]),
        ],
    );
    assert_eq!(
        cut_to(network(softmax, "shares", &[1, 5]), 4),
        ["Gemm", "ReduceMax", "Sub", "Exp", "ReduceSum", "Div"]
    );

    // A 1x1 convolution after the average, then flattened.
    let conv = vec![
        node("GlobalAveragePool", &["features"], "pool", vec![]),
        node("Dropout", &["pool"], "dropped", vec![]),
        node("Conv", &["dropped", "point", "bias"], "scores", vec![]),
        node("Flatten", &["scores"], "flat", vec![]),
    ];
    let removed = cut_to(network(conv, "flat", &[1, 5]), 4);
    assert!(removed.contains(&"Conv".to_owned()) && !removed.contains(&"Relu".to_owned()));

    // A 1x1 convolution before the average, as SqueezeNet has it.
    let squeeze = |relu: Vec<NodeProto>, last: &str, kernel: &str| {
        with(
            with(
                vec![node("Conv", &["features", kernel], "scores", vec![])],
                relu,
            ),
            vec![node("GlobalAveragePool", &[last], "pool", vec![])],
        )
    };
    let plain = squeeze(vec![], "scores", "point");
    assert_eq!(
        cut_to(network(plain, "pool", &[1, 5, 1, 1]), 4),
        ["Conv", "GlobalAveragePool"]
    );
    let relu = || vec![node("Relu", &["scores"], "positive", vec![])];
    let imagenet = squeeze(relu(), "positive", "imagenet");
    assert_eq!(
        cut_to(network(imagenet, "pool", &[1, 1000, 1, 1]), 4).len(),
        3
    );
    // With a Relu and other widths it is a layer of features.
    let features = network(squeeze(relu(), "positive", "point"), "pool", &[1, 5, 1, 1]);
    let error = refused(features).to_string();
    assert!(
        error.contains("a 1x1 Conv of 5 channels with Relu behind it"),
        "{error}"
    );
}

#[test]
fn weights_that_are_computed_are_weights() {
    let tail = with(
        pooled(),
        vec![
            node("Transpose", &["dense"], "turned", vec![]),
            node(
                "Gemm",
                &["flat", "turned", "bias"],
                "scores",
                vec![onnx::int("transB", 1)],
            ),
        ],
    );
    assert_eq!(
        cut_to(network(tail, "scores", &[1, 5]), 4),
        ["Transpose", "Gemm"]
    );
}

#[test]
fn a_network_without_a_classifier_is_refused() {
    for (tail, output, shape) in [
        (pooled(), "flat", vec![1, 4]),
        (vec![], "features", vec![1, 4, 30, 30]),
        // Something goes past the layer.
        (
            vec![
                node("Conv", &["features", "point"], "one", vec![]),
                node("Conv", &["features", "point"], "two", vec![]),
                node("Add", &["one", "two"], "both", vec![]),
                node("GlobalAveragePool", &["both"], "pool", vec![]),
            ],
            "pool",
            vec![1, 5, 1, 1],
        ),
        (
            with(
                pooled(),
                vec![node("Mul", &["flat", "flat"], "square", vec![])],
            ),
            "square",
            vec![1, 4],
        ),
    ] {
        let error = refused(network(tail, output, &shape));
        assert!(matches!(error, GraphError::NoClassifier(_)));
    }
}

/// `features` -> 1x1 Conv, then what is given, then the average over positions.
fn point_then(nodes: Vec<NodeProto>, last: &str) -> Vec<NodeProto> {
    let first = vec![node(
        "Conv",
        &["features", "point", "bias"],
        "point_conv",
        vec![],
    )];
    let pool = vec![
        node("GlobalAveragePool", &[last], "pool", vec![]),
        node("Flatten", &["pool"], "flat", vec![]),
    ];
    with(with(first, nodes), pool)
}

#[test]
fn features_behind_a_last_1x1_convolution_are_not_scores() {
    let single = |op: &str, more: &[&str]| {
        let inputs = [&["point_conv"], more].concat();
        vec![node(op, &inputs, "last", vec![])]
    };
    let swish = vec![
        node("Sigmoid", &["point_conv"], "gate", vec![]),
        node("Mul", &["point_conv", "gate"], "last", vec![]),
    ];
    // Its gate as other exporters write it: x / (1 + exp(-x)).
    let divided = vec![
        node("Neg", &["point_conv"], "negative", vec![]),
        node("Exp", &["negative"], "power", vec![]),
        node("Add", &["power", "one"], "sum", vec![]),
        node("Div", &["point_conv", "sum"], "last", vec![]),
    ];
    let normed = single("BatchNormalization", &["bias", "bias", "bias", "bias"]);
    let layers = [
        swish,
        divided,
        normed,
        single("Relu", &[]),
        single("Clip", &["zero", "six"]),
        single("Max", &["zero"]),
        single("Tanh", &[]),
        single("HardSwish", &[]),
        single("LeakyRelu", &[]),
    ];
    for layer in layers {
        let named = format!("{layer:?}");
        let error = refused(network(point_then(layer, "last"), "flat", &[1, 5]));
        assert!(
            matches!(error, GraphError::NoClassifier(_)),
            "{named}: {error}"
        );
    }
    // The same where the average comes first, as in MobileNetV3 without its classifier.
    let tail = vec![
        node("GlobalAveragePool", &["features"], "pool", vec![]),
        node("Conv", &["pool", "point"], "point_conv", vec![]),
        node("Relu", &["point_conv"], "last", vec![]),
        node("Flatten", &["last"], "flat", vec![]),
    ];
    let error = refused(network(tail, "flat", &[1, 5]));
    assert!(matches!(error, GraphError::NoClassifier(_)));
}

#[test]
fn what_only_follows_scores_tells_a_classifier_from_a_layer_of_features() {
    let relu = vec![node("Relu", &["point_conv"], "last", vec![])];
    for op in ["Softmax", "LogSoftmax", "ArgMax", "TopK"] {
        let inputs: &[&str] = if op == "TopK" {
            &["flat", "two"]
        } else {
            &["flat"]
        };
        let mut decision = node(op, inputs, "decision", vec![]);
        if op == "TopK" {
            decision.output.push("places".into());
        }
        let tail = with(point_then(relu.clone(), "last"), vec![decision]);
        let removed = cut_to(network(tail, "decision", &[1, 5]), 4);
        assert!(removed.contains(&"Relu".to_owned()), "{op}");
    }
}

#[test]
fn the_deepest_of_several_classifiers_is_taken() {
    let body = || {
        let auxiliary = with(
            vec![node("GlobalAveragePool", &["features"], "pool0", vec![])],
            vec![
                node("Flatten", &["pool0"], "flat0", vec![]),
                node("Gemm", &["flat0", "dense"], "auxiliary", vec![]),
            ],
        );
        let main = vec![
            node("Conv", &["features", "deeper"], "conv2", vec![]),
            node("Relu", &["conv2"], "features2", vec![]),
            node("GlobalAveragePool", &["features2"], "pool", vec![]),
            node("Flatten", &["pool"], "flat", vec![]),
            node("Gemm", &["flat", "dense6"], "scores", vec![]),
        ];
        (auxiliary, main)
    };
    let two = |nodes: Vec<NodeProto>, first: &str, second: &str| {
        let mut model = network(nodes, first, &[1, 5]);
        let graph = model.graph.as_mut().unwrap();
        graph.output.push(value(second, &[1, 5]));
        let cut = cut(model, None, None).unwrap();
        assert_eq!(cut.scores, "scores");
        assert_eq!(crate::graph::embedding_width(&cut.backbone).unwrap(), 6);
    };
    let (auxiliary, main) = body();
    two(with(auxiliary, main), "auxiliary", "scores");
    let (auxiliary, main) = body();
    two(with(main, auxiliary), "scores", "auxiliary");
    // An output of features beside the scores.
    let (_, main) = body();
    two(main, "features2", "scores");
}

#[test]
fn several_heads_on_one_tensor_are_one_classifier() {
    let heads = |second: &str| {
        vec![
            node("Gemm", &["flat", "dense", "bias"], "head1", vec![]),
            node("Tanh", &["flat"], "other", vec![]),
            node("Gemm", &[second, "dense"], "head2", vec![]),
            node("Add", &["head1", "head2"], "sum", vec![]),
            node("Div", &["sum", "six"], "scores", vec![]),
        ]
    };
    let same = with(pooled(), heads("flat"));
    cut_to(network(same, "scores", &[1, 5]), 4);
    let error = refused(network(with(pooled(), heads("other")), "scores", &[1, 5]));
    assert!(error.to_string().contains("different tensors"), "{error}");
}

#[test]
fn kernels_may_be_computed() {
    for kernel in [
        node("Identity", &["point"], "kernel1", vec![]),
        node(
            "Transpose",
            &["turned"],
            "kernel1",
            vec![onnx::ints("perm", &[1, 0, 2, 3])],
        ),
        node("ConstantOfShape", &["shape"], "kernel1", vec![]),
    ] {
        let tail = vec![
            kernel,
            node("GlobalAveragePool", &["features"], "pool", vec![]),
            node("Conv", &["pool", "kernel1"], "scores", vec![]),
        ];
        let mut model = network(tail, "scores", &[1, 5, 1, 1]);
        let graph = model.graph.as_mut().unwrap();
        graph.initializer.push(integers("shape", &[5, 4, 1, 1]));
        cut_to(model, 4);
    }
}

#[test]
fn an_answer_for_every_position_is_refused() {
    let tail = vec![
        node("Conv", &["features", "point"], "scores", vec![]),
        node("Sigmoid", &["scores"], "shares", vec![]),
    ];
    let error = refused(network(tail, "shares", &[1, 5, 30, 30]));
    assert!(matches!(error, GraphError::Positions(..)), "{error}");
    assert!(error.to_string().contains("1 x 5 x 30 x 30"), "{error}");
}

#[test]
fn a_quantised_network_is_refused_and_names_of_operators_are_printed_plainly() {
    let tail = with(
        pooled(),
        vec![node("DequantizeLinear", &["flat", "six"], "scores", vec![])],
    );
    let error = refused(network(tail, "scores", &[1, 4])).to_string();
    assert!(
        error.contains("DequantizeLinear") && error.contains("float network"),
        "{error}"
    );
    let tail = with(
        pooled(),
        vec![node("My\u{1b}[2KOp", &["flat"], "scores", vec![])],
    );
    let error = refused(network(tail, "scores", &[1, 4])).to_string();
    assert!(
        error.contains("My [2KOp") && !error.contains('\u{1b}'),
        "{error}"
    );
}
