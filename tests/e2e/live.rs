//! The board's program on a live camera: keys, signals, a reader that goes, a second program.

use std::process::{Command, Stdio};

use crate::{site::Site, support::*};

#[test]
fn keys_teach_while_a_live_camera_is_watched() {
    let site = Site::new();
    let mut board = site.live(&["--fps", "50"]);
    board.wait_for("verdict");
    board.press(b"n");
    assert_eq!(board.wait_for("selected")["class"], "bird");
    board.press(b"t");
    let learned = board.wait_for("learned");
    assert_eq!(learned["class"], "bird");
    assert_eq!(learned["counts"][1], 30);
    board.wait_for("verdict");
}

#[test]
fn keys_for_long_presses_add_a_class_and_undo() {
    let site = Site::new();
    let mut board = site.live(&["--fps", "50"]);
    board.wait_for("verdict");
    board.press(b"a");
    assert_eq!(board.wait_for("class-added")["class"], "class-1");
    board.press(b"t");
    assert_eq!(board.wait_for("learned")["class"], "class-1");
    board.press(b"u");
    let undone = board.wait_for("undone");
    assert_eq!(
        (&undone["class"], &undone["samples"]),
        (&"class-1".into(), &10.into())
    );
}

#[test]
fn a_burst_is_learned_though_nobody_reads_the_log_any_more() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let mut board = site.live(&["--fps", "5", "--state", &state]);
    board.wait_for("verdict");
    board.press(b"t");
    while board.wait_for("state")["state"] != "collecting" {}
    // The key is released after 0.15 s, the burst over after 2 s.
    (0..4).for_each(|_| drop(board.wait_for("verdict")));
    assert_eq!(board.stop_reading(), Some(0));
    let again = site.tell(
        &site.path("site.llp"),
        "0 show car\n0 end",
        &["--state", &state],
    );
    let cars = again[0]["samples"][0].as_u64().unwrap();
    assert!((24..30).contains(&cars), "{cars}");
}

#[test]
fn a_folder_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let site = Site::new();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
    std::fs::rename(site.path("camera"), site.path("").join(odd)).unwrap();
    let mut camera = std::ffi::OsString::from("folder:");
    camera.push(site.path("").join(odd));
    let mut board = lastlayerd();
    board.arg("--package").arg(site.path("site.llp"));
    succeed(board.arg("--camera").arg(camera).args(["--frames", "2"]));
}

#[test]
fn ctrl_c_ends_watching_in_order() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let mut board = site.live(&["--fps", "50", "--state", &state]);
    board.wait_for("verdict");
    board.press(b"t");
    while board.wait_for("state")["state"] != "training" {}
    board.interrupt();
    board.wait_for("learned");
    board.wait_for("stopped");
    assert_eq!(board.exit_code(), Some(0));
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
    let mut python = Command::new("python3");
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
    let mut first = site.live(&more);
    first.wait_for("ready");
    let message = fail(&mut site.board(&site.path("site.llp"), &more), 1);
    assert!(
        message.contains("in use by another lastlayerd"),
        "{message}"
    );
    // Killed, not asked to end.
    drop(first);
    // The lock goes with the process, however it ended.
    let mut third = site.board(&site.path("site.llp"), &more);
    succeed(third.args(["--frames", "1"]));
}
