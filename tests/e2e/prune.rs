//! `lastlayer export --calibrate`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lastlayer_host::graph::{cost, metadata::Metadata, onnx};
use lastlayer_shared::{backbone::EMBEDDING, taps::TAPS};

use crate::{
    export::{check, difference, embedded, small_classifier},
    support::*,
};

/// Unlabelled photos at several depths; the names of the folders mean nothing.
fn site(folder: &Path) -> PathBuf {
    let site = folder.join("site");
    for (place, class) in [
        ("", "car"),
        ("monday/morning", "truck"),
        ("tuesday", "bird"),
    ] {
        write_photos(&site.join(place), class, 0, 16);
    }
    site
}

fn export(site: &Path, goal: &[&str], output: &Path) -> Command {
    let mut export = export_unseen(goal, output);
    export.arg("--calibrate").arg(site);
    export
}

/// Without photos.
fn export_unseen(goal: &[&str], output: &Path) -> Command {
    let mut export = lastlayer();
    export.args(["export", "mobilenet-v2", "--input-size", "64"]);
    export.args(goal).arg("-o").arg(output);
    export
}

fn macs(file: &Path) -> u64 {
    let model = onnx::decode(&fs::read(file).unwrap()).unwrap();
    cost::of(&model, &[EMBEDDING, TAPS]).unwrap().macs
}

#[test]
fn a_pruned_network_is_ordinary_onnx_that_all_runtimes_agree_on() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path());
    let path = folder.path().join("pruned.onnx");
    let printed = succeed(&mut export(&site, &["--keep", "0.5"], &path));
    for expected in [
        "channels kept",
        "error added",
        "by 48 photos to",
        "lost on those held back",
    ] {
        assert!(printed.contains(expected), "{expected} is not in {printed}");
    }
    check(&path);
    let model = onnx::decode(&fs::read(&path).unwrap()).unwrap();
    let metadata = Metadata::read(&model).unwrap().unwrap();
    assert!(metadata.provenance["pruned_to"].ends_with('%'));
    let whole = folder.path().join("whole.onnx");
    let mut plain = lastlayer();
    plain.args(["export", "mobilenet-v2", "--input-size", "64", "-o"]);
    succeed(plain.arg(&whole));
    let share = macs(&path) as f64 / macs(&whole) as f64;
    assert!((0.4..=0.5).contains(&share), "{share}");
    // Kernels work on whole tiles.
    for tensor in &model.graph.as_ref().unwrap().initializer {
        let hidden = tensor.dims.len() == 4 && tensor.dims[1] == 1;
        assert!(
            !hidden || tensor.dims[0] % 16 == 0,
            "{}: {:?}",
            tensor.name,
            tensor.dims
        );
    }
    // Again: the same bytes.
    let again = folder.path().join("again.onnx");
    succeed(&mut export(&site, &["--keep", "0.5"], &again));
    assert!(fs::read(&path).unwrap() == fs::read(&again).unwrap());
    let mut package = lastlayer();
    package.arg("package").arg(&path).arg("--key").arg(key());
    succeed(package.arg("-o").arg(folder.path().join("site.llp")));
    let Some(mut python) = python() else {
        return skip("a Python with onnxruntime (LASTLAYER_PYTHON)");
    };
    let (files, photos) = embedded(&path, folder.path(), 20);
    python.arg(script("compare_embeddings.py"));
    let largest = difference(python.arg(&path).args(files), photos);
    assert!(photos >= 10 && largest < 1e-4, "{largest}");
}

#[test]
fn a_permitted_loss_is_not_passed_and_a_budget_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path());
    let path = folder.path().join("pruned.onnx");
    let lost = |goal: &[&str]| -> f64 {
        let printed = succeed(&mut export(&site, goal, &path));
        let (_, after) = printed.split_once("held back: ").unwrap();
        after.split_once(" %").unwrap().0.parse().unwrap()
    };
    assert!(lost(&["--max-loss", "1"]) <= 1.0);
    let little = macs(&path);
    assert!(lost(&["--max-loss", "8"]) <= 8.0);
    assert!(macs(&path) < little);
    lost(&["--max-macs", "16M"]);
    assert!(macs(&path) <= 16_000_000);
}

#[test]
fn bad_photos_and_budgets_are_one_line_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("pruned.onnx");
    let fails = |site: &Path, goal: &[&str], code, expected: &str| {
        let error = fail(&mut export(site, goal, &output), code);
        assert!(error.contains(expected), "{error}");
        assert!(!output.exists());
    };
    let site = site(folder.path());
    let keep = ["--keep", "0.5"];
    fails(&site, &["--keep", "0.06"], 1, "cannot be pruned to");
    fails(&site, &["--max-macs", "1k"], 1, "cannot be pruned to");
    fails(&site, &["--keep", "7"], 2, "give a number from");
    fails(
        &site,
        &["--keep", "0.5", "--max-loss", "1"],
        2,
        "cannot be used with",
    );
    fails(&folder.path().join("none"), &keep, 1, "cannot be read");
    let few = folder.path().join("few");
    write_photos(&few, "car", 0, 15);
    fails(&few, &keep, 1, "15 photo(s)");
    // Enough by their names, too few by what is in them.
    fs::write(few.join("x.png"), b"no picture").unwrap();
    fails(&few, &keep, 1, "15 photo(s)");
    let grey = folder.path().join("grey");
    fs::create_dir(&grey).unwrap();
    let picture = image::RgbImage::from_pixel(64, 64, image::Rgb([90; 3]));
    for at in 0..20 {
        picture.save(grey.join(format!("{at}.png"))).unwrap();
    }
    fails(&grey, &keep, 1, "look the same");
    // Some that cannot be read are passed over, and said.
    fs::write(site.join("x.jpg"), b"no picture").unwrap();
    let done = export(&site, &["--keep", "0.7"], &output).output().unwrap();
    assert!(done.status.success() && text(&done.stderr).contains("passed over"));
}

#[test]
fn a_network_without_blocks_is_left_whole() {
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("net.onnx");
    fs::write(&net, onnx::encode(&small_classifier())).unwrap();
    let mut export = lastlayer();
    export
        .arg("export")
        .arg(&net)
        .args(["--preprocess", "imagenet", "--keep", "0.5"]);
    export
        .arg("--calibrate")
        .arg(site(folder.path()))
        .arg("-o")
        .arg(folder.path().join("out.onnx"));
    let error = fail(&mut export, 1);
    assert!(
        error.contains("no layer of this network can be pruned"),
        "{error}"
    );
    assert!(!folder.path().join("out.onnx").exists());
}

#[test]
fn without_photos_little_is_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pruned.onnx");
    let export = |keep: &str| export_unseen(&["--keep", keep], &path);
    let error = fail(&mut export("0.5"), 1);
    assert!(error.contains("--calibrate") && !path.exists(), "{error}");
    let done = export("0.9").output().unwrap();
    assert!(done.status.success());
    assert!(text(&done.stderr).contains("no photos of the site"));
    assert!(text(&done.stdout).contains("by 192 made-up photos"));
}
