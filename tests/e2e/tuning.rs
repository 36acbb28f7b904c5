//! Fine-tuning on the board: when nobody teaches for a while, the last layer learns too.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{export::every_eighth, site::Site, support::*, upkeep::upkeep};

/// Starts at once when it is quiet.
const EAGER: &str = "[tuning]\nquiet_seconds = 0.01\n";

/// A board that knows what is in `start` of a site, watches its only camera, and was just taught a burst.
fn taught(backbone: &Path, site: &Site) -> crate::site::Live {
    site.packs(backbone, &site.path("start"));
    let state = site.path("state").display().to_string();
    let mut board = site.live(&["--fps", "20", "--state", &state]);
    board.wait_for("verdict");
    board.press(b"t");
    let learned = board.wait_for_one(&["learned", "refused"]);
    assert_eq!(learned["event"], "learned", "{learned}");
    board
}

/// The share of the next frames that are said to be of a class.
fn share(board: &mut crate::site::Live, class: &str) -> f64 {
    let frames = 20;
    let said = (0..frames).filter(|_| board.wait_for("verdict")["class"] == class);
    said.count() as f64 / f64::from(frames)
}

#[test]
fn the_last_layer_learns_when_it_is_quiet_and_gives_way_to_a_press() {
    let site = Site::new().configured(EAGER);
    fs::remove_dir_all(site.path("start")).unwrap();
    for class in ["car", "bird", "truck"] {
        write_photos(&site.path("start").join(class), class, 0, 40);
    }
    fs::remove_dir_all(site.path("camera")).unwrap();
    write_photos(&site.path("camera"), "bird", 40, 60);
    let mut board = taught(backbone(), &site);
    // What is asked for comes first, and then it is quiet again.
    board.press(b"u");
    let first = board.wait_for_one(&["tuned", "undone"]);
    assert_eq!(first["event"], "undone");
    board.press(b"t");
    let first = board.wait_for_one(&["tuned", "learned"]);
    assert_eq!(first["event"], "learned");
    // Who only asks what is known holds nothing up.
    let is_tuned = AtomicBool::new(false);
    let tuned = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let questions = (0..2000).take_while(|_| {
                succeed(&mut upkeep(&site, &["classes", "list"]));
                !is_tuned.load(Ordering::Relaxed)
            });
            questions.count()
        });
        let tuned = board.wait_for("tuned");
        is_tuned.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 10);
        tuned
    });
    assert_eq!(tuned["samples"], 3 * 40 + 10);
    assert!(share(&mut board, "bird") > 0.5);
    board.interrupt();
    board.wait_for("stopped");
    assert_eq!(board.exit_code(), Some(0));
}

#[test]
fn a_layer_that_the_samples_find_better_is_asked_from_then_on() {
    let Some(vehicles) = shared_data("vehicles") else {
        return skip("../shared");
    };
    let site = Site::new().configured(EAGER);
    fs::remove_dir_all(site.path("start")).unwrap();
    fs::remove_dir_all(site.path("camera")).unwrap();
    every_eighth(&vehicles, &site.path("start"), 8);
    // A third of one class is what the camera shows.
    let class = "bike";
    fs::create_dir_all(site.path("camera")).unwrap();
    let photos = fs::read_dir(site.path("start").join(class)).unwrap();
    let mut photos: Vec<_> = photos.map(|entry| entry.unwrap().path()).collect();
    photos.sort();
    for photo in photos.iter().step_by(3) {
        let to = site.path("camera").join(photo.file_name().unwrap());
        fs::rename(photo, to).unwrap();
    }
    let network = site.path("network.onnx");
    let mut export = lastlayer();
    export.args(["export", "mobilenet-v2", "--no-taps", "-o"]);
    succeed(export.arg(&network));
    let mut board = taught(&network, &site);
    let tuned = board.wait_for("tuned");
    assert_eq!(tuned["better"], true, "{tuned}");
    assert!(tuned["passes"].as_u64().unwrap() >= 5);
    let right = share(&mut board, class);
    assert!(right > 0.8, "{right}");
    // It is of those samples only.
    board.press(b"t");
    let learned = board.wait_for("learned");
    let place = learned["classes"].as_array().unwrap();
    let place = place.iter().position(|name| name == class).unwrap();
    assert!(share(&mut board, class) > 0.8 && learned["counts"][place].as_u64() > Some(50));
    assert_eq!(board.wait_for("tuned")["better"], true);
}
