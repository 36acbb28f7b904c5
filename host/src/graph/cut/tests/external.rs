//! Weights beside the file.

use super::*;

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
        cut(model, None, Some(folder.path()))
    };
    let inlined = external("w.data", "0", "432").unwrap();
    assert_eq!(
        inlined.backbone.graph.unwrap().initializer[0]
            .raw_data
            .len(),
        432
    );
    assert!(external("./w.data", "0", "432").is_ok());
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

/// A network with its kernel in a Constant node, beside the file.
fn beside(folder: &Path) -> ModelProto {
    let tail = with(
        pooled(),
        vec![node("Gemm", &["flat", "dense"], "scores", vec![])],
    );
    let mut model = network(tail, "scores", &[1, 5]);
    let graph = model.graph.as_mut().unwrap();
    let mut kernel = graph.initializer.remove(0);
    std::fs::write(folder.join("w.data"), &kernel.raw_data).unwrap();
    kernel.raw_data.clear();
    kernel.data_location = Some(1);
    kernel.external_data.push(onnx::StringStringEntryProto {
        key: "location".into(),
        value: "w.data".into(),
    });
    let mut constant = node("Constant", &[], "kernel", vec![onnx::int("value", 0)]);
    constant.attribute[0].r#type = onnx::AttributeType::Tensor.into();
    constant.attribute[0].t = Some(kernel);
    graph.node.insert(0, constant);
    model
}

#[test]
fn constant_nodes_may_keep_theirs_beside_the_file_but_a_recipes_network_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let model = beside(folder.path());
    assert!(cut(model.clone(), None, Some(folder.path())).is_ok());
    assert!(matches!(refused(model), GraphError::External(..)));
}
