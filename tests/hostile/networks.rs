//! The validator of networks, on what it must let through and on what it must not.

use std::collections::BTreeSet;

use lastlayer_host::graph::onnx::{self, ModelProto};
use lastlayer_shared::network::OPERATORS;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fuzz::backbone::{backbone, load_and_run, pieces, run};

#[test]
fn every_operator_that_is_allowed_loads_and_runs() {
    let mut seen = BTreeSet::new();
    for (name, piece) in pieces() {
        seen.extend(piece.iter().map(|node| node.op_type.clone()));
        let model = backbone(vec![piece]);
        seen.extend(
            model
                .graph
                .iter()
                .flat_map(|g| &g.node)
                .map(|node| node.op_type.clone()),
        );
        let embedding = load_and_run(&onnx::encode(&model));
        assert!(
            embedding.is_ok_and(|e| e.len() == 4),
            "{name}: {:?}",
            load_and_run(&onnx::encode(&model))
        );
    }
    for (op, _) in OPERATORS {
        assert!(seen.contains(op), "{op} is tried by no piece");
    }
}

/// What is allowed and changed at random is refused, or loads and runs, or is an error of tract's;
/// `run` fails on a panic of tract's, which boards would only contain.
#[test]
fn changed_networks_never_make_tract_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..4000 {
        let mut data: Vec<u8> = (0..64).map(|_| random.random()).collect();
        data[0] = random.random_range(2..16);
        run(&data);
    }
}

fn refused(name: &str, edit: impl FnOnce(&mut ModelProto), expected: &str) {
    let piece = pieces()
        .into_iter()
        .find(|(piece, _)| *piece == name)
        .unwrap()
        .1;
    let mut model = backbone(vec![piece]);
    edit(&mut model);
    let error = load_and_run(&onnx::encode(&model)).unwrap_err();
    assert!(error.contains(expected), "{expected:?} is not in {error}");
    assert!(error.lines().count() == 1 && error.len() < 400, "{error}");
}

/// The node of that kind.
fn node<'a>(model: &'a mut ModelProto, op: &str) -> &'a mut onnx::NodeProto {
    let nodes = &mut model.graph.as_mut().unwrap().node;
    nodes.iter_mut().find(|node| node.op_type == op).unwrap()
}

fn weights<'a>(model: &'a mut ModelProto, name: &str) -> &'a mut onnx::TensorProto {
    let weights = &mut model.graph.as_mut().unwrap().initializer;
    weights
        .iter_mut()
        .find(|tensor| tensor.name == name)
        .unwrap()
}

fn set(model: &mut ModelProto, op: &str, attribute: onnx::AttributeProto) {
    let node = node(model, op);
    node.attribute.retain(|old| old.name != attribute.name);
    node.attribute.push(attribute);
}

#[test]
fn operators_that_no_backbone_has_are_refused() {
    for op in [
        "Loop",
        "If",
        "Scan",
        "Resize",
        "Tile",
        "Einsum",
        "LSTM",
        "RandomNormal",
        "NonZero",
    ] {
        let edit = |model: &mut ModelProto| node(model, "Relu").op_type = op.into();
        refused("Relu", edit, "is not one that backbones are made of");
    }
    let edit = |model: &mut ModelProto| node(model, "Relu").domain = "evil".into();
    refused("Relu", edit, "is not one that backbones are made of");
    let edit = |model: &mut ModelProto| {
        let mut body = onnx::int("body", 0);
        body.r#type = onnx::AttributeType::Graph.into();
        body.g = Some(onnx::GraphProto::default());
        node(model, "Relu").attribute.push(body);
    };
    refused("Relu", edit, "graphs inside operators");
    let edit = |model: &mut ModelProto| model.functions.push(Default::default());
    refused("Relu", edit, "functions");
    let edit = |model: &mut ModelProto| model.opset_import[0].version = 99;
    refused("Relu", edit, "version 99");
    let edit = |model: &mut ModelProto| model.opset_import.clear();
    refused("Relu", edit, "does not say one version");
    let edit = |model: &mut ModelProto| set(model, "Relu", onnx::int("sparkle", 1));
    refused("Relu", edit, "sparkle");
}

#[test]
fn weights_that_are_not_what_they_say_are_refused() {
    let edit = |model: &mut ModelProto| weights(model, "k3").dims[0] = 5;
    refused("conv", edit, "not as many numbers");
    let edit = |model: &mut ModelProto| weights(model, "k3").dims = vec![i64::MAX; 4];
    refused("conv", edit, "has a side of");
    let edit = |model: &mut ModelProto| weights(model, "k3").dims = vec![1 << 20; 4];
    refused("conv", edit, "too many numbers");
    let edit = |model: &mut ModelProto| weights(model, "k3").dims[0] = -4;
    refused("conv", edit, "has a side of");
    let edit = |model: &mut ModelProto| weights(model, "k3").data_type = 8;
    refused("conv", edit, "neither 32-bit floats nor");
    let edit = |model: &mut ModelProto| weights(model, "k3").data_location = Some(1);
    refused("conv", edit, "in another file");
    let edit = |model: &mut ModelProto| {
        let place = onnx::StringStringEntryProto {
            key: "location".into(),
            value: "/etc/shadow".into(),
        };
        weights(model, "k3").external_data.push(place);
    };
    refused("conv", edit, "numbers that are in another file");
}

#[test]
fn inputs_outputs_and_edges_that_do_not_hold_together_are_refused() {
    type Edit = fn(&mut onnx::GraphProto);
    let graph = |model: &mut ModelProto, edit: Edit| {
        edit(model.graph.as_mut().unwrap());
    };
    let cases: [(Edit, &str); 9] = [
        (|g| g.input.push(onnx::value("more", &[1])), "2 inputs"),
        (
            |g| g.input[0] = onnx::value("input", &[1, 3, 64, 64]),
            "its input is not",
        ),
        (|g| g.output.clear(), "no output `embedding`"),
        (
            |g| g.output.push(onnx::value("k3", &[1])),
            "no operator makes its output",
        ),
        (|g| g.node.swap(0, 1), "is not there yet"),
        // A circle is an edge to what is not there yet.
        (|g| g.node[0].input[0] = "pool".into(), "is not there yet"),
        (|g| g.node[1].output[0] = "0.y".into(), "two tensors"),
        (
            |g| {
                g.node.pop().map_or((), |_| {
                    g.node.last_mut().unwrap().output[0] = "embedding".into()
                })
            },
            "1 x 4 x 1 x 1",
        ),
        (
            |g| g.node = vec![onnx::node("Identity", &["table"], "embedding", vec![])],
            "its embedding",
        ),
    ];
    for (edit, expected) in cases {
        refused("Relu", |model| graph(model, edit), expected);
    }
}

#[test]
fn numbers_that_would_fill_the_memory_or_the_day_are_refused() {
    let far = 1 << 20;
    let edit = |model: &mut ModelProto| {
        weights(model, "pads").int64_data = vec![0, 0, far, far, 0, 0, far, far]
    };
    refused("cut", edit, "more than this program keeps in memory");
    let edit = |model: &mut ModelProto| set(model, "Conv", onnx::ints("pads", &[far; 4]));
    refused("conv", edit, "has pads that cannot be");
    let edit = |model: &mut ModelProto| set(model, "Conv", onnx::ints("strides", &[0, 1]));
    refused("conv", edit, "has strides that cannot be");
    let edit = |model: &mut ModelProto| set(model, "Conv", onnx::int("group", 0));
    refused("conv", edit, "groups");
    let edit =
        |model: &mut ModelProto| set(model, "MaxPool", onnx::ints("kernel_shape", &[1 << 30, 1]));
    refused("max pool", edit, "too large");
    let edit = |model: &mut ModelProto| weights(model, "whole").int64_data = vec![-1, -1, 1, 1];
    refused("shuffle", edit, "does not fit");
    let edit = |model: &mut ModelProto| set(model, "Softmax", onnx::int("axis", i64::MIN));
    refused("softmax", edit, "too large");
    // Small steps: each doubles a side by a Concat with itself.
    let edit = |model: &mut ModelProto| {
        let graph = model.graph.as_mut().unwrap();
        let mut last = String::from("1.y");
        let doubled = (0..40).map(|at| {
            let name = format!("doubled{at}");
            let node = onnx::node("Concat", &[&last, &last], &name, vec![onnx::int("axis", 2)]);
            last.clone_from(&name);
            node
        });
        let doubled: Vec<_> = doubled.collect();
        graph.node.splice(2..2, doubled);
        graph
            .node
            .iter_mut()
            .find(|node| node.op_type == "GlobalAveragePool")
            .unwrap()
            .input[0] = last.clone();
    };
    refused("Relu", edit, "more than this program keeps in memory");
    // Many operators of a bearable size each.
    let edit = |model: &mut ModelProto| {
        let graph = model.graph.as_mut().unwrap();
        let kernel = onnx::weights("vast", &[4096, 4, 1, 1], &vec![0.0; 16_384]);
        graph.initializer.push(kernel);
        graph
            .initializer
            .push(onnx::weights("back", &[4, 4096, 1, 1], &vec![0.0; 16_384]));
        for at in 0..400 {
            let (wide, name) = (format!("wide{at}"), format!("narrow{at}"));
            let from = if at == 0 {
                "1.y".into()
            } else {
                format!("narrow{}", at - 1)
            };
            let place = graph.node.len() - 2;
            graph
                .node
                .insert(place, onnx::node("Conv", &[&from, "vast"], &wide, vec![]));
            graph.node.insert(
                place + 1,
                onnx::node("Conv", &[&wide, "back"], &name, vec![]),
            );
        }
    };
    refused("Relu", edit, "a board can keep");
}

#[test]
fn files_of_many_small_messages_are_refused_before_they_are_decoded() {
    // A graph of a million empty operators: two bytes each.
    let nodes = [0x0a, 0x00].repeat(1 << 20);
    let mut file = vec![0x3a];
    let mut length = nodes.len();
    while length >= 0x80 {
        file.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    file.push(length as u8);
    file.extend(nodes);
    let error = load_and_run(&file).unwrap_err();
    assert!(error.contains("more than 131072 fields"), "{error}");
    assert!(
        load_and_run(&file[..100])
            .unwrap_err()
            .contains("damaged or cut short")
    );
}
