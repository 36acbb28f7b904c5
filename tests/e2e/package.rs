//! `lastlayer package` and `inspect`.

use std::{
    fs,
    io::Cursor,
    path::Path,
    process::{Command, Stdio},
};

use image::{DynamicImage, ImageFormat, RgbImage, imageops};
use lastlayer_shared::{frame::Frame, package::Package};

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
        package.args(["--classes", "truck, car ,bird", "--version", "7", "-o"]);
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
    let parts = json["head_goes_by"].as_array().unwrap();
    let shares: Vec<f64> = parts
        .iter()
        .map(|part| part["share"].as_f64().unwrap())
        .collect();
    assert_eq!((parts.len(), &parts[0]["part"]), (3, &"embedding".into()));
    assert!(
        (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6,
        "{shares:?}"
    );
    assert_eq!(json["backbone"]["embedding_width"], 1280);
    assert_eq!(json["preprocess"]["input_size"], 96);
    let shown = succeed(lastlayer().arg("inspect").arg(place("a.llp")));
    for expected in [
        "version 7",
        "unsigned",
        "license: MIT",
        "the head goes by: embedding ",
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
    assert_eq!(json["head_goes_by"], serde_json::json!([]));
}

/// `bare_package` with one thing changed.
fn changed(folder: &Path, edit: impl Fn(&mut Package)) -> std::path::PathBuf {
    let mut package = Package::open(bare_package()).unwrap();
    edit(&mut package);
    let path = folder.join("changed.llp");
    package.save(&path).unwrap();
    path
}

#[test]
fn a_package_that_computes_something_else_here_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(folder.path(), |package| {
        for value in &mut package.self_test[1].embedding {
            *value *= 1.1;
        }
    });
    let message = fail(lastlayer().arg("inspect").arg(path), 1);
    assert!(message.contains("self-test 1 failed"), "{message}");
}

#[test]
fn a_foreign_package_cannot_fake_lines_of_inspect() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(folder.path(), |package| {
        let value = "MIT\nself-test: 9 pictures pass\u{1b}[2K";
        package.provenance.insert("license\nx".into(), value.into());
    });
    let shown = succeed(lastlayer().arg("inspect").arg(path));
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let own: Vec<&str> = shown
        .lines()
        .filter(|l| l.starts_with("self-test"))
        .collect();
    assert_eq!(own.len(), 1, "{shown}");
    assert!(shown.contains("license x: MIT self-test: 9"), "{shown}");
}

#[test]
fn what_cannot_be_written_is_refused_before_the_long_work() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("backbone.onnx");
    fs::copy(backbone(), &onnx).unwrap();
    // Embedding would fail, but is never begun.
    let photos = folder.path().join("photos");
    for class in ["car", "truck"] {
        fs::create_dir_all(photos.join(class)).unwrap();
        fs::write(photos.join(class).join("a.png"), b"no photo").unwrap();
    }
    let package = |output: &Path| {
        let mut package = lastlayer();
        package.current_dir(folder.path());
        package
            .arg("package")
            .arg(&onnx)
            .arg("--photos")
            .arg(&photos);
        fail(package.arg("-o").arg(output), 1)
    };
    let message = package(Path::new("photos/../backbone.onnx"));
    assert!(message.contains("replaced by its own package"), "{message}");
    assert_eq!(fs::read(&onnx).unwrap(), fs::read(backbone()).unwrap());
    let message = package(Path::new("no/such/site.llp"));
    assert!(
        message.contains("cannot write no/such/site.llp"),
        "{message}"
    );
}

/// What a photo is stored like does not matter: turned, grey, of 16 bits, see-through.
#[test]
fn photos_of_every_kind_become_the_same_crop() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    let small = &pictures().0["car"][0];
    let picture = imageops::resize(small, 160, 120, imageops::FilterType::Triangle);
    let encoded = |picture: DynamicImage, format: ImageFormat| {
        let mut bytes = Vec::new();
        picture
            .write_to(&mut Cursor::new(&mut bytes), format)
            .unwrap();
        bytes
    };
    let picture = DynamicImage::from(picture);
    // EXIF's 6: to be turned by a quarter, clockwise.
    let turned = encoded(picture.rotate270(), ImageFormat::Jpeg);
    let exif =
        b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&turned[..2], exif, &turned[2..]].concat();
    let kinds = [
        ("0.png", encoded(picture.clone(), ImageFormat::Png)),
        ("1.jpg", turned),
        (
            "2.png",
            encoded(picture.to_rgb16().into(), ImageFormat::Png),
        ),
        (
            "3.png",
            encoded(picture.to_rgba8().into(), ImageFormat::Png),
        ),
        (
            "4.jpeg",
            encoded(picture.to_luma8().into(), ImageFormat::Jpeg),
        ),
        (
            "5.png",
            encoded(picture.to_luma16().into(), ImageFormat::Png),
        ),
    ];
    fs::create_dir_all(photos.join("car")).unwrap();
    for (name, bytes) in &kinds {
        fs::write(photos.join("car").join(name), bytes).unwrap();
    }
    write_photos(&photos.join("truck"), "truck", 0, 1);
    let output = folder.path().join("site.llp");
    let mut package = lastlayer();
    package
        .arg("package")
        .arg(backbone())
        .arg("--photos")
        .arg(photos);
    succeed(package.arg("-o").arg(&output));

    let package = Package::open(&output).unwrap();
    let crops: Vec<RgbImage> = package.samples[..kinds.len()]
        .iter()
        .map(|sample| Frame::decode(&sample.crop).unwrap().into_image())
        .collect();
    let apart = |a: &RgbImage, b: &RgbImage| {
        let sum: u64 = a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        sum as f64 / a.len() as f64
    };
    let upright = &crops[0];
    assert!(
        apart(upright, &imageops::rotate180(upright)) > 20.0,
        "it tells turns apart"
    );
    let grey = DynamicImage::from(upright.clone()).to_luma8();
    let grey = DynamicImage::from(grey).into_rgb8();
    for (crop, (name, _)) in crops.iter().zip(&kinds) {
        let expected = if name.starts_with(['4', '5']) {
            &grey
        } else {
            upright
        };
        let apart = apart(crop, expected);
        assert!(apart < 4.0, "{name}: {apart}");
    }
}

/// A full disk loses a result, which is a failure; a reader who went away wants no more.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written() {
    let full = || {
        let device = fs::File::options().write(true).open("/dev/full");
        Stdio::from(device.unwrap())
    };
    let inspect = || {
        let mut inspect = lastlayer();
        inspect.arg("inspect").arg(bare_package());
        inspect
    };
    let message = fail(inspect().stdout(full()), 1);
    assert!(
        message.contains("the output cannot be written"),
        "{message}"
    );

    let mut board = inspect().stdout(Stdio::piped()).spawn().unwrap();
    drop(board.stdout.take());
    assert_eq!(board.wait().unwrap().code(), Some(0));

    // An error that nobody can be told is an error still, and no panic (which is code 101).
    let mut missing = lastlayer();
    missing.args(["inspect", "no/such.llp"]).stderr(full());
    assert_eq!(missing.output().unwrap().status.code(), Some(1));
}

#[test]
fn a_missing_package_is_named_once() {
    for command in [
        vec!["inspect", "no/such.llp"],
        vec!["eval", "no/such.llp", "--photos", "x"],
    ] {
        let message = fail(lastlayer().args(command), 1);
        assert_eq!(message.matches("no/such.llp").count(), 1, "{message}");
    }
}
