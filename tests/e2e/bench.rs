//! `lastlayer bench` on the real network, with ONNX Runtime where it is installed.

use std::fs;

use serde_json::Value;

use crate::support::{backbone, bare_package, fail, lastlayer, python, skip, succeed};

/// Every runtime that is here has run both networks, and its process took memory.
#[test]
fn runtimes_are_measured_side_by_side() {
    let Some(python) = python() else {
        return skip("a Python with onnxruntime (LASTLAYER_PYTHON)");
    };
    let mut bench = lastlayer();
    bench.arg("bench").args([backbone(), backbone()]);
    bench
        .arg("--json")
        .arg("--python")
        .arg(python.get_program());
    let measured: Vec<Value> = serde_json::from_str(&succeed(&mut bench)).unwrap();
    for network in ["full", "pruned"] {
        for runtime in ["lastlayer", "tract", "onnxruntime"] {
            let found = measured
                .iter()
                .find(|line| line["network"] == network && line["runtime"] == runtime);
            let found = found.unwrap_or_else(|| panic!("{runtime} of {network}: {measured:?}"));
            let number = |key: &str| found[key].as_f64().unwrap();
            let [low, high] = [0, 1].map(|at| found["quartiles_ms"][at].as_f64().unwrap());
            assert!(0.0 < low && low <= number("median_ms") && number("median_ms") <= high);
            assert!(number("start_ms") > number("median_ms"), "{found}");
            // The weights alone are 9 MB.
            assert!(number("peak_rss_mb") > 9.0, "{found}");
        }
    }
}

/// Without Python there are our own two, and a line that says what is missing.
#[test]
fn what_is_not_there_is_said() {
    let mut bench = lastlayer();
    bench.arg("bench").arg(backbone());
    let output = bench.args(["--python", "no-such-python"]).output().unwrap();
    assert!(output.status.success());
    let (said, warned) = [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text))
        .into();
    assert!(
        said.contains("lastlayer") && said.contains("tract"),
        "{said}"
    );
    for peer in ["onnxruntime", "ncnn"] {
        assert!(
            warned.contains(&format!("warning: not measured: {peer}:")),
            "{warned}"
        );
    }
}

#[test]
fn what_is_no_backbone_is_not_measured() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.onnx");
    fs::write(&text, "no network").unwrap();
    let missing = folder.path().join("missing.onnx");
    for (file, why) in [
        (bare_package(), "is a package"),
        (&text, "is not a backbone"),
        (&missing, "missing.onnx"),
    ] {
        let error = fail(lastlayer().arg("bench").arg(backbone()).arg(file), 1);
        assert!(error.contains(why), "{error}");
    }
}
