//! Folders of photos that teach nothing.

use std::fs;

use lastlayer_shared::frame::Frame;

use super::{Bench, networks::changed};
use crate::support::*;

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
    let picture = Frame::from(pictures().0["truck"][9].clone());
    let jpeg = picture.to_jpeg().unwrap();
    fs::write(photos.join("truck/a.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
    refused("a.jpg cannot be used: it is cut short");
    fs::remove_file(photos.join("truck/a.jpg")).unwrap();
    let [mut package, mut eval] = commands();
    let message = fail(eval.args(["--shots", "5"]), 1);
    assert!(
        message.contains("\"truck\" has 5 photos; teaching 5 leaves none"),
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
