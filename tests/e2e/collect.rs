//! `lastlayerd collect`: frames to prune a network by.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lastlayer_shared::{frame::Frame, photos};

use crate::support::*;

/// Of a folder of eight photos, each of them twice.
fn camera(folder: &Path) -> String {
    let shown = folder.join("shown");
    write_photos(&shown.join("once"), "car", 0, 8);
    write_photos(&shown.join("again"), "car", 0, 8);
    format!("folder:{}", shown.display())
}

fn collect(camera: &str, count: &str, output: &Path) -> Command {
    let mut collect = lastlayerd();
    collect.args(["collect", "--camera", camera, "--count", count]);
    collect.arg("--output").arg(output);
    collect
}

fn saved(folder: &Path) -> Vec<PathBuf> {
    photos::find(folder).unwrap()
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let photos = saved(folder);
    photos.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn varied_frames_are_saved_and_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera(folder.path());
    let output = folder.path().join("site/monday");
    let printed = succeed(&mut collect(&camera, "3", &output));
    assert!(printed.contains("3 photos in"), "{printed}");
    let first = contents(&output);
    assert_eq!(first.len(), 3);
    // All that there are, the copies only once.
    let printed = succeed(&mut collect(&camera, "20", &output));
    assert!(printed.contains("8 of 20 photos in"), "{printed}");
    assert!(printed.contains("goes on from here"), "{printed}");
    let all = contents(&output);
    assert_eq!(all.len(), 8);
    assert_eq!(all[..3], first[..]);
    let printed = succeed(&mut collect(&camera, "8", &output));
    assert!(printed.starts_with("8 photos in"), "{printed}");
    // People may be on them.
    #[cfg(unix)]
    for path in saved(&output) {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn what_is_saved_is_upright_and_what_the_view_shows() {
    let folder = tempfile::tempdir().unwrap();
    let wide = Frame::new(
        60,
        40,
        (0..60 * 40 * 3).map(|at| (at % 180) as u8).collect(),
    )
    .unwrap();
    fs::create_dir(folder.path().join("shown")).unwrap();
    fs::write(folder.path().join("shown/a.png"), wide.to_png().unwrap()).unwrap();
    let config = folder.path().join("lastlayerd.toml");
    let view =
        "[camera]\nsource = 'folder:shown'\n[camera.view]\nrotate = 90\nregion = [0, 0, 1, 0.5]\n";
    fs::write(&config, view).unwrap();
    let output = folder.path().join("out");
    let mut collect = lastlayerd();
    collect.args(["collect", "--count", "1", "--config"]);
    succeed(collect.arg(&config).arg("--output").arg(&output));
    let [photo] = saved(&output).try_into().unwrap();
    let frame = Frame::open(&photo).unwrap();
    assert_eq!((frame.width(), frame.height()), (40, 30));
}

#[test]
fn a_camera_goes_on_until_it_is_stopped_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().join("shown");
    fs::create_dir(&shown).unwrap();
    for (at, picture) in pictures().0["bird"][..5].iter().enumerate() {
        let jpeg = Frame::from(picture.clone()).to_jpeg().unwrap();
        fs::write(shown.join(format!("{at}.jpg")), jpeg).unwrap();
    }
    let camera = format!(
        "pipe:while :; do for i in {}/*.jpg; do cat $i || exit; sleep 0.03; done; done",
        shown.display()
    );
    let output = folder.path().join("out");
    let mut command = collect(&camera, "100", &output);
    let mut child = command
        .args(["--every", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("5 of 100"));
    succeed(Command::new("kill").arg(child.id().to_string()));
    let last = lines.last().unwrap().unwrap();
    assert!(last.contains("5 of 100 photos in"), "{last}");
    assert!(child.wait().unwrap().success());
    assert_eq!(saved(&output).len(), 5);
}

#[test]
fn what_cannot_be_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera(folder.path());
    let file = folder.path().join("file");
    fs::write(&file, b"mine").unwrap();
    let error = fail(&mut collect(&camera, "3", &file), 1);
    assert!(error.contains("cannot be used"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let output = folder.path().join("out");
    let error = fail(&mut collect("folder:nowhere", "3", &output), 1);
    assert!(error.contains("nowhere"), "{error}");
    fail(&mut collect(&camera, "0", &output), 2);
    let mut collect = collect(&camera, "3", &output);
    fail(collect.args(["--every", "NaN"]), 2);
}
