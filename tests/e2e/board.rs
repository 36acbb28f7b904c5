//! The board's program under scenes: what it sees, what it is taught, what it keeps.

use std::fs;

use lastlayer_firmware::{memory::Limits, slots::Slots, storage};
use lastlayer_shared::{
    backbone::Backbone,
    frame::Frame,
    head::{Head, Kind},
    package::Package,
    sample::examples,
};

use crate::{
    site::{CONFIG, Site},
    support::*,
};

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
    let ready = named(&first, "ready")[0];
    assert_eq!(ready["samples"], serde_json::json!([20, 20, 0]));
    let learned = named(&first, "learned");
    assert_eq!(learned.len(), 2);
    assert_eq!(learned[1]["counts"], serde_json::json!([20, 20, 20]));
    // The ten trucks of the first press were not trucks yet.
    let before: Vec<&str> = named(&first, "verdict")
        .iter()
        .filter(|v| (2.0..2.95).contains(&v["time"].as_f64().unwrap()))
        .map(|v| v["class"].as_str().unwrap())
        .collect();
    assert_eq!(before.len(), 10);
    assert!(before.iter().all(|class| *class != "truck"), "{before:?}");
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
fn for_a_person_the_log_says_what_changes() {
    let site = Site::new();
    fs::write(site.path("story.scene"), TEACH_TRUCKS).unwrap();
    let mut board = lastlayerd();
    let camera = format!("folder:{}", site.path("camera").display());
    board.arg("--package").arg(site.path("site.llp"));
    fs::write(site.path("board.toml"), CONFIG).unwrap();
    board.arg("--config").arg(site.path("board.toml"));
    board.args(["--camera", &camera, "--scene"]);
    let output = board.arg(site.path("story.scene")).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    let printed = text(&output.stderr);
    for expected in [
        " INFO ready; classes with their samples: car (20), bird (20), truck (0); `teach` now \
         teaches car\n",
        "`teach` now teaches truck\n",
        "    2.00  collecting\n",
        "learned 10 samples of truck in ",
        "stopped after 60 frames, 0 dropped, 0 broken\n",
    ] {
        assert!(
            printed.contains(expected),
            "{expected:?} is not in {printed}"
        );
    }
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.len() < 60, "verdicts are printed when they change");
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

#[test]
fn a_still_scene_teaches_nothing_and_says_why() {
    let site = Site::new();
    let one = site.path("camera/one");
    fs::create_dir(&one).unwrap();
    let cars = fs::read_dir(site.path("camera/car")).unwrap();
    let photo = cars.map(|entry| entry.unwrap().path()).next().unwrap();
    fs::copy(&photo, one.join(photo.file_name().unwrap())).unwrap();
    fs::write(
        site.path("story.scene"),
        "0 show one\n1 press teach\n1.2 release teach\n6 end",
    )
    .unwrap();
    let mut board = lastlayerd();
    board.arg("--package").arg(site.path("site.llp"));
    let camera = format!("folder:{}", site.path("camera").display());
    board.args(["--camera", &camera, "--log", "json", "--scene"]);
    let told = events(&succeed(board.arg(site.path("story.scene"))));
    assert!(named(&told, "learned").is_empty());
    let reason = named(&told, "refused")[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("only 1 of at least 3 frames could be used; nothing moved"),
        "{reason}"
    );
    let states: Vec<&str> = named(&told, "state")
        .iter()
        .map(|event| event["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["collecting", "refusing", "watching"]);
}

#[test]
fn one_button_a_class_teaches_without_selecting() {
    let site = Site::new();
    let scene = "
        0 show truck
        0 press class-3
        0.2 release class-3
        2 show car
        2 press class-1
        2.2 release class-1
        4 press undo
        4.2 release undo
        5 press class-9
        5.2 release class-9
        6 show new
        7.9 end";
    let events = site.tell(&site.path("site.llp"), scene, &[]);
    let learned: Vec<&str> = named(&events, "learned")
        .iter()
        .map(|event| event["class"].as_str().unwrap())
        .collect();
    assert_eq!(learned, ["truck", "car"]);
    assert_eq!(named(&events, "undone")[0]["class"], "car");
    let refused = named(&events, "refused")[0]["reason"].as_str().unwrap();
    assert!(
        refused.contains("no class for the button `class-9`"),
        "{refused}"
    );
    let (right, shown) = called(&events, "new", "truck", 6.0);
    assert!(shown == 20 && right >= 12, "{right} of {shown}");
}

#[test]
fn what_is_taught_is_what_the_view_shows_and_says_so() {
    let site = Site::new();
    let view =
        "[camera.view]\nrotate = 180\nflip = \"horizontal\"\nregion = [0.0, 0.25, 0.5, 0.5]\n";
    let config = site.path("view.toml");
    fs::write(&config, format!("{CONFIG}{view}")).unwrap();
    fs::write(
        site.path("story.scene"),
        UNFINISHED.replace("0.5 show nothing", ""),
    )
    .unwrap();
    let camera = format!("folder:{}", site.path("camera").display());
    let mut board = lastlayerd();
    board
        .arg("--config")
        .arg(&config)
        .arg("--package")
        .arg(site.path("site.llp"));
    board
        .arg("--state")
        .arg(site.path("state"))
        .args(["--camera", &camera]);
    let told = board
        .args(["--log", "json", "--scene"])
        .arg(site.path("story.scene"));
    let events = events(&succeed(told));
    assert_eq!(named(&events, "learned")[0]["samples"], 10);
    let package = Package::open(&site.path("site.llp")).unwrap();
    let state = site.path("state");
    let storage = storage::open(Some(&state)).unwrap();
    let limits = Limits::default();
    let memory = Slots::open(storage, limits).unwrap().memory().unwrap();
    let view = lastlayer_shared::view::View {
        rotate: 180.try_into().unwrap(),
        flip: lastlayer_shared::view::Flip::Horizontal,
        region: [0.0, 0.25, 0.5, 0.5].try_into().unwrap(),
    };
    let mut photos: Vec<_> = fs::read_dir(site.path("camera/car"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    photos.sort();
    assert_eq!(memory.len(), 10);
    let burst = memory.all().next().unwrap();
    for (place, photo) in photos.iter().enumerate().take(10) {
        assert_eq!(burst.samples[place].view, view);
        let kept = Frame::decode(&memory.crop(burst, place).unwrap()).unwrap();
        let crop = package
            .preprocess
            .crop(&Frame::open(photo).unwrap(), &view)
            .unwrap();
        let off: u64 = kept
            .rgb()
            .iter()
            .zip(crop.rgb())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        // JPEG at quality 90.
        assert!(off < 4 * kept.rgb().len() as u64, "{photo:?}");
    }
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
    let state = site.path("state").display().to_string();
    let nothing = "0 show new\n0 end";
    site.tell(&site.path("site.llp"), nothing, &["--state", &state]);
    // A folder stands where the first head is written.
    fs::create_dir(site.path("state/a/heads/.new-0000000000")).unwrap();
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
    let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
    let layout = backbone.layout();
    let head = Head::fit(Kind::Means, layout, &examples(&package.samples)).unwrap();
    package.head = Some(head.clone());
    package.save(&site.path("means.llp")).unwrap();
    let events = site.tell(
        &site.path("means.llp"),
        "0 show new\n0.4 end",
        &["--unsigned"],
    );
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
