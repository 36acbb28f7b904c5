//! `lastlayer demo`: the README's first command.

use std::fs;

use lastlayer_host::demo::story::{self, Told, accuracy};

use crate::support::*;

#[test]
fn trucks_are_learned_and_cars_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let printed = succeed(lastlayer().args(["demo", "--output"]).arg(folder.path()));
    for expected in [
        "before",
        "after",
        "balanced accuracy",
        "a frame:",
        "learning a press:",
    ] {
        assert!(printed.contains(expected), "{expected} is not in {printed}");
    }
    let mut told = Told::default();
    for line in fs::read_to_string(folder.path().join("events.jsonl"))
        .unwrap()
        .lines()
    {
        told.add(serde_json::from_str::<story::Event>(line).unwrap());
    }
    assert!(
        told.taught <= 50 && told.after.len() >= 200,
        "{} {}",
        told.taught,
        told.after.len()
    );
    let before = accuracy(&told.before, "truck").unwrap();
    assert_eq!(before, 0.0, "trucks were not known before");
    let (car, truck) = (
        accuracy(&told.after, "car").unwrap(),
        accuracy(&told.after, "truck").unwrap(),
    );
    println!("after: cars {car:.3}, trucks {truck:.3}");
    assert!((car + truck) / 2.0 >= 0.85, "cars {car}, trucks {truck}");

    let sheet = image::open(folder.path().join("contact-sheet.png"))
        .unwrap()
        .into_rgb8();
    assert!(sheet.width() > 600 && sheet.height() > 400);
    let colours: std::collections::HashSet<[u8; 3]> = sheet.pixels().map(|p| p.0).collect();
    assert!(colours.len() > 1000, "it shows photos");
}

#[test]
fn a_folder_of_ones_own_tells_the_story_too() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    for class in ["frog", "ship", "horse"] {
        write_photos(&photos.join(class), class, 0, 24);
    }
    let mut demo = lastlayer();
    demo.args(["demo", "--input-size", SIZE, "--photos"])
        .arg(photos)
        .arg("--output");
    let printed = succeed(demo.arg(folder.path().join("out")));
    assert!(
        printed.contains("taught: 10 photos of ship with 1 presses"),
        "{printed}"
    );
    assert!(folder.path().join("out/contact-sheet.png").is_file());
}

#[test]
fn a_folder_with_other_files_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    write_photos(&folder.path().join("start/mine"), "car", 0, 3);
    let message = fail(lastlayer().args(["demo", "--output"]).arg(folder.path()), 1);
    assert!(
        message.contains("holds files that are not the demo's"),
        "{message}"
    );
    assert_eq!(
        fs::read_dir(folder.path().join("start/mine"))
            .unwrap()
            .count(),
        3
    );
}
