//! Cameras, scenes and state folders of the board.

use super::Bench;
use crate::support::*;

#[test]
fn cameras_and_scenes_that_are_not_there() {
    let bench = Bench::new();
    let board = |camera: &str, more: &[&str]| {
        let mut board = lastlayerd();
        board
            .arg("--package")
            .arg(bare_package())
            .args(["--camera", camera])
            .args(more);
        fail(&mut board, 1)
    };
    let empty = format!("folder:{}", bench.folder.path().display());
    let missing = format!("folder:{}", bench.path("no").display());
    for (camera, expected) in [
        ("/dev/video250", "there is no camera at /dev/video250"),
        ("/dev/null", "is not a camera"),
        (missing.as_str(), "cannot be read"),
        (empty.as_str(), "has no photo that can be read"),
    ] {
        let message = board(camera, &[]);
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message}"
        );
    }
    let scene = bench
        .file("a.scene", b"0 show nowhere\n1 end")
        .display()
        .to_string();
    assert!(board(&empty, &["--scene", &scene]).contains("nowhere"));
    let wrong = bench
        .file("b.scene", b"0 show a\n0 jump")
        .display()
        .to_string();
    assert!(board(&empty, &["--scene", &wrong]).contains("line 2 of the scene"));
    let file = bench.file("file", b"");
    let state = file.join("state").display().to_string();
    assert!(board(&empty, &["--state", &state]).contains("state folder"));
}
