//! The board's program: what it sees, what it is taught, what it keeps.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Stdio,
};

use lastlayer_shared::{
    backbone::Backbone,
    frame::Frame,
    head::{Head, Kind},
    package::Package,
    sample::examples,
};

use crate::support::*;

/// A package that knows car and bird and lists truck, and photos to show: `car`, `truck` (taught),
/// `new` (trucks that are never taught).
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let start = site.folder.path().join("start");
        write_photos(&start.join("car"), "car", 0, 20);
        write_photos(&start.join("bird"), "bird", 0, 20);
        let camera = site.folder.path().join("camera");
        write_photos(&camera.join("car"), "car", 40, 60);
        write_photos(&camera.join("truck"), "truck", 0, 20);
        write_photos(&camera.join("new"), "truck", 40, 60);
        let mut package = lastlayer();
        package
            .arg("package")
            .arg(backbone())
            .arg("--photos")
            .arg(start);
        package
            .args(["--classes", "car,bird,truck", "-o"])
            .arg(site.path("site.llp"));
        succeed(&mut package);
        site
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn board(&self, package: &Path, more: &[&str]) -> std::process::Command {
        let mut board = lastlayerd();
        let camera = format!("folder:{}", self.path("camera").display());
        board
            .arg("--package")
            .arg(package)
            .args(["--camera", &camera, "--log", "json"]);
        board.args(more);
        board
    }

    /// Runs a scene; its events.
    fn tell(&self, package: &Path, scene: &str, more: &[&str]) -> Vec<serde_json::Value> {
        fs::write(self.path("story.scene"), scene).unwrap();
        let mut board = self.board(package, more);
        events(&succeed(board.arg("--scene").arg(self.path("story.scene"))))
    }
}

const TEACH_TRUCKS: &str = "
    # twice `next`: truck is selected
    0 show car
    1 press next
    1.1 release next
    1.2 press next
    1.3 release next
    2 show truck
    2 press teach
    2.2 release teach
    3 press teach
    3.2 release teach
    4 show new
    5.9 end";

/// How many of the photos in `folder` were called `class` from `time` on, and how many there were.
fn called(events: &[serde_json::Value], folder: &str, class: &str, from: f64) -> (usize, usize) {
    let verdicts: Vec<_> = named(events, "verdict")
        .into_iter()
        .filter(|v| v["time"].as_f64().unwrap() >= from)
        .filter(|v| v["photo"].as_str().unwrap().starts_with(folder))
        .collect();
    let right = verdicts.iter().filter(|v| v["class"] == class).count();
    (right, verdicts.len())
}

#[test]
fn a_taught_class_is_recognised_and_a_restart_knows_it() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let package = site.path("site.llp");
    let first = site.tell(&package, TEACH_TRUCKS, &["--state", &state]);
    assert_eq!(first[0]["event"], "ready");
    assert_eq!(first[0]["samples"], serde_json::json!([20, 20, 0]));
    let learned = named(&first, "learned");
    assert_eq!(learned.len(), 2);
    assert_eq!(learned[1]["counts"], serde_json::json!([20, 20, 20]));
    // While they were taught trucks were cars or birds; the next ones are trucks.
    assert_eq!(
        called(&first, "truck", "truck", 0.0).0
            + called(&first, "truck", "car", 0.0).0
            + called(&first, "truck", "bird", 0.0).0,
        20
    );
    let (right, shown) = called(&first, "new", "truck", 4.0);
    assert!(shown == 20 && right >= 15, "{right} of {shown}");

    let second = site.tell(&package, "0 show new\n1.9 end", &["--state", &state]);
    assert_eq!(second[0]["samples"], serde_json::json!([20, 20, 20]));
    assert_eq!(called(&second, "new", "truck", 0.0), (right, shown));
    // Without the state folder nothing was taught.
    let third = site.tell(&package, "0 show new\n1.9 end", &[]);
    assert_eq!(called(&third, "new", "truck", 0.0).0, 0);
}

#[test]
fn the_same_scene_gives_the_same_verdicts() {
    let site = Site::new();
    let verdicts = |events: Vec<serde_json::Value>| -> Vec<(String, String, String)> {
        named(&events, "verdict")
            .iter()
            .map(|v| {
                (
                    v["photo"].to_string(),
                    v["class"].to_string(),
                    v["confidence"].to_string(),
                )
            })
            .collect()
    };
    let shaken = ["--shake", "0.7", "--seed", "3"];
    let package = site.path("site.llp");
    let one = verdicts(site.tell(&package, TEACH_TRUCKS, &shaken));
    assert_eq!(one, verdicts(site.tell(&package, TEACH_TRUCKS, &shaken)));
    let other = ["--shake", "0.7", "--seed", "4"];
    assert_ne!(one, verdicts(site.tell(&package, TEACH_TRUCKS, &other)));
}

#[test]
fn a_long_press_undoes_and_a_long_next_adds_a_class() {
    let site = Site::new();
    let scene = "
        0 show car
        0 press teach
        0.2 release teach
        # held: undoes
        2 press teach
        4.5 release teach
        5 press next
        7.5 release next
        8 show truck
        8 press teach
        8.2 release teach
        10 press next
        10.2 release next";
    let events = site.tell(&site.path("site.llp"), scene, &[]);
    assert_eq!(
        named(&events, "learned")[0]["counts"],
        serde_json::json!([30, 20, 0])
    );
    assert_eq!(named(&events, "undone")[0]["samples"], 10);
    assert_eq!(named(&events, "class-added")[0]["class"], "class-1");
    let last = named(&events, "learned")[1];
    assert_eq!(last["class"], "class-1");
    assert_eq!(last["counts"], serde_json::json!([20, 20, 0, 10]));
    assert_eq!(named(&events, "selected").last().unwrap()["class"], "car");
    assert_eq!(events.last().unwrap()["event"], "stopped");
}

#[test]
fn a_package_without_classes_can_be_taught_from_nothing() {
    let site = Site::new();
    let scene = "
        0 show car
        0 press teach
        0.2 release teach
        3 press next
        5.5 release next
        6 press teach
        6.2 release teach
        8 press next
        10.5 release next
        11 show truck
        11 press teach
        11.2 release teach
        14 show new
        15.9 end";
    let events = site.tell(bare_package(), scene, &[]);
    assert!(
        named(&events, "refused")[0]["reason"]
            .as_str()
            .unwrap()
            .contains("hold `next`")
    );
    assert_eq!(
        called(&events, "car", "unknown", 0.0).0,
        called(&events, "car", "unknown", 0.0).1
    );
    let (right, shown) = called(&events, "new", "class-2", 14.0);
    assert!(shown == 20 && right >= 14, "{right} of {shown}");
}

/// Ten cars are shown for teaching, and the end comes before they are learned.
const UNFINISHED: &str = "
    0 show car
    0 press teach
    0.2 release teach
    0.5 show nothing";

#[test]
fn a_camera_that_fails_does_not_take_a_burst_with_it() {
    let site = Site::new();
    fs::write(site.path("story.scene"), UNFINISHED).unwrap();
    let state = site.path("state").display().to_string();
    let mut board = site.board(&site.path("site.llp"), &["--state", &state]);
    let output = board
        .arg("--scene")
        .arg(site.path("story.scene"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("camera/nothing cannot be read"));
    let events = events(&text(&output.stdout));
    assert_eq!(named(&events, "learned")[0]["samples"], 5);
    let again = site.tell(
        &site.path("site.llp"),
        "0 show car\n0 end",
        &["--state", &state],
    );
    assert_eq!(again[0]["samples"], serde_json::json!([25, 20, 0]));
}

#[test]
fn what_cannot_be_kept_or_read_is_a_warning_and_teaching_goes_on() {
    let site = Site::new();
    fs::write(site.path("camera/car/005-broken.png"), b"no photo").unwrap();
    // A folder stands where the head is kept.
    fs::create_dir_all(site.path("state/head")).unwrap();
    let state = site.path("state").display().to_string();
    let told = site.tell(&site.path("site.llp"), TEACH_TRUCKS, &["--state", &state]);
    assert_eq!(named(&told, "learned").len(), 2);
    assert!(named(&told, "refused").is_empty());
    let warnings: Vec<&str> = named(&told, "warning")
        .iter()
        .map(|event| event["warning"].as_str().unwrap())
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("005-broken.png"), "{warnings:?}");
    assert!(
        warnings[1].contains("the head could not be kept"),
        "{warnings:?}"
    );
    let again = site.tell(
        &site.path("site.llp"),
        "0 show car\n0 end",
        &["--state", &state],
    );
    assert_eq!(again[0]["samples"], serde_json::json!([20, 20, 20]));
}

#[test]
fn a_package_is_run_with_the_head_that_is_in_it() {
    let site = Site::new();
    let mut package = Package::open(&site.path("site.llp")).unwrap();
    let head = Head::fit(Kind::Means, &examples(&package.samples)).unwrap();
    package.head = Some(head.clone());
    package.save(&site.path("means.llp")).unwrap();
    let events = site.tell(&site.path("means.llp"), "0 show new\n0.4 end", &[]);
    let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
    let mut embedder = backbone.embedder().unwrap();
    let verdicts = named(&events, "verdict");
    assert_eq!(verdicts.len(), 5);
    for verdict in verdicts {
        let photo = site.path("camera").join(verdict["photo"].as_str().unwrap());
        let embedding = embedder.embed(&Frame::open(&photo).unwrap()).unwrap();
        let expected = head.answer(&embedding).unwrap();
        assert_eq!(verdict["class"], package.classes[expected.class].as_str());
        let said = verdict["confidence"].as_f64().unwrap();
        assert!((said - f64::from(expected.confidence)).abs() < 1e-6);
    }
}

/// Sends `board` the signal that Ctrl-C in its terminal would.
fn interrupt(board: &std::process::Child) {
    let id = board.id().to_string();
    succeed(std::process::Command::new("kill").args(["-INT", &id]));
}

#[test]
fn ctrl_c_ends_watching_in_order() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let keyboard = ["--panel", "keyboard", "--fps", "50", "--state", &state];
    let mut board = site.board(&site.path("site.llp"), &keyboard);
    let mut board = board
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = board.stdin.take().unwrap();
    let mut lines = BufReader::new(board.stdout.take().unwrap()).lines();
    let mut wait_for = |event: &str| {
        let wanted = |line: &String| line.contains(event);
        lines.by_ref().map(Result::unwrap).find(wanted).unwrap();
    };
    wait_for("verdict");
    keys.write_all(b"t").unwrap();
    wait_for("\"training\"");
    interrupt(&board);
    wait_for("\"learned\"");
    wait_for("\"stopped\"");
    assert_eq!(board.wait().unwrap().code(), Some(0));
    let again = site.tell(
        &site.path("site.llp"),
        "0 show car\n0 end",
        &["--state", &state],
    );
    assert_eq!(again[0]["samples"], serde_json::json!([30, 20, 0]));
}

#[test]
fn the_terminal_is_as_it_was_after_ctrl_c() {
    let site = Site::new();
    let board = site.board(&site.path("site.llp"), &["--panel", "keyboard"]);
    let mut python = std::process::Command::new("python3");
    python.arg(script("terminal.py")).arg(board.get_program());
    let printed = succeed(python.args(board.get_args()));
    assert_eq!(
        printed.trim(),
        "echo before: True, watching: False, after: True; exit code 0"
    );
}

#[test]
fn a_log_that_nobody_reads_on_ends_it_quietly() {
    let site = Site::new();
    let mut board = site.board(&site.path("site.llp"), &["--fps", "50"]);
    let mut board = board
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(board.stdout.take());
    let output = board.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn keys_teach_while_a_live_camera_is_watched() {
    let site = Site::new();
    let mut board = site.board(
        &site.path("site.llp"),
        &["--panel", "keyboard", "--fps", "50"],
    );
    let mut board = board
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = board.stdin.take().unwrap();
    let mut lines = BufReader::new(board.stdout.take().unwrap()).lines();
    let mut wait_for = |event: &str| -> serde_json::Value {
        let wanted = |line: &String| line.contains(&format!("\"event\":\"{event}\""));
        serde_json::from_str(&lines.by_ref().map(Result::unwrap).find(wanted).unwrap()).unwrap()
    };
    wait_for("verdict");
    keys.write_all(b"n").unwrap();
    assert_eq!(wait_for("selected")["class"], "bird");
    keys.write_all(b"t").unwrap();
    let learned = wait_for("learned");
    assert_eq!(learned["class"], "bird");
    assert_eq!(learned["counts"][1], 30);
    wait_for("verdict");
    board.kill().unwrap();
    board.wait().unwrap();
}

#[test]
fn a_slow_look_drops_frames_rather_than_queueing_them() {
    let site = Site::new();
    // A thousand frames a second cannot be looked at; thirty of them are, and the rest is dropped.
    let mut board = site.board(&site.path("site.llp"), &["--fps", "1000", "--frames", "30"]);
    let events = events(&succeed(&mut board));
    let stopped = events.last().unwrap();
    assert_eq!(stopped["frames"], 30);
    assert!(stopped["dropped"].as_u64().unwrap() > 0, "{stopped}");
}

#[test]
fn a_second_program_on_the_same_state_is_turned_away() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let more = ["--state", state.as_str(), "--fps", "5"];
    let mut first = site.board(&site.path("site.llp"), &more);
    let mut first = first.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("ready"));
    let message = fail(&mut site.board(&site.path("site.llp"), &more), 1);
    assert!(
        message.contains("in use by another lastlayerd"),
        "{message}"
    );
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock goes with the process, however it ended.
    let mut third = site.board(&site.path("site.llp"), &more);
    succeed(third.args(["--frames", "1"]));
}

#[test]
fn state_of_another_network_is_refused_and_kept() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    site.tell(&site.path("site.llp"), TEACH_TRUCKS, &["--state", &state]);
    let before = fs::read(site.path("state").join("samples")).unwrap();
    let (other, package) = (site.path("other.onnx"), site.path("other.llp"));
    succeed(
        lastlayer()
            .args(["export", "mobilenet-v2", "--input-size", "64", "-o"])
            .arg(&other),
    );
    succeed(
        lastlayer()
            .arg("package")
            .arg(&other)
            .arg("-o")
            .arg(&package),
    );
    let message = fail(&mut site.board(&package, &["--state", &state]), 1);
    assert!(message.contains("taught with another network"), "{message}");
    assert_eq!(
        fs::read(site.path("state").join("samples")).unwrap(),
        before
    );
}
