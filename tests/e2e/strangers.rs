//! What was never taught: the board says `unknown` of it, as it is configured from the start.

use std::fs;

use crate::{site::CONFIG, support::*};

/// Three vehicles, each taught by three presses of its button. Then photos of the same three, and of
/// animals.
const SCENE: &str = "
    0 show car
    0 press class-1
    0.2 release class-1
    1 press class-1
    1.2 release class-1
    2 press class-1
    2.2 release class-1
    3 show truck
    3 press class-2
    3.2 release class-2
    4 press class-2
    4.2 release class-2
    5 press class-2
    5.2 release class-2
    6 show ship
    6 press class-3
    6.2 release class-3
    7 press class-3
    7.2 release class-3
    8 press class-3
    8.2 release class-3
    9 show new-car
    13 show new-truck
    17 show new-ship
    21 show frog
    25 show horse
    28.9 end";

/// Of the verdicts on photos in these folders, the share that is `unknown`.
fn unknown(events: &[serde_json::Value], folders: &[&str]) -> f64 {
    let verdicts: Vec<_> = named(events, "verdict")
        .into_iter()
        .filter(|verdict| {
            let photo = verdict["photo"].as_str().unwrap();
            folders.iter().any(|folder| photo.starts_with(folder))
        })
        .collect();
    assert_eq!(verdicts.len(), 40 * folders.len());
    let unknown = verdicts.iter().filter(|v| v["class"] == "unknown");
    unknown.count() as f64 / verdicts.len() as f64
}

#[test]
fn animals_are_unknown_to_a_board_that_was_taught_vehicles() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let camera = place("camera");
    for class in ["car", "truck", "ship"] {
        write_photos(&camera.join(class), class, 0, 30);
        write_photos(&camera.join(format!("new-{class}")), class, 40, 80);
    }
    for class in ["frog", "horse"] {
        write_photos(&camera.join(class), class, 0, 40);
    }
    let mut package = lastlayer();
    package
        .arg("package")
        .arg(backbone())
        .arg("--key")
        .arg(key());
    package.args(["--classes", "car,truck,ship", "-o"]);
    succeed(package.arg(place("site.llp")));
    fs::write(place("story.scene"), SCENE).unwrap();
    let tell = |config: &str| {
        fs::write(place("board.toml"), config).unwrap();
        let mut board = lastlayerd();
        board.arg("--config").arg(place("board.toml"));
        board.arg("--package").arg(place("site.llp"));
        board.args(["--camera", &format!("folder:{}", camera.display())]);
        board.args(["--log", "json", "--scene"]);
        events(&succeed(board.arg(place("story.scene"))))
    };
    let (known, new) = (["new-car", "new-truck", "new-ship"], ["frog", "horse"]);
    let told = tell(CONFIG);
    assert_eq!(named(&told, "learned").len(), 9);
    let (lost, noticed) = (unknown(&told, &known), unknown(&told, &new));
    println!("unknown: {lost:.3} of vehicles, {noticed:.3} of animals");
    assert!(lost <= 0.15, "{lost}");
    assert!(noticed >= 0.5, "{noticed}");

    let off = tell(&format!("{CONFIG}[verdict]\nunfamiliar_below = 0.0\n"));
    assert_eq!(unknown(&off, &known), 0.0);
    assert_eq!(unknown(&off, &new), 0.0);
}
