//! `lastlayer package` and `inspect`.

use std::{fs, process::Command};

use crate::support::*;

#[test]
fn the_same_input_gives_the_same_bytes_and_standard_tools_open_them() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for class in ["car", "truck"] {
        write_photos(&place("photos").join(class), class, 0, 6);
    }
    let make = |name: &str| {
        let mut package = lastlayer();
        package
            .arg("package")
            .arg(backbone())
            .arg("--photos")
            .arg(place("photos"));
        package.args(["--classes", "truck,car,bird", "--version", "7", "-o"]);
        let printed = succeed(package.arg(place(name)));
        assert!(
            printed.contains("bird") && printed.contains("version 7"),
            "{printed}"
        );
        fs::read(place(name)).unwrap()
    };
    assert!(make("a.llp") == make("b.llp"));

    let archive = zip::ZipArchive::new(fs::File::open(place("a.llp")).unwrap()).unwrap();
    let names: Vec<String> = archive
        .file_names()
        .map(|n| n.unwrap().into_owned())
        .collect();
    assert!(names.contains(&"manifest.json".to_owned()), "{names:?}");
    let unpack = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    succeed(
        Command::new("python3")
            .args(["-c", unpack])
            .args([place("a.llp"), place("out")]),
    );
    succeed(
        Command::new("sha256sum")
            .args(["-c", "SHA256SUMS"])
            .current_dir(place("out")),
    );

    let json = succeed(lastlayer().args(["inspect", "--json"]).arg(place("a.llp")));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 7);
    assert_eq!(json["classes"][0]["name"], "truck");
    assert_eq!(json["classes"][1]["samples"], 6);
    assert_eq!(json["classes"][2]["samples"], 0);
    assert_eq!(json["head"], "lda");
    assert_eq!(json["backbone"]["embedding_width"], 1280);
    assert_eq!(json["preprocess"]["input_size"], 96);
    let shown = succeed(lastlayer().arg("inspect").arg(place("a.llp")));
    for expected in [
        "version 7",
        "unsigned",
        "license: MIT",
        "truck",
        "self-test: 3 pictures pass",
    ] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
}

#[test]
fn no_classes_at_all_is_a_package_too() {
    let json = succeed(lastlayer().args(["inspect", "--json"]).arg(bare_package()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["classes"], serde_json::json!([]));
    assert_eq!(json["head"], serde_json::Value::Null);
}
