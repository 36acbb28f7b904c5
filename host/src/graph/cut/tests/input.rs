//! The input, the names, and the embedding's shape.

use super::*;

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

fn head() -> Vec<NodeProto> {
    with(
        pooled(),
        vec![node("Gemm", &["flat", "dense"], "scores", vec![])],
    )
}

#[test]
fn an_input_that_is_called_embedding_gets_another_name() {
    let mut model = network(head(), "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    graph.input[0].name = EMBEDDING.into();
    graph.node[0].input[0] = EMBEDDING.into();
    let cut = cut(model, None, None).unwrap();
    assert_eq!(crate::graph::embedding_width(&cut.backbone).unwrap(), 4);
    assert_eq!(cut.backbone.graph.unwrap().input[0].name, "input");
}

#[test]
fn made_up_names_are_never_taken_ones() {
    // Its own tensors are called what this module would call them.
    let tail = vec![
        node("Tanh", &["features"], EMBEDDING, vec![]),
        node("Tanh", &[EMBEDDING], "embedding.inner", vec![]),
        node(
            "Tanh",
            &["embedding.inner"],
            "embedding.globalaveragepool",
            vec![],
        ),
        node(
            "Sum",
            &[EMBEDDING, "embedding.globalaveragepool"],
            "embedding.flatten",
            vec![],
        ),
        node("Conv", &["embedding.flatten", "point"], "scores", vec![]),
        node("GlobalAveragePool", &["scores"], "pool", vec![]),
    ];
    cut_to(network(tail, "pool", &[1, 5, 1, 1]), 4);
    let mut model = network(head(), "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    graph.input = vec![value("input", &[1, 32, 32, 3])];
    let perm = vec![onnx::ints("perm", &[0, 3, 1, 2])];
    let turn = node("Transpose", &["input"], "input.channels_last", perm);
    graph.node.insert(0, turn);
    graph.node[1].input[0] = "input.channels_last".into();
    cut_to(model, 4);
}

#[test]
fn the_output_of_the_classifier_is_given_back() {
    let mut model = network(head(), "conv", &[1, 4, 30, 30]);
    let graph = model.graph.as_mut().unwrap();
    graph.node[4].output[0] = EMBEDDING.into();
    graph.output.push(value(EMBEDDING, &[1, 5]));
    let cut = cut(model, None, None).unwrap();
    assert_eq!(cut.scores, "embedding.inner");
    let cost = |model: &ModelProto, output: &str| crate::graph::cost::of(model, &[output]).unwrap();
    // The convolution and the average.
    let body = 4 * 27 * 30 * 30 + 4 * 30 * 30;
    assert_eq!(cost(&cut.whole, &cut.scores).macs, body + 20);
    assert_eq!(cost(&cut.backbone, EMBEDDING).macs, body);
}

#[test]
fn activations_are_no_multiply_accumulates() {
    let tail = with(
        vec![node("Sigmoid", &["features"], "sigmoid", vec![])],
        vec![
            node("GlobalAveragePool", &["sigmoid"], "pool", vec![]),
            node("Flatten", &["pool"], "flat", vec![]),
            node("Gemm", &["flat", "dense"], "scores", vec![]),
        ],
    );
    let cost = crate::graph::cost::of(&network(tail, "scores", &[1, 5]), &["scores"]).unwrap();
    assert_eq!(cost.macs, 4 * 27 * 30 * 30 + 4 * 30 * 30 + 20);
}

#[test]
fn weights_in_constant_nodes_are_parameters() {
    let mut model = network(head(), "scores", &[1, 5]);
    let before = onnx::parameters(&model);
    let graph = model.graph.as_mut().unwrap();
    let kernel = graph.initializer.remove(0);
    let mut constant = node("Constant", &[], "kernel", vec![onnx::int("value", 0)]);
    constant.attribute[0].r#type = onnx::AttributeType::Tensor.into();
    constant.attribute[0].t = Some(kernel);
    graph.node.insert(0, constant);
    assert_eq!(onnx::parameters(&model), before);
    let cut = cut(model, None, None).unwrap();
    assert_eq!(onnx::parameters(&cut.backbone), 108);
}

#[test]
fn a_window_that_does_not_fit_at_another_size_is_refused() {
    let average = vec![onnx::ints("kernel_shape", &[30, 30])];
    let tail = with(
        vec![node("AveragePool", &["features"], "pool", average)],
        vec![
            node("Flatten", &["pool"], "flat", vec![]),
            node("Gemm", &["flat", "dense"], "scores", vec![]),
        ],
    );
    let model = || network(tail.clone(), "scores", &[1, 5]);
    assert!(cut(model(), None, None).is_ok());
    let Err(error) = cut(model(), Some(24), None) else {
        panic!("30 positions fit into 22");
    };
    let error = error.to_string();
    for expected in [
        "pool",
        "30 x 30",
        "22 x 22",
        "--input-size 32",
        "not for 24",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn embeddings_of_other_shapes_and_number_types_become_1_x_d_floats() {
    let axes = || vec![onnx::ints("perm", &[1, 0])];
    let turned = with(
        pooled(),
        vec![
            node("Transpose", &["flat"], "column", axes()),
            node(
                "Gemm",
                &["dense", "column"],
                "scores",
                vec![onnx::int("transA", 0)],
            ),
        ],
    );
    let mut model = network(turned, "scores", &[5, 1]);
    model.graph.as_mut().unwrap().node[5].input[0] = "wide".into();
    cut_to(model, 4);
    // 1 x 1 x D.
    let deep = vec![
        node("GlobalAveragePool", &["features"], "pool", vec![]),
        node("Flatten", &["pool"], "flat", vec![]),
        node("Unsqueeze", &["flat", "axis"], "deep", vec![]),
        node("MatMul", &["deep", "dense"], "scores", vec![]),
    ];
    cut_to(network(deep, "scores", &[1, 1, 5]), 4);
    // 16 bits inside.
    let to = |kind: DataType| vec![onnx::int("to", i32::from(kind).into())];
    let half = with(
        pooled(),
        vec![
            node("Cast", &["flat"], "half", to(DataType::Float16)),
            node("Cast", &["dense"], "half_dense", to(DataType::Float16)),
            node("Gemm", &["half", "half_dense"], "half_scores", vec![]),
            node("Cast", &["half_scores"], "scores", to(DataType::Float)),
        ],
    );
    cut_to(network(half, "scores", &[1, 5]), 4);
    // A MatMul on channels last: the positions are averaged, not the channels.
    let last = vec![
        node(
            "Transpose",
            &["features"],
            "last",
            vec![onnx::ints("perm", &[0, 2, 3, 1])],
        ),
        node("MatMul", &["last", "dense"], "all", vec![]),
        node(
            "ReduceMean",
            &["all"],
            "scores",
            vec![onnx::ints("axes", &[1, 2])],
        ),
    ];
    cut_to(network(last, "scores", &[1, 1, 1, 5]), 4);
}

#[test]
fn inputs_that_nobody_reads_are_left_out() {
    let mut model = network(head(), "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    graph.input.insert(0, value("mean", &[1]));
    assert_eq!(cut_to(model, 4), ["Gemm"]);
}

#[test]
fn inputs_that_are_not_one_picture_are_named() {
    let mut model = network(head(), "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    let kernel = graph.initializer.remove(0);
    graph.input.push(value(&kernel.name, &[4, 3, 3, 3]));
    let error = refused(model).to_string();
    assert!(
        error.contains("2 tensors, and \"kernel\" looks like weights"),
        "{error}"
    );
    let mut model = network(head(), "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    let kind = graph.input[0]
        .r#type
        .as_mut()
        .unwrap()
        .value
        .as_mut()
        .unwrap();
    let onnx::type_proto::Value::TensorType(kind) = kind;
    kind.elem_type = DataType::Uint8.into();
    let error = refused(model).to_string();
    assert!(
        error.contains("1 x 3 x 32 x 32 of the number type uint8"),
        "{error}"
    );
}

#[test]
fn a_network_that_would_fill_all_memory_is_refused() {
    let mut model = network(head(), "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    let far = 1 << 20;
    graph
        .initializer
        .push(integers("far", &[0, 0, far, far, 0, 0, far, far]));
    graph
        .node
        .insert(0, node("Pad", &["input", "far"], "vast", vec![]));
    graph.node[1].input[0] = "vast".into();
    let error = refused(model.clone()).to_string();
    assert!(error.contains("more than this program keeps"), "{error}");
    // The same where boards load it.
    let graph = model.graph.as_mut().unwrap();
    graph.node.pop();
    graph.node.last_mut().unwrap().output[0] = EMBEDDING.into();
    graph.output = vec![value(EMBEDDING, &[1, 4])];
    let preprocess = lastlayer_shared::preprocess::Preprocess::named("unit", 32).unwrap();
    let bytes = onnx::encode(&model);
    let error = lastlayer_shared::backbone::Backbone::load(&bytes, &preprocess).unwrap_err();
    assert!(
        error.to_string().contains("more than this program keeps"),
        "{error}"
    );
}

#[test]
fn an_axis_that_a_tensor_has_not_is_refused_at_once() {
    // tract would count from 0 to -1, the number without a sign.
    let scalar = |input: &str| {
        let tail = vec![
            node(
                "ReduceMean",
                &["features"],
                "mean",
                vec![onnx::int("keepdims", 0)],
            ),
            node("LayerNormalization", &[input, "bias"], "norm", vec![]),
            node("Add", &["features", "norm"], "sum", vec![]),
            node("Conv", &["sum", "point"], "scores", vec![]),
            node("GlobalAveragePool", &["scores"], "pool", vec![]),
        ];
        refused(network(tail, "pool", &[1, 5, 1, 1])).to_string()
    };
    for input in ["mean", "one"] {
        let error = scalar(input);
        assert!(error.contains("which has 0 sides"), "{error}");
    }
}
