//! `lastlayer eval`, and what the default head must reach.

mod dump;
mod fine_tuning;
mod report;
mod then;

use std::{fs, path::Path};

use lastlayer_host::{
    graph::{
        metadata::Metadata,
        mobilenet_v2::{self, Normalisation},
        onnx,
    },
    pretrained::state_dict::{StateDict, Tensor},
};
use lastlayer_shared::{backbone::Backbone, package::Package, preprocess::Preprocess};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{export::every_eighth, support::*};

fn eval(package: &Path, photos: &Path, more: &[&str]) -> Vec<serde_json::Value> {
    let mut eval = lastlayer();
    eval.arg("eval")
        .arg(package)
        .arg("--photos")
        .arg(photos)
        .arg("--json")
        .args(more);
    serde_json::from_str(&succeed(&mut eval)).unwrap()
}

/// The network of the recipe at its full size, as `to.llp`.
fn full_package(to: &Path, more: &[&str]) {
    let (onnx, package) = (to.with_extension("onnx"), to.with_extension("llp"));
    let mut export = lastlayer();
    export.args(["export", "mobilenet-v2"]).args(more);
    succeed(export.arg("-o").arg(&onnx));
    succeed(lastlayer().arg("package").arg(&onnx).arg("-o").arg(package));
}

/// Mean accuracy in per cent of the head that a board would use.
fn default_accuracy(rows: &[serde_json::Value], shots: u64) -> f64 {
    let row = default_row(rows, shots);
    row["accuracy_mean"].as_f64().unwrap() * 100.0
}

fn default_row(rows: &[serde_json::Value], shots: u64) -> &serde_json::Value {
    rows.iter()
        .find(|row| row["shots"] == shots && row["default"] == true)
        .unwrap()
}

#[test]
fn the_default_head_reaches_its_bars_on_vehicles() {
    let Some(vehicles) = shared_data("vehicles") else {
        return skip("../shared");
    };
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    every_eighth(&vehicles, &place("photos"), 8);
    full_package(&place("full"), &[]);
    let splits = place("splits.json");
    let more = ["--shots", "1,2,5,10,20,50", "--dump-splits"];
    let more = [&more[..], &[splits.to_str().unwrap()]].concat();
    let rows = eval(&place("full.llp"), &place("photos"), &more);
    assert_eq!(rows.len(), 6 * 5);
    let (ten, twenty) = (default_accuracy(&rows, 10), default_accuracy(&rows, 20));
    println!("vehicles: {ten:.1} with 10 a class, {twenty:.1} with 20");
    assert!(ten >= 83.5 && twenty >= 89.3, "{ten} {twenty}");
    let row = default_row(&rows, 20);
    let share = |key: &str| row[key].as_f64().unwrap();
    assert!(share("calibration_error") <= 0.05, "{row}");
    let familiarity = share("unknown_auroc") - share("unknown_auroc_by_confidence");
    assert!(familiarity >= 0.05, "{row}");
    match python() {
        None => skip("a Python with scikit-learn (LASTLAYER_PYTHON)"),
        Some(mut python) => {
            python.arg(script("compare_heads.py")).arg(&splits);
            python.args(["--least", "-0.3", "--ahead", "20:2.5,50:2.5"]);
            println!("{}", succeed(python.args(["--ahead-of-nearest", "10:7"])));
        }
    }

    // What was learned first is still known after all others.
    let then = ["--then", "truck,pickup,juggernaut", "--shots", "20"];
    let stories = eval(&place("full.llp"), &place("photos"), &then);
    let most = &stories[0]["steps"].as_array().unwrap().last().unwrap()["most_lost"];
    println!("most forgotten: {most}");
    assert!(most["lost"].as_f64().unwrap() <= 0.03, "{most}");

    // The same network with random weights has learned nothing to build on.
    fs::write(place("random.llp"), random_package().to_bytes().unwrap()).unwrap();
    let rows = eval(
        &place("random.llp"),
        &place("photos"),
        &["--shots", "10", "--splits", "5"],
    );
    let random = default_accuracy(&rows, 10);
    println!("random weights: {random:.1}");
    assert!(random < 35.0, "{random}");
}

/// Photos that everybody has, of scenes as varied as can be: class means are hard to beat here, and
/// the default may not fall far behind them.
#[test]
fn the_default_head_learns_cifar() {
    let folder = tempfile::tempdir().unwrap();
    for class in pictures().0.keys() {
        write_photos(&folder.path().join(class), class, 0, 60);
    }
    let rows = eval(
        bare_package(),
        folder.path(),
        &["--shots", "5,20", "--splits", "10"],
    );
    let means = rows
        .iter()
        .find(|row| row["shots"] == 20 && row["head"] == "means")
        .unwrap();
    let means = means["accuracy_mean"].as_f64().unwrap() * 100.0;
    let (five, twenty) = (default_accuracy(&rows, 5), default_accuracy(&rows, 20));
    println!(
        "CIFAR-10 at {SIZE} px: {five:.1} with 5 a class, {twenty:.1} with 20, means {means:.1}"
    );
    assert!(
        five > 50.0 && twenty > five && twenty > means - 2.0,
        "{five} {twenty} {means}"
    );
}

/// A MobileNetV2 as it is before training.
fn random_package() -> Package {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    // Expansion, channels, repeats, as in table 2 of the paper.
    let table = [
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ];
    let mut weights = StateDict::new();
    let mut add = |name: String, shape: [usize; 4]| {
        let count: usize = shape.iter().product();
        let scale = (2.0 / (shape[1] * shape[2] * shape[3]) as f32).sqrt();
        let mut normal = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
        let data = (0..count).map(|_| normal() * scale).collect();
        let norm = name.clone() + "n";
        let tensor = |shape: Vec<usize>, data: Vec<f32>| Tensor { shape, data };
        weights.insert(format!("{name}.weight"), tensor(shape.into(), data));
        for (part, value) in [
            ("weight", 1.0),
            ("bias", 0.0),
            ("running_mean", 0.0),
            ("running_var", 1.0),
        ] {
            let data = vec![value; shape[0]];
            weights.insert(format!("{norm}.{part}"), tensor(vec![shape[0]], data));
        }
    };
    add("features.0.0".into(), [32, 3, 3, 3]);
    let (mut input, mut stage) = (32, 1);
    for (expansion, channels, repeats) in table {
        for _ in 0..repeats {
            let hidden = input * expansion;
            if expansion > 1 {
                add(format!("features.{stage}.0"), [hidden, input, 1, 1]);
            }
            add(format!("features.{stage}.1"), [hidden, 1, 3, 3]);
            add(format!("features.{stage}.2"), [channels, hidden, 1, 1]);
            (input, stage) = (channels, stage + 1);
        }
    }
    add("features.18.0".into(), [1280, 320, 1, 1]);

    let preprocess = Preprocess::named("imagenet", 224).unwrap();
    let mut model = mobilenet_v2::build(&weights, 224, Normalisation::Folded, &[])
        .unwrap()
        .0;
    let metadata = Metadata {
        taps: Vec::new(),
        preprocess: preprocess.clone(),
        provenance: Default::default(),
    };
    metadata.write(&mut model).unwrap();
    let bytes = onnx::encode(&model);
    let backbone = Backbone::load(&bytes, &preprocess).unwrap();
    Package {
        version: 1,
        classes: Vec::new(),
        preprocess,
        provenance: Default::default(),
        self_test: lastlayer_host::self_test(&backbone).unwrap(),
        signed_by: None,
        backbone: bytes,
        samples: Vec::new(),
        head: None,
    }
}

#[test]
fn eval_prints_every_head_and_repeats_itself() {
    let folder = tempfile::tempdir().unwrap();
    few_photos(folder.path());
    let more = ["--shots", "1,4", "--splits", "3", "--seed", "5"];
    let rows = eval(bare_package(), folder.path(), &more);
    let again = eval(bare_package(), folder.path(), &more);
    let heads: Vec<&str> = rows
        .iter()
        .map(|row| row["head"].as_str().unwrap())
        .collect();
    assert_eq!(
        heads,
        [
            "3-nearest",
            "means",
            "ridge",
            "logistic",
            "lda",
            "3-nearest",
            "means",
            "ridge",
            "logistic",
            "lda"
        ]
    );
    for (row, again) in rows.iter().zip(&again) {
        assert_eq!(row["accuracy_mean"], again["accuracy_mean"]);
        assert!((0.0..=1.0).contains(&row["accuracy_mean"].as_f64().unwrap()));
        assert!(row["accuracy_std"].is_number() && row["train_ms_median"].is_number());
        assert_eq!(row["default"], row["head"] == "lda");
        // Its own copy of what was taught is the least that training takes.
        let least = 4 * 1280 * 3 * row["shots"].as_u64().unwrap();
        assert!(row["train_peak_bytes"].as_u64().unwrap() >= least, "{row}");
    }
    let mut table = lastlayer();
    table
        .arg("eval")
        .arg(bare_package())
        .arg("--photos")
        .arg(folder.path())
        .args(more);
    let shown = succeed(&mut table);
    assert!(
        shown.contains("lda (default)") && shown.contains("in % of each row"),
        "{shown}"
    );
}

/// Three classes of real photos.
fn few_photos(folder: &Path) {
    for class in ["car", "truck", "frog"] {
        write_photos(&folder.join(class), class, 0, 12);
    }
}

/// No folder can be made below a file: the cache is for speed and nothing else.
#[test]
fn a_cache_that_cannot_be_used_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["car", "frog"] {
        write_photos(&folder.path().join("photos").join(class), class, 0, 4);
    }
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let output = lastlayer()
        .arg("eval")
        .arg(bare_package())
        .arg("--photos")
        .arg(folder.path().join("photos"))
        .args(["--shots", "1", "--splits", "1"])
        .env("XDG_CACHE_HOME", &file)
        .output()
        .unwrap();
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("warning: nothing is kept"),
        "{errors}"
    );
}
