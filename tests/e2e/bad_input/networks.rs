//! Weights and ONNX files.

use std::{fs, io::Write};

use lastlayer_host::graph::onnx;
use zip::write::SimpleFileOptions;

use super::Bench;
use crate::support::*;

/// A .pth of torch's zip format around a pickle.
fn pth(pickle: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive
        .start_file("archive/data.pkl", SimpleFileOptions::default())
        .unwrap();
    archive.write_all(pickle).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn hostile_and_broken_weights() {
    let bench = Bench::new();
    let export = |name: &str, bytes: &[u8], expected: &str| {
        bench.export_fails(
            &bench.file(name, bytes),
            &["--preprocess", "imagenet"],
            expected,
        );
    };
    // cos\nsystem\n(X...tR. runs a command in Python.
    let touched = bench.path("touched");
    let mut system = b"\x80\x02cos\nsystem\n(X".to_vec();
    let command = format!("touch {}", touched.display());
    system.extend((command.len() as u32).to_le_bytes());
    system.extend(command.as_bytes());
    system.extend(b"tR.");
    export(
        "evil.pth",
        &pth(&system),
        "asks for the Python name \"os.system\"",
    );
    assert!(!touched.exists());
    export(
        "reduce.pth",
        &pth(b"\x80\x02\x8c\x08builtins\x8c\x04eval\x93."),
        "builtins.eval",
    );
    export(
        "opcode.pth",
        &pth(b"\x80\x02i"),
        "the pickle operation 0x69",
    );
    export(
        "cut.pth",
        &pth(b"\x80\x02}X\xff\xff\xff\xff"),
        "cut short or damaged",
    );
    export(
        "nothing.pth",
        &pth(b"\x80\x02}."),
        "holds no tensors by name",
    );
    let whole = pth(b"\x80\x02}.");
    export(
        "short.pth",
        &whole[..whole.len() - 10],
        "cut short or damaged",
    );

    backbone();
    let cache = lastlayer_host::pretrained::cache::Cache::of_user();
    let sum = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197";
    let legacy = cache.get(sum).unwrap();
    for length in [40, 5_000, 60_000, legacy.len() - 1] {
        export("cut.pt", &legacy[..length], "cut short or damaged");
    }
    // Tensors there are, but not of this architecture.
    let other = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]);
    let other = safetensors::serialize([("a", other.unwrap())], None).unwrap();
    export("other.safetensors", &other, "are not a MobileNetV2");
}

/// The recipe's backbone with one thing changed.
pub fn changed(edit: impl Fn(&mut onnx::ModelProto)) -> Vec<u8> {
    let mut model = onnx::decode(&fs::read(backbone()).unwrap()).unwrap();
    edit(&mut model);
    onnx::encode(&model)
}

/// The same with a classifier of five classes behind it, which gives `scores`, and another change.
fn with_classifier(edit: impl Fn(&mut onnx::GraphProto)) -> Vec<u8> {
    changed(|model| {
        let graph = model.graph.as_mut().unwrap();
        let weights = onnx::weights("fc", &[1280, 5], &vec![0.1; 6400]);
        graph.initializer.push(weights);
        let product = onnx::node("MatMul", &["embedding", "fc"], "scores", vec![]);
        graph.node.push(product);
        graph.output = vec![onnx::value("scores", &[1, 5])];
        edit(graph);
    })
}

#[test]
fn networks_that_cannot_be_used() {
    let bench = Bench::new();
    let export = |name: &str, bytes: &[u8], more: &[&str], expected: &str| {
        let named = if more.is_empty() {
            &["--preprocess", "imagenet"]
        } else {
            more
        };
        bench.export_fails(&bench.file(name, bytes), named, expected);
    };
    let bytes = fs::read(backbone()).unwrap();
    export("ours.onnx", &bytes, &[], "this is a backbone already");
    let foreign = changed(|model| model.metadata_props.clear());
    export("headless.onnx", &foreign, &[], "no classifier was found");
    let cut = fs::read(backbone()).unwrap();
    export(
        "cut.onnx",
        &cut[..cut.len() / 2],
        &[],
        "neither an ONNX file nor",
    );

    // A classifier behind the backbone: then other things go wrong.
    let symbolic = with_classifier(|graph| graph.input = vec![onnx::value("input", &[1, 3, 0, 0])]);
    export("symbolic.onnx", &symbolic, &[], "--input-size N");
    let unknown = with_classifier(|graph| graph.node[3].op_type = "Sparkle".into());
    export("operator.onnx", &unknown, &[], "Sparkle");
    let grey = with_classifier(|graph| graph.input = vec![onnx::value("input", &[1, 1, 96, 96])]);
    export("grey.onnx", &grey, &[], "one picture of 3 channels");
    let oblong = with_classifier(|graph| graph.input = vec![onnx::value("input", &[1, 3, 96, 64])]);
    export("oblong.onnx", &oblong, &[], "equal sides");
    let two = with_classifier(|graph| {
        graph.input.push(onnx::value("more", &[1]));
        let sum = onnx::node("Add", &["scores", "more"], "sum", vec![]);
        graph.node.push(sum);
        graph.output = vec![onnx::value("sum", &[1, 5])];
    });
    export("two.onnx", &two, &[], "2 tensors");
    let missing = with_classifier(|graph| drop(graph.initializer.remove(20)));
    export(
        "missing.onnx",
        &missing,
        &[],
        "tract cannot run this network",
    );
    export(
        "name.onnx",
        &with_classifier(|_| ()),
        &["--preprocess", "no-such"],
        "imagenet, symmetric, unit",
    );
}

#[test]
fn a_symbolic_network_is_fine_with_an_input_size() {
    let bench = Bench::new();
    let bytes = with_classifier(|graph| {
        graph.node.push(onnx::node(
            "Softmax",
            &["scores"],
            "shares",
            vec![onnx::int("axis", 1)],
        ));
        graph.input = vec![onnx::value("input", &[0, 3, 0, 0])];
        graph.output = vec![onnx::value("shares", &[1, 5])];
    });
    let (source, output) = (
        bench.file("symbolic.onnx", &bytes),
        bench.path("output.onnx"),
    );
    let mut export = lastlayer();
    export.arg("export").arg(source).arg("-o").arg(&output);
    let printed = succeed(export.args(["--input-size", "64", "--preprocess", "unit"]));
    // The taps of the network that it was made of are of no use to a classifier.
    assert!(printed.contains(", MatMul, Softmax\n"), "{printed}");
    assert!(output.is_file());
}
