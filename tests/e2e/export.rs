//! `lastlayer export`.

use std::{collections::HashMap, fs, path::Path, process::Command};

use lastlayer_host::{
    graph::{metadata::Metadata, onnx},
    photos::{self, LabelledPhotos},
    pretrained::state_dict,
};
use lastlayer_shared::{backbone::Backbone, frame::Frame};

use crate::support::*;

#[test]
fn a_recipe_becomes_a_backbone_that_says_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backbone.onnx");
    let printed = succeed(
        lastlayer()
            .args(["export", "mobilenet-v2", "--output"])
            .arg(&path),
    );
    for expected in [
        "operators",
        "parameters",
        "299.56 M",
        "file",
        "1 x 3 x 224 x 224",
        "1280",
    ] {
        assert!(printed.contains(expected), "{expected} is not in {printed}");
    }
    assert!(largest_difference(&printed) < 1e-3);
    let model = onnx::decode(&fs::read(&path).unwrap()).unwrap();
    let metadata = Metadata::read(&model).unwrap().unwrap();
    assert_eq!(metadata.preprocess.input_size, 224);
    assert!(metadata.provenance["license"].contains("MIT"));
    assert!(metadata.provenance["source_sha256"].starts_with("2f518e77"));
    check(&path);
}

fn largest_difference(printed: &str) -> f32 {
    let line = printed
        .lines()
        .find(|line| line.starts_with("largest difference"))
        .unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// onnx.checker's full check.
fn check(path: &Path) {
    match python() {
        Some(mut python) => {
            let output = succeed(python.arg(script("check_onnx.py")).arg(path));
            assert_eq!(output.trim(), "ok");
        }
        None => skip("a Python with onnx (LASTLAYER_PYTHON)"),
    }
}

#[test]
fn a_classifier_made_elsewhere_is_cut() {
    let Some(source) = shared_data("models/mobilenet_v2_torchvision.onnx") else {
        return skip("../shared");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.onnx");
    let output = lastlayer()
        .arg("export")
        .arg(&source)
        .args(["--input-size", "160", "--output"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with("warning: how this network wants its pictures"));
    let printed = text(&output.stdout);
    assert!(printed.contains("cut: Gemm"), "{printed}");
    assert!(
        printed.contains("1 x 3 x 160 x 160   embedding: 1280 numbers"),
        "{printed}"
    );
    assert_eq!(largest_difference(&printed), 0.0);
    let model = onnx::decode(&fs::read(&path).unwrap()).unwrap();
    let graph = model.graph.unwrap();
    assert_eq!(graph.output.len(), 1);
    assert_eq!(graph.output[0].name, "embedding");
    assert!(!graph.initializer.iter().any(|tensor| tensor.name == "fc_w"));
    check(&path);
}

#[test]
fn every_weight_format_gives_the_same_backbone() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    // The recipe's own file is of torch's old format; it is in the cache after an export.
    backbone();
    let cache = lastlayer_host::pretrained::cache::Cache::of_user();
    let sum = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197";
    fs::write(place("weights.pt"), cache.get(sum).unwrap()).unwrap();
    let weights = state_dict::read(&fs::read(place("weights.pt")).unwrap()).unwrap();

    let bytes: HashMap<&String, Vec<u8>> = weights
        .iter()
        .map(|(name, tensor)| {
            (
                name,
                tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = weights.iter().map(|(name, tensor)| {
        let shape = tensor.shape.clone();
        let data = &bytes[name];
        (
            name,
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, data).unwrap(),
        )
    });
    fs::write(
        place("weights.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();

    // Python's own pickler writes what torch.save writes; torch itself is not needed.
    let numbers: Vec<u8> = weights
        .keys()
        .flat_map(|name| bytes[name].clone())
        .collect();
    let shapes: HashMap<&String, &Vec<usize>> = weights
        .iter()
        .map(|(name, tensor)| (name, &tensor.shape))
        .collect();
    fs::write(place("numbers"), numbers).unwrap();
    fs::write(place("shapes"), serde_json::to_vec(&shapes).unwrap()).unwrap();
    succeed(Command::new("python3").arg(script("make_pth.py")).args([
        place("shapes"),
        place("numbers"),
        place("weights.pth"),
    ]));

    let mut graphs = Vec::new();
    for name in ["weights.pt", "weights.pth", "weights.safetensors"] {
        let output = place(&format!("{name}.onnx"));
        let mut export = lastlayer();
        export.args(["export", "--preprocess", "imagenet", "--input-size", SIZE]);
        let printed = succeed(export.arg(place(name)).arg("-o").arg(&output));
        assert!(largest_difference(&printed) < 1e-3);
        graphs.push(onnx::decode(&fs::read(output).unwrap()).unwrap().graph);
    }
    assert!(graphs[0].is_some() && graphs[0] == graphs[1] && graphs[1] == graphs[2]);
}

#[test]
fn tract_and_onnxruntime_agree_on_real_photos() {
    let Some(mut python) = python() else {
        return skip("a Python with onnxruntime (LASTLAYER_PYTHON)");
    };
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    match shared_data("vehicles") {
        Some(vehicles) => every_eighth(&vehicles, &photos, 97),
        None => {
            for class in ["car", "truck", "bird"] {
                write_photos(&photos.join(class), class, 0, 8);
            }
        }
    }
    let onnx_path = folder.path().join("backbone.onnx");
    succeed(
        lastlayer()
            .args(["export", "mobilenet-v2", "--output"])
            .arg(&onnx_path),
    );
    let bytes = fs::read(&onnx_path).unwrap();
    let metadata = Metadata::read(&onnx::decode(&bytes).unwrap())
        .unwrap()
        .unwrap();
    let backbone = Backbone::load(&bytes, &metadata.preprocess).unwrap();
    let mut embedder = backbone.embedder().unwrap();
    let (mut inputs, mut embeddings) = (Vec::new(), Vec::new());
    let LabelledPhotos { photos, .. } = photos::labelled(&photos).unwrap();
    for (_, path) in &photos {
        let crop = metadata
            .preprocess
            .crop(&Frame::open(path).unwrap())
            .unwrap();
        inputs.extend(metadata.preprocess.normalise(&crop).unwrap());
        embeddings.extend(embedder.embed_crop(&crop).unwrap());
    }
    let raw = |name: &str, numbers: &[f32]| {
        let path = folder.path().join(name);
        let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(&path, bytes).unwrap();
        path
    };
    let (inputs, embeddings) = (raw("inputs", &inputs), raw("embeddings", &embeddings));
    let printed = succeed(python.arg(script("compare_embeddings.py")).args([
        &onnx_path,
        &inputs,
        &embeddings,
    ]));
    let largest: f32 = printed.trim().parse().unwrap();
    println!(
        "largest difference over {} photos: {largest:e}",
        photos.len()
    );
    assert!(photos.len() >= 20 && largest < 1e-4, "{largest}");
}

/// Copies the photos whose number is one of every `step`-th, as labelled folders.
pub fn every_eighth(vehicles: &Path, to: &Path, step: usize) {
    for class in fs::read_dir(vehicles)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if !class.is_dir() {
            continue;
        }
        let name = class.file_name().unwrap().to_string_lossy().into_owned();
        fs::create_dir_all(to.join(&name)).unwrap();
        for photo in fs::read_dir(&class)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let file = photo.file_name().unwrap().to_string_lossy().into_owned();
            let digits: String = file.chars().filter(char::is_ascii_digit).collect();
            if digits.parse::<usize>().unwrap() % step == 1 {
                fs::copy(&photo, to.join(&name).join(file)).unwrap();
            }
        }
    }
}
