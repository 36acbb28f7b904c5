//! Real child processes: small commands of the shell that deliver, die, stall, flood, or are not
//! there.

use std::path::Path;

use lastlayer_shared::frame::Frame;

use super::*;

fn settings(format: Option<PixelFormat>) -> Settings {
    Settings {
        width: 16,
        height: 16,
        format,
        timeout_seconds: 0.5,
        ..Settings::default()
    }
}

fn start(command: &str, format: Option<PixelFormat>) -> ChildCamera {
    ChildCamera::pipe(&command.into(), &settings(format)).unwrap()
}

/// Asks until there is a frame or an end.
fn next(camera: &mut ChildCamera) -> Result<Frame, CameraError> {
    loop {
        if let Some(capture) = camera.next()? {
            return Ok(capture.frame);
        }
    }
}

fn end(camera: &mut ChildCamera) -> String {
    loop {
        if let Err(error) = next(camera) {
            return error.to_string();
        }
    }
}

fn write(folder: &Path, name: &str, shade: u8) -> Frame {
    let frame = Frame::new(16, 16, vec![shade; 768]).unwrap();
    std::fs::write(folder.join(name), frame.to_jpeg().unwrap()).unwrap();
    frame
}

#[test]
fn jpegs_of_a_command_are_frames_and_its_end_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.jpg", 50);
    let path = folder.path().join("a.jpg").display().to_string();
    let command =
        format!("cat {path} {path}; echo 'first' >&2; printf 'no  sensor\\n' >&2; exit 3");
    let mut camera = start(&command, None);
    let frame = next(&mut camera).unwrap();
    assert_eq!((frame.width(), frame.height()), (16, 16));
    assert!(frame.rgb().iter().all(|value| value.abs_diff(50) < 4));
    let message = end(&mut camera);
    assert!(message.contains("exit status: 3"), "{message}");
    assert!(message.ends_with("it said: no sensor"), "{message}");
}

#[test]
fn raw_frames_come_whole_and_half_a_frame_is_none() {
    // A frame of 7, half a frame of 8.
    let command = "head -c 768 /dev/zero | tr '\\0' '\\7'; sleep 0.2; head -c 300 /dev/zero";
    let mut camera = start(command, Some(PixelFormat::Rgb24));
    assert_eq!(next(&mut camera).unwrap().rgb(), [7; 768]);
    let message = end(&mut camera);
    assert!(message.contains("ended (exit status: 0)"), "{message}");
    assert_eq!(camera.broken(), 0);
    assert!(camera.describe().ends_with("16x16 RGB3"));
}

#[test]
fn the_newest_frame_wins() {
    let zeros = "head -c 7680 /dev/zero; head -c 768 /dev/zero | tr '\\0' '\\7'; sleep 5";
    let mut camera = start(zeros, Some(PixelFormat::Rgb24));
    // Eleven frames, which nobody looks at.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(50));
        let seven = camera
            .frames
            .lock()
            .newest
            .as_ref()
            .is_some_and(|f| f[0] == 7);
        if seven {
            break;
        }
    }
    assert_eq!(next(&mut camera).unwrap().rgb()[0], 7);
}

#[test]
fn broken_jpegs_are_skipped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.jpg", 50);
    let good = std::fs::read(folder.path().join("a.jpg")).unwrap();
    std::fs::write(folder.path().join("torn.jpg"), &good[..good.len() / 2]).unwrap();
    let command = format!(
        "cd {}; cat torn.jpg a.jpg; sleep 5",
        folder.path().display()
    );
    let mut camera = start(&command, None);
    next(&mut camera).unwrap();
    assert_eq!(camera.broken(), 1);
    let warnings = camera.warnings();
    assert!(warnings[0].contains("cut short"), "{warnings:?}");
}

#[test]
fn a_command_that_is_not_there_says_so() {
    let mut camera = start("no-such-camera-program", None);
    let message = end(&mut camera);
    assert!(
        message.contains("127") && message.contains("not found"),
        "{message}"
    );
}

#[test]
fn a_stalled_command_is_given_up_and_ended() {
    let mut camera = start(
        "head -c 768 /dev/zero; echo waiting >&2; sleep 600 & sleep 600",
        Some(PixelFormat::Rgb24),
    );
    next(&mut camera).unwrap();
    let message = end(&mut camera);
    assert!(
        message.contains("no frame for 0.5 seconds; it said: waiting"),
        "{message}"
    );
    let start = Instant::now();
    drop(camera);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn nothing_of_a_command_is_left_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    // The second child does not listen to requests to end.
    let command = format!(
        "echo $$ > {0}; (trap '' TERM; exec sleep 600) & echo $! >> {0}; echo ready >> {0}; sleep 600",
        file.display()
    );
    let camera = start(&command, None);
    let mut lines = Vec::new();
    while lines.len() < 3 {
        thread::sleep(Duration::from_millis(10));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        lines = text.lines().map(str::to_owned).collect();
    }
    drop(camera);
    for pid in &lines[..2] {
        // A killed one may still wait for its parent to look at it.
        let path = format!("/proc/{pid}/stat");
        let alive = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z"));
        let start = Instant::now();
        while alive() && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!alive(), "{pid}");
    }
}

#[test]
fn a_flood_of_rubbish_ends_with_advice_and_a_flood_of_frames_does_not() {
    let mut camera = start("cat /dev/zero", None);
    let message = end(&mut camera);
    assert!(
        message.contains("16 MB without one whole JPEG"),
        "{message}"
    );
    let mut camera = start("cat /dev/zero", Some(PixelFormat::Grey));
    for _ in 0..20 {
        assert_eq!(next(&mut camera).unwrap().rgb()[0], 0);
    }
}

/// A program under the name of GStreamer's that writes as the Jetson's source does: messages to the
/// standard output, frames to the descriptor that it is told.
#[test]
fn messages_of_the_jetsons_source_do_not_get_into_its_frames() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("gst-launch-1.0");
    let script = "#!/bin/sh\necho 'GST_ARGUS: Creating output stream'\n\
                  head -c 384 /dev/zero | tr '\\0' '\\200' >&3\nsleep 5\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut launch = Launch::argus(0, &settings(None));
    assert_eq!(launch.arguments[0], "-c");
    // This test's own program instead of the one that is not here.
    let path = format!("PATH={}:$PATH\n", folder.path().display());
    let mut own = OsString::from(path);
    own.push(&launch.arguments[1]);
    launch.arguments[1] = own;
    let mut camera = ChildCamera::start(launch, &settings(None)).unwrap();
    let frame = next(&mut camera).unwrap();
    assert!(frame.rgb().iter().all(|value| value.abs_diff(130) < 3));
}

#[test]
fn a_jetson_without_gstreamer_says_what_to_install() {
    let mut launch = Launch::argus(0, &settings(None));
    let mut script = OsString::from("PATH=\n");
    script.push(&launch.arguments[1]);
    launch.arguments[1] = script;
    let mut camera = ChildCamera::start(launch, &settings(None)).unwrap();
    let message = end(&mut camera);
    assert!(message.contains("install gstreamer1.0-tools"), "{message}");
}

#[test]
fn its_end_is_told_also_where_somebody_else_holds_its_pipe() {
    let mut camera = start("setsid sleep 3 & printf 'no sensor\\n' >&2; exit 4", None);
    let begin = Instant::now();
    let message = end(&mut camera);
    assert!(message.contains("exit status: 4"), "{message}");
    assert!(begin.elapsed() < Duration::from_secs(3), "{message}");
}

#[test]
fn a_flood_of_complaints_does_not_stop_frames() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.jpg", 50);
    let path = folder.path().join("a.jpg").display().to_string();
    let command = format!("yes complaint >&2 & while cat {path}; do sleep 0.05; done");
    let mut camera = start(&command, None);
    for _ in 0..5 {
        next(&mut camera).unwrap();
    }
    assert!(camera.process.said().ends_with("complaint"));
}
