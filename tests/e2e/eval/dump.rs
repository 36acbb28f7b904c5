//! `lastlayer eval --dump-splits`, and scikit-learn on what it wrote.

use std::{fs, path::Path};

use lastlayer_shared::{backbone::Backbone, frame::Frame, package::Package, view::View};

use super::{eval, few_photos};
use crate::support::*;

#[test]
fn a_dump_is_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    few_photos(&photos);
    let path = folder.path().join("splits.json");
    let dump = path.to_str().unwrap();
    let more = ["--shots", "1,4", "--splits", "3", "--dump-splits", dump];
    let rows = eval(bare_package(), &photos, &more);
    let dump: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();

    let labels = dump["labels"].as_array().unwrap();
    let names = dump["photos"].as_array().unwrap();
    let embeddings = dump["embeddings"].as_array().unwrap();
    assert_eq!([labels.len(), names.len(), embeddings.len()], [36; 3]);
    let package = Package::open(bare_package()).unwrap();
    let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
    let mut embedder = backbone.embedder().unwrap();
    for photo in [0, 17, 35] {
        let name = names[photo].as_str().unwrap();
        let class = labels[photo].as_u64().unwrap() as usize;
        assert!(name.starts_with(dump["classes"][class].as_str().unwrap()));
        let frame = Frame::open(&photos.join(name)).unwrap();
        let crop = package.preprocess.crop(&frame, &View::default()).unwrap();
        let embedding = embedder.embed_crop(&crop).unwrap();
        let dumped: Vec<f32> = serde_json::from_value(embeddings[photo].clone()).unwrap();
        assert_eq!(dumped, embedding, "{name}");
    }
    let parts = &dump["layout"];
    assert_eq!(parts["last"], backbone.layout().last());
    assert_eq!(parts["taps"], serde_json::json!(backbone.layout().taps()));

    let measured = |round: &serde_json::Value| {
        let heads = round["heads"].as_array().unwrap().clone();
        let mean = |head: serde_json::Value| {
            let accuracies: Vec<f64> = serde_json::from_value(head["accuracies"].clone()).unwrap();
            assert_eq!(accuracies.len(), 3);
            (head["head"].clone(), accuracies.iter().sum::<f64>() / 3.0)
        };
        heads.into_iter().map(mean).collect::<Vec<_>>()
    };
    let rounds = dump["rounds"].as_array().unwrap();
    let dumped: Vec<_> = rounds.iter().flat_map(measured).collect();
    assert_eq!(dumped.len(), rows.len());
    for ((head, mean), row) in dumped.iter().zip(&rows) {
        assert_eq!(head, &row["head"]);
        assert!((mean - row["accuracy_mean"].as_f64().unwrap()).abs() < 1e-9);
    }
    agrees_with_scikit_learn(&path, &dump);
}

/// The nearest neighbours of both are the same, and of another file they are not.
fn agrees_with_scikit_learn(path: &Path, dump: &serde_json::Value) {
    let compare = |more: &[&str]| {
        let mut python = python()?;
        python.arg(script("compare_heads.py")).arg(path).args(more);
        Some(python.output().unwrap())
    };
    let Some(output) = compare(&["--least", "-100", "--ahead-of-nearest", "1:-100,4:-100"]) else {
        return skip("a Python with scikit-learn (LASTLAYER_PYTHON)");
    };
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let row = |name: &str| -> Vec<&str> {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().collect()
    };
    assert_eq!(row("photos a class"), ["1", "4"]);
    assert_eq!(row("KNeighborsClassifier"), row("3-nearest "));
    assert_eq!(row("LinearDiscriminantAnalysis")[0], "-");
    assert_eq!(row("lda (default)").len(), 2);

    let missed = compare(&["--ahead", "4:100"]).unwrap();
    assert_eq!(missed.status.code(), Some(1));
    assert!(text(&missed.stdout).contains("missed: with 4 photos a class"));
    let mut another = dump.clone();
    another["labels"].as_array_mut().unwrap().rotate_left(6);
    fs::write(path, another.to_string()).unwrap();
    let other = compare(&[]).unwrap();
    assert_eq!(other.status.code(), Some(1), "{}", text(&other.stderr));
    assert!(text(&other.stdout).contains("is not what was measured"));
}

#[test]
fn a_dump_that_cannot_be_written_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("site.llp");
    fs::copy(bare_package(), &package).unwrap();
    let (photos, report) = (folder.path().join("photos"), folder.path().join("report"));
    write_photos(&photos.join("car"), "car", 0, 1);
    fs::create_dir(&report).unwrap();
    for (dump, expected) in [
        (
            folder.path().join("no/splits.json"),
            "its folder is not there",
        ),
        (folder.path().to_path_buf(), "it is a folder"),
        (package.clone(), "is the package"),
        (photos.join("car/000.png"), "is among the photos"),
        (photos.join("splits.json"), "is among the photos"),
        (report.clone(), "is in the report's place"),
        (report.join("index.html"), "is in the report's place"),
    ] {
        let mut eval = lastlayer();
        // A class that is not enough: who looks at photos first would say so.
        eval.arg("eval").arg(&package).arg("--photos").arg(&photos);
        eval.arg("--report").arg(&report);
        let message = fail(eval.arg("--dump-splits").arg(dump), 1);
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    assert_eq!(fs::read_dir(photos.join("car")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(report).unwrap().count(), 0);
}

#[test]
fn numbers_of_photos_are_measured_once_each_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    few_photos(folder.path());
    let rows = eval(
        bare_package(),
        folder.path(),
        &["--shots", "4,1,4", "--splits", "1"],
    );
    let shots: Vec<_> = rows.iter().map(|row| row["shots"].as_u64()).collect();
    assert_eq!(shots, [[Some(1); 5], [Some(4); 5]].concat());
}
