use super::*;

/// A block of 32 hidden channels and its shortcut, then a depthwise convolution that stands alone.
fn network(more: Vec<NodeProto>) -> ModelProto {
    let conv = |inputs: &[&str], output: &str, groups: i64| {
        onnx::node("Conv", inputs, output, vec![onnx::int("group", groups)])
    };
    let weights = |name: &str, sides: &[usize]| {
        let count: usize = sides.iter().product();
        let numbers: Vec<f32> = (0..count).map(|at| at as f32).collect();
        onnx::weights(name, sides, &numbers)
    };
    let mut node = vec![
        conv(&["input", "w1", "b1"], "wide", 1),
        onnx::node("Relu", &["wide"], "wide.relu", vec![]),
        conv(&["wide.relu", "w2", "b2"], "deep", 32),
        conv(&["deep", "w3", "b3"], "narrow", 1),
        onnx::node("Add", &["narrow", "input"], "sum", vec![]),
        conv(&["sum", "w4", "b4"], "alone", 4),
    ];
    node.extend(more);
    onnx::model(GraphProto {
        node,
        initializer: vec![
            weights("w1", &[32, 4, 1, 1]),
            weights("b1", &[32]),
            weights("w2", &[32, 1, 3, 3]),
            weights("b2", &[32]),
            weights("w3", &[4, 32, 1, 1]),
            weights("b3", &[4]),
            weights("w4", &[4, 1, 3, 3]),
            weights("b4", &[4]),
        ],
        input: vec![onnx::value("input", &[1, 4, 8, 8])],
        output: vec![onnx::value("alone", &[1, 4, 8, 8])],
        ..GraphProto::default()
    })
}

#[test]
fn a_block_is_found_and_what_is_none_is_listed() {
    let (found, whole) = find(&network(Vec::new())).unwrap();
    assert_eq!(whole, ["alone"]);
    let [block] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (block.tensor.as_str(), block.output.as_str()),
        ("deep", "sum")
    );
    assert_eq!(block.shortcut.as_deref(), Some("input"));
    assert_eq!((block.channels, block.outputs), (32, 4));
    // Something else reads the hidden channels.
    let more = onnx::node("Relu", &["deep"], "more", vec![]);
    let (found, whole) = find(&network(vec![more])).unwrap();
    assert!(found.is_empty());
    assert_eq!(whole, ["deep", "alone", "sum"]);
}

#[test]
fn kept_channels_keep_their_weights_and_the_reader_gets_new_ones() {
    let model = network(Vec::new());
    let (found, _) = find(&model).unwrap();
    let reduced = Reduced {
        kept: vec![1, 30],
        weights: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        bias: vec![9.0; 4],
        error: 0.0,
    };
    let mut pruned = found[0].apply(&model, &reduced).unwrap();
    let graph = onnx::graph_mut(&mut pruned).unwrap();
    assert_eq!(group(&graph.node[2]), 2);
    let mut numbers = |name| floats(initializer(graph, name).unwrap()).unwrap();
    assert_eq!(
        numbers("w1"),
        [4.0, 5.0, 6.0, 7.0, 120.0, 121.0, 122.0, 123.0]
    );
    assert_eq!(numbers("b2"), [1.0, 30.0]);
    assert_eq!(numbers("w2")[9..11], [270.0, 271.0]);
    // An output a row.
    assert_eq!(numbers("w3"), [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    assert_eq!(numbers("b3"), [9.0; 4]);
}

/// The same, and on top of it an embedding of 8 numbers, which is pooled in this way.
fn embedding(pools: &[&str], width: usize) -> ModelProto {
    let mut more = vec![
        onnx::node("Conv", &["sum", "w5", "b5"], "last", vec![]),
        onnx::node("Relu", &["last"], "map", vec![]),
    ];
    let mut name = "map".to_owned();
    for (at, op) in pools.iter().enumerate() {
        let to = if at + 1 == pools.len() { EMBEDDING } else { op };
        more.push(onnx::node(op, &[&name], to, vec![]));
        name = to.to_owned();
    }
    let mut model = network(more);
    let graph = onnx::graph_mut(&mut model).unwrap();
    graph
        .initializer
        .push(onnx::weights("w5", &[8, 4, 1, 1], &[1.0; 32]));
    graph.initializer.push(onnx::weights(
        "b5",
        &[8],
        &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    ));
    graph.output = vec![onnx::value(EMBEDDING, &[1, width])];
    model
}

#[test]
fn the_embedding_is_a_layer_that_nothing_reads() {
    let model = embedding(&["GlobalAveragePool", "Flatten"], 8);
    let (found, _) = find(&model).unwrap();
    let last = found.last().unwrap();
    assert_eq!((last.tensor.as_str(), last.channels), ("map", 8));
    assert!(last.is_embedding() && !found[0].is_embedding());
    let reduced = Reduced {
        kept: vec![2, 5],
        weights: Vec::new(),
        bias: Vec::new(),
        error: 0.0,
    };
    let mut pruned = last.apply(&model, &reduced).unwrap();
    let graph = onnx::graph_mut(&mut pruned).unwrap();
    assert_eq!(initializer(graph, "w5").unwrap().dims, [2, 4, 1, 1]);
    assert_eq!(
        floats(initializer(graph, "b5").unwrap()).unwrap(),
        [2.0, 5.0]
    );
}

#[test]
fn an_embedding_that_is_not_a_number_a_channel_stays() {
    // What is flattened without an average has a number a pixel; a product mixes channels.
    for model in [
        embedding(&["Flatten"], 128),
        embedding(&["GlobalAveragePool", "Softmax"], 8),
    ] {
        let (found, _) = find(&model).unwrap();
        assert!(found.iter().all(|layer| !layer.is_embedding()));
    }
}
