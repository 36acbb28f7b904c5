//! `lastlayer export`.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lastlayer_host::{
    graph::{metadata::Metadata, onnx},
    photos::{self, LabelledPhotos},
    pretrained::state_dict::{self, StateDict},
};
use lastlayer_shared::{backbone::Backbone, frame::Frame, view::View};

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
pub fn check(path: &Path) {
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
    let file = recipes_weights();
    fs::write(place("weights.pt"), &file).unwrap();
    let weights = state_dict::read(&file).unwrap();

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
    let [shapes, numbers] = for_python(&weights, folder.path());
    let mut make = Command::new("python3");
    make.arg(script("make_pth.py"))
        .args([shapes, numbers, place("weights.pth")]);
    succeed(&mut make);

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

/// The recipe's own file is of torch's old format; it is in the cache after an export.
fn recipes_weights() -> Vec<u8> {
    backbone();
    let cache = lastlayer_host::pretrained::cache::Cache::of_user();
    let sum = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197";
    cache.get(sum).unwrap()
}

/// Files with the shapes and the numbers of weights, as tests/reference reads them.
fn for_python(weights: &StateDict, folder: &Path) -> [PathBuf; 2] {
    let numbers: Vec<f32> = weights
        .values()
        .flat_map(|tensor| tensor.data.iter().copied())
        .collect();
    let shapes: HashMap<&String, &Vec<usize>> = weights
        .iter()
        .map(|(name, tensor)| (name, &tensor.shape))
        .collect();
    let path = folder.join("shapes");
    fs::write(&path, serde_json::to_vec(&shapes).unwrap()).unwrap();
    [path, raw(folder, "numbers", &numbers)]
}

fn raw(folder: &Path, name: &str, numbers: &[f32]) -> PathBuf {
    let path = folder.join(name);
    let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(&path, bytes).unwrap();
    path
}

/// Files with what a backbone gets to see of at most `most` real photos, and its embeddings.
pub fn embedded(backbone: &Path, folder: &Path, most: usize) -> ([PathBuf; 2], usize) {
    let photos = folder.join("photos");
    match shared_data("vehicles") {
        Some(vehicles) => every_eighth(&vehicles, &photos, 97),
        None => {
            for class in ["car", "truck", "bird"] {
                write_photos(&photos.join(class), class, 0, 8);
            }
        }
    }
    let bytes = fs::read(backbone).unwrap();
    let metadata = Metadata::read(&onnx::decode(&bytes).unwrap())
        .unwrap()
        .unwrap();
    let backbone = Backbone::load(&bytes, &metadata.preprocess).unwrap();
    let mut embedder = backbone.embedder().unwrap();
    let (mut inputs, mut embeddings) = (Vec::new(), Vec::new());
    let LabelledPhotos { photos, .. } = photos::labelled(&photos).unwrap();
    let step = photos.len().div_ceil(most);
    let looked_at = photos.iter().step_by(step);
    for (_, path) in looked_at.clone() {
        let crop = metadata
            .preprocess
            .crop(&Frame::open(path).unwrap(), &View::default())
            .unwrap();
        inputs.extend(metadata.preprocess.normalise(&crop).unwrap());
        embeddings.extend(embedder.embed_crop(&crop).unwrap());
    }
    let files = [
        raw(folder, "inputs", &inputs),
        raw(folder, "embeddings", &embeddings),
    ];
    (files, looked_at.len())
}

/// What a script of tests/reference printed: the largest difference.
pub fn difference(command: &mut Command, photos: usize) -> f32 {
    let largest = succeed(command).trim().parse().unwrap();
    println!("largest difference over {photos} photos: {largest:e}");
    largest
}

#[test]
fn tract_and_onnxruntime_agree_on_real_photos() {
    let Some(mut python) = python() else {
        return skip("a Python with onnxruntime (LASTLAYER_PYTHON)");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backbone.onnx");
    let mut export = lastlayer();
    succeed(export.args(["export", "mobilenet-v2", "-o"]).arg(&path));
    let (files, photos) = embedded(&path, folder.path(), usize::MAX);
    python.arg(script("compare_embeddings.py"));
    let largest = difference(python.arg(&path).args(files), photos);
    assert!(photos >= 20 && largest < 1e-4, "{largest}");
}

/// Independent of our cut: onnxruntime runs the whole classifier as it was.
#[test]
fn a_cut_backbone_gives_what_went_into_the_classifier() {
    let Some(source) = shared_data("models/mobilenet_v2_torchvision.onnx") else {
        return skip("../shared");
    };
    let Some(mut python) = python() else {
        return skip("a Python with onnxruntime (LASTLAYER_PYTHON)");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.onnx");
    let mut export = lastlayer();
    export.arg("export").arg(&source).arg("-o").arg(&path);
    succeed(export.args(["--preprocess", "imagenet", "--input-size", "160"]));
    let (files, photos) = embedded(&path, folder.path(), 20);
    python.arg(script("compare_classifier.py")).arg(&source);
    let largest = difference(python.arg("160").args(files), photos);
    assert!(photos >= 10 && largest < 1e-4, "{largest}");
}

/// Independent of our builder and of tract: numpy, from the raw weights.
#[test]
fn the_recipes_network_is_the_one_of_the_paper() {
    let Some(mut python) = python() else {
        return skip("a Python with numpy (LASTLAYER_PYTHON)");
    };
    let folder = tempfile::tempdir().unwrap();
    let weights = state_dict::read(&recipes_weights()).unwrap();
    let weights = for_python(&weights, folder.path());
    let (files, photos) = embedded(backbone(), folder.path(), 6);
    python.arg(script("mobilenet_v2.py")).args(weights);
    let largest = difference(python.arg(SIZE).args(files), photos);
    assert!(photos >= 3 && largest < 1e-4, "{largest}");
}

/// A classifier of 32 x 32 pixels that is made here.
pub fn small_classifier() -> onnx::ModelProto {
    let numbers = |count: usize| {
        (0..count)
            .map(|i| (i % 7) as f32 * 0.1 - 0.2)
            .collect::<Vec<_>>()
    };
    onnx::model(onnx::GraphProto {
        name: "small".into(),
        node: vec![
            onnx::node("Conv", &["input", "kernel"], "conv", vec![]),
            onnx::node("Relu", &["conv"], "features", vec![]),
            onnx::node("GlobalAveragePool", &["features"], "pool", vec![]),
            onnx::node("Flatten", &["pool"], "flat", vec![]),
            onnx::node("Gemm", &["flat", "dense"], "scores", vec![]),
        ],
        initializer: vec![
            onnx::weights("kernel", &[4, 3, 3, 3], &numbers(108)),
            onnx::weights("dense", &[4, 5], &numbers(20)),
        ],
        input: vec![onnx::value("input", &[1, 3, 32, 32])],
        output: vec![onnx::value("scores", &[1, 5])],
        ..onnx::GraphProto::default()
    })
}

#[test]
fn files_are_what_they_are_named_and_the_source_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let export = |source: &OsStr, output: &str| {
        let mut export = lastlayer();
        export.current_dir(folder.path()).arg("export").arg(source);
        export.args(["--preprocess", "imagenet", "-o", output]);
        export
    };
    let bytes = onnx::encode(&small_classifier());
    fs::write(place("net.onnx"), &bytes).unwrap();
    // A file that happens to have the name of a preprocessing changes nothing.
    fs::write(place("imagenet"), "input_size = 64").unwrap();
    let net = OsStr::new("net.onnx");
    let printed = succeed(&mut export(net, "out.onnx"));
    assert!(printed.contains("1 x 3 x 32 x 32"), "{printed}");
    check(&place("out.onnx"));
    let error = fail(&mut export(net, "./net.onnx"), 1);
    assert!(error.contains("is the network itself"), "{error}");
    assert_eq!(fs::read(place("net.onnx")).unwrap(), bytes);
    // Said before anything is read.
    let error = fail(&mut export(OsStr::new("imagenet"), "no/such/out.onnx"), 1);
    assert!(error.contains("cannot write"), "{error}");
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"net\xff.onnx");
        fs::write(folder.path().join(name), &bytes).unwrap();
        succeed(&mut export(name, "out.onnx"));
    }
}

#[test]
fn a_recipes_file_is_what_the_recipe_says_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |bytes: &[u8], architecture: [&str; 2], expected: &str| {
        let [architecture, cut] = architecture;
        fs::write(folder.path().join("net"), bytes).unwrap();
        let text = include_str!("../../models/mobilenet-v2.toml");
        let (before, _) = text.split_once("[[source]]").unwrap();
        let recipe = before
            .replace("name = \"mobilenet-v2\"", "name = \"mine\"")
            .replace("= \"mobilenet-v2\"", &format!("= \"{architecture}\""))
            .replace("\"global-pool\"", &format!("\"{cut}\""));
        let sum = lastlayer_shared::file::sha256(bytes);
        let source = format!("[[source]]\nfile = \"net\"\nsha256 = \"{sum}\"\n");
        fs::write(folder.path().join("mine.toml"), recipe + &source).unwrap();
        let mut export = lastlayer();
        export.current_dir(folder.path());
        let error = fail(
            export.args(["export", "mine", "--recipes", ".", "-o", "out.onnx"]),
            1,
        );
        assert!(error.contains(expected), "{error}");
    };
    let weights = recipes_weights();
    let classifier = ["onnx", "classifier"];
    fails(&weights, classifier, "its file holds weights");
    let mut model = small_classifier();
    let builder = ["mobilenet-v2", "global-pool"];
    fails(&onnx::encode(&model), builder, "does not hold weights");
    let kernel = &mut model.graph.as_mut().unwrap().initializer[0];
    fs::write(folder.path().join("w.data"), &kernel.raw_data).unwrap();
    kernel.raw_data.clear();
    kernel.data_location = Some(1);
    kernel.external_data.push(onnx::StringStringEntryProto {
        key: "location".into(),
        value: "w.data".into(),
    });
    fails(
        &onnx::encode(&model),
        classifier,
        "must hold its numbers itself",
    );
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
