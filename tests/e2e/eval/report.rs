//! `lastlayer eval --report`: a page for people who teach cameras.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use lastlayer_shared::frame::Frame;

use crate::support::*;

#[test]
fn the_report_is_a_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for class in ["car", "truck", "frog"] {
        write_photos(&place("photos").join(class), class, 0, 8);
    }
    let eval = |report: &str| {
        let mut eval = lastlayer();
        eval.arg("eval").arg(bare_package()).arg("--photos");
        eval.arg(place("photos"));
        eval.args(["--shots", "1,4", "--splits", "2", "--report"]);
        eval.arg(place(report));
        eval
    };
    let shown = succeed(&mut eval("report"));
    assert!(shown.contains("index.html"), "{shown}");
    let page = fs::read_to_string(place("report/index.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    assert!(page.contains("Taught 4 photos of each class"), "{page}");
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("</svg>").count(), 3);
    for foreign in ["<script", "<link", "http://", "https://", "file:"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(!page.contains(&*folder.path().to_string_lossy()));
    let pictures: Vec<&str> = page.split("data:image/jpeg;base64,").skip(1).collect();
    assert!(pictures.len() >= 3, "the diagonal has one a class");
    for picture in pictures {
        let jpeg = STANDARD.decode(picture.split('"').next().unwrap()).unwrap();
        assert_eq!(Frame::decode(&jpeg).unwrap().width(), 128);
    }

    // An older report is replaced, and nothing else is touched.
    succeed(&mut eval("report"));
    fs::write(place("report/notes.txt"), b"mine").unwrap();
    let error = fail(&mut eval("report"), 1);
    assert!(error.contains("other things than a report"), "{error}");
    let error = fail(&mut eval("photos/report"), 1);
    assert!(error.contains("taken for a class"), "{error}");
    let error = fail(&mut eval("no/such"), 1);
    assert!(error.contains("make it first"), "{error}");
}
