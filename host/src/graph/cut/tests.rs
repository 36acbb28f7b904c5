use super::*;
use crate::graph::onnx::{node, value, weights};

/// `input` -> 3x3 Conv with 4 channels -> Relu `features`, then what `tail` adds.
fn network(tail: Vec<NodeProto>, output: &str, shape: &[usize]) -> ModelProto {
    let mut nodes = vec![
        node("Conv", &["input", "kernel"], "conv", vec![]),
        node("Relu", &["conv"], "features", vec![]),
    ];
    nodes.extend(tail);
    let numbers = |count: usize| {
        (0..count)
            .map(|i| (i % 7) as f32 * 0.1 - 0.2)
            .collect::<Vec<_>>()
    };
    onnx::model(GraphProto {
        name: "test".into(),
        node: nodes,
        initializer: vec![
            weights("kernel", &[4, 3, 3, 3], &numbers(108)),
            weights("dense", &[4, 5], &numbers(20)),
            weights("bias", &[5], &numbers(5)),
            weights("point", &[5, 4, 1, 1], &numbers(20)),
            weights("imagenet", &[1000, 4, 1, 1], &numbers(4000)),
        ],
        input: vec![value("input", &[1, 3, 32, 32])],
        output: vec![value(output, shape)],
        ..GraphProto::default()
    })
}

fn pooled() -> Vec<NodeProto> {
    vec![
        node("GlobalAveragePool", &["features"], "pool", vec![]),
        node("Flatten", &["pool"], "flat", vec![]),
    ]
}

fn with(mut nodes: Vec<NodeProto>, more: Vec<NodeProto>) -> Vec<NodeProto> {
    nodes.extend(more);
    nodes
}

/// Cuts, loads the result, and gives the removed operators.
fn cut_to(model: ModelProto, width: usize) -> Vec<String> {
    let (cut, size) = cut(model, None, Path::new(".")).unwrap();
    assert_eq!(size, 32);
    assert_eq!(crate::graph::embedding_width(&cut.backbone).unwrap(), width);
    let graph = cut.backbone.graph.unwrap();
    assert_eq!(graph.output[0].name, EMBEDDING);
    assert!(
        graph
            .initializer
            .iter()
            .all(|tensor| tensor.name == "kernel"),
        "weights are left"
    );
    cut.removed.into_iter().map(|(op, _)| op).collect()
}

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
    assert!(matches!(
        cut(features, None, Path::new(".")),
        Err(GraphError::NoClassifier(_))
    ));
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
        let result = cut(network(tail, output, &shape), None, Path::new("."));
        assert!(matches!(result, Err(GraphError::NoClassifier(_))));
    }
}

#[test]
fn channels_last_gets_a_transpose_in_front() {
    let tail = with(
        pooled(),
        vec![node("Gemm", &["flat", "dense"], "scores", vec![])],
    );
    let mut model = network(tail, "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    graph.input = vec![value("input", &[1, 32, 32, 3])];
    let turn = node(
        "Transpose",
        &["input"],
        "first",
        vec![onnx::ints("perm", &[0, 3, 1, 2])],
    );
    graph.node.insert(0, turn);
    graph.node[1].input[0] = "first".into();
    cut_to(model, 4);
}

#[test]
fn a_tensor_that_is_called_embedding_already_does_no_harm() {
    let mut tail = with(
        pooled(),
        vec![node("Gemm", &["flat", "dense"], "scores", vec![])],
    );
    tail[0].output[0] = EMBEDDING.into();
    tail[1].input[0] = EMBEDDING.into();
    cut_to(network(tail, "scores", &[1, 5]), 4);
    let mut tail = with(
        pooled(),
        vec![node("Gemm", &[EMBEDDING, "dense"], "scores", vec![])],
    );
    tail[1].output[0] = EMBEDDING.into();
    cut_to(network(tail, "scores", &[1, 5]), 4);
}

#[test]
fn weights_beside_the_file_are_brought_in_and_nothing_else_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let tail = with(
        pooled(),
        vec![node("Gemm", &["flat", "dense"], "scores", vec![])],
    );
    let external = |location: &str, offset: &str, length: &str| {
        let mut model = network(tail.clone(), "scores", &[1, 5]);
        let kernel = &mut model.graph.as_mut().unwrap().initializer[0];
        std::fs::write(folder.path().join("w.data"), &kernel.raw_data).unwrap();
        kernel.raw_data.clear();
        kernel.data_location = Some(1);
        for (key, value) in [
            ("location", location),
            ("offset", offset),
            ("length", length),
        ] {
            kernel.external_data.push(onnx::StringStringEntryProto {
                key: key.into(),
                value: value.into(),
            });
        }
        cut(model, None, folder.path())
    };
    let (inlined, _) = external("w.data", "0", "432").unwrap();
    assert_eq!(
        inlined.backbone.graph.unwrap().initializer[0]
            .raw_data
            .len(),
        432
    );
    for (location, offset, length) in [
        ("../w.data", "0", "432"),
        ("/etc/hostname", "0", "1"),
        ("missing", "0", "432"),
        ("w.data", "8", "432"),
        ("w.data", "x", "432"),
        ("w.data", "18446744073709551615", "432"),
        ("", "0", "432"),
    ] {
        let result = external(location, offset, length);
        assert!(
            matches!(result, Err(GraphError::External(..))),
            "{location}"
        );
    }
}
