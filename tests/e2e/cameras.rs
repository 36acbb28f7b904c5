//! The board's program on a camera behind a child process, which a real board has for its CSI
//! camera: here a command of the shell that writes JPEGs of real photos.

use std::{
    fs,
    time::{Duration, Instant},
};

use lastlayer_shared::frame::Frame;

use crate::{site::Site, support::*};

/// Ten photos of a class as JPEGs, as an MJPEG stream has them. The package knows just these, so
/// that it is sure of whichever comes first.
fn write_jpegs(site: &Site, class: &str) -> String {
    let folder = site.path(class);
    fs::create_dir_all(&folder).unwrap();
    for (number, picture) in pictures().0[class][..10].iter().enumerate() {
        let jpeg = Frame::from(picture.clone()).to_jpeg().unwrap();
        fs::write(folder.join(format!("{number}.jpg")), jpeg).unwrap();
    }
    folder.display().to_string()
}

/// Writes one photo after another until nobody reads.
fn showing(folder: &str) -> String {
    format!("while :; do for i in {folder}/*.jpg; do cat $i || exit; sleep 0.03; done; done")
}

#[test]
fn watching_and_teaching_go_on_after_the_cameras_program_died() {
    let site = Site::new();
    let cars = write_jpegs(&site, "car");
    let birds = write_jpegs(&site, "bird");
    // It shows cars once and dies; started again, it shows birds.
    let died = site.path("died").display().to_string();
    let once = format!("for i in {cars}/*.jpg; do cat $i; sleep 0.03; done");
    let camera = format!(
        "pipe:if [ -e {died} ]; then {}; fi; {once}; touch {died}; echo no sensor >&2; exit 3",
        showing(&birds)
    );
    let mut board = site.live_on(&camera, &[]);
    let news = board.wait_for("camera");
    assert_eq!(news["delivers"], true, "{news}");
    assert_eq!(board.wait_for("verdict")["class"], "car");
    let news = board.wait_for("camera");
    assert_eq!(news["delivers"], false);
    let text = news["text"].as_str().unwrap();
    assert!(
        text.contains("exit status: 3") && text.contains("it said: no sensor"),
        "{text}"
    );
    assert_eq!(board.wait_for("camera")["delivers"], true);
    assert_eq!(board.wait_for("verdict")["class"], "bird");
    // As what they are: birds that are taught as cars are refused.
    board.press(b"n");
    board.wait_for("selected");
    board.press(b"t");
    assert_eq!(board.wait_for("learned")["samples"], 10);
    board.interrupt();
    board.wait_for("stopped");
    assert_eq!(board.exit_code(), Some(0));
}

#[test]
fn nothing_of_the_cameras_program_is_left_when_the_board_has_ended() {
    let site = Site::new();
    let cars = write_jpegs(&site, "car");
    let process = site.path("process").display().to_string();
    let camera = format!("pipe:echo $$ > {process}; {}", showing(&cars));
    let mut board = lastlayerd();
    board
        .arg("--package")
        .arg(site.path("site.llp"))
        .args(["--camera", &camera, "--frames", "3"]);
    succeed(&mut board);
    let id = fs::read_to_string(&process).unwrap();
    assert!(!std::path::Path::new("/proc").join(id.trim()).exists());
}

#[test]
fn a_cameras_program_that_gives_no_frame_at_the_start_says_why() {
    let site = Site::new();
    let fails = |camera: &str| {
        let mut board = lastlayerd();
        board.arg("--package").arg(site.path("site.llp"));
        fail(board.args(["--camera", camera]), 1)
    };
    let message = fails("pipe:no-such-program");
    assert!(message.contains("not found"), "{message}");
    let message = fails("pipe:cat /dev/zero");
    assert!(message.contains("without one whole JPEG"), "{message}");
    let message = fails("pipe:true");
    assert!(message.contains("ended (exit status: 0)"), "{message}");
    for (camera, expected) in [("rpicam", "rpicam-apps"), ("argus:1", "gstreamer1.0-tools")] {
        let mut board = lastlayerd();
        board.arg("--package").arg(site.path("site.llp"));
        // Also where this machine has them.
        board.args(["--camera", camera]).env("PATH", "");
        let message = fail(&mut board, 1);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_an_output_runs_and_a_camera_that_will_not_end_hold_nothing_up() {
    let site = Site::new();
    let began = site.path("began");
    let command = format!("trap '' TERM; touch {}; sleep 1000", began.display());
    let config = site.path("stubborn.toml");
    let text = format!(
        "[[output]]\nhold_seconds = 0.0\ntimeout_seconds = 600.0\n\
         command = [\"sh\", \"-c\", {command:?}]\n"
    );
    fs::write(&config, text).unwrap();
    let cars = write_jpegs(&site, "car");
    let camera = format!("pipe:trap '' TERM; {}", showing(&cars));
    let mut board = site.live_on(&camera, &["--config", &config.display().to_string()]);
    while !began.exists() {
        board.wait_for("verdict");
    }
    // It sleeps for longer than any test.
    (0..20).for_each(|_| drop(board.wait_for("verdict")));
    let asked = Instant::now();
    board.interrupt();
    assert_eq!(board.wait_for("stopped")["broken"], 0);
    assert_eq!(board.exit_code(), Some(0));
    // Whether it hangs, not how quick this machine is: 2 seconds are what boards are promised.
    assert!(asked.elapsed() < Duration::from_secs(10));
}
