//! Looking after what was taught, while the board's program runs and while it does not.

use crate::{site::Site, support::*};

/// One command on this state folder.
pub fn upkeep(site: &Site, words: &[&str]) -> std::process::Command {
    let mut command = lastlayerd();
    command
        .args(words)
        .arg("--package")
        .arg(site.path("site.llp"));
    command.arg("--state").arg(site.path("state"));
    command
}

fn lines(site: &Site, words: &[&str]) -> Vec<String> {
    let printed = succeed(&mut upkeep(site, words));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    printed.lines().map(words).collect()
}

#[test]
fn classes_and_samples_are_looked_after_with_and_without_a_program_that_runs() {
    let site = Site::new();
    let message = fail(&mut upkeep(&site, &["classes", "list"]), 1);
    assert!(message.contains("there is no state folder"), "{message}");
    let state = site.path("state").display().to_string();
    let mut board = site.live(&["--fps", "50", "--state", &state]);
    board.wait_for("verdict");
    board.press(b"t");
    board.wait_for("learned");
    assert_eq!(
        lines(&site, &["classes", "list"]),
        [
            "class taught from package",
            "car 10 20",
            "bird 0 20",
            "truck 0 0"
        ]
    );
    assert_eq!(
        lines(&site, &["classes", "rename", "car", "taxi"]),
        ["car is called taxi now"]
    );
    let kept = board.wait_for("kept");
    assert_eq!(
        kept["classes"],
        serde_json::json!(["taxi", "bird", "truck"])
    );
    // What is taught from now on is of the renamed class, still selected.
    board.press(b"t");
    assert_eq!(board.wait_for("learned")["class"], "taxi");
    let bursts = ["burst samples class", "0 10 taxi", "1 10 taxi"];
    assert_eq!(lines(&site, &["samples", "list"]), bursts);
    assert!(lines(&site, &["packages", "list"])[1].ends_with(" runs"));
    let message = fail(&mut upkeep(&site, &["packages", "back"]), 1);
    assert!(message.contains("no package before this one"), "{message}");
    let message = fail(&mut upkeep(&site, &["samples", "remove", "7"]), 1);
    assert!(message.contains("there is no burst 7"), "{message}");
    assert_eq!(
        lines(&site, &["samples", "remove", "0"]),
        ["10 samples are removed"]
    );
    assert_eq!(
        board.wait_for("kept")["counts"],
        serde_json::json!([30, 20, 0])
    );
    board.interrupt();
    board.wait_for("stopped");
    assert_eq!(board.exit_code(), Some(0));

    assert_eq!(
        lines(&site, &["classes", "remove", "bird"]),
        ["bird is removed, with 0 taught samples and 20 of the package"]
    );
    assert_eq!(
        lines(&site, &["samples", "list"]),
        ["burst samples class", "1 10 taxi"]
    );
    let again = site.tell(
        &site.path("site.llp"),
        "0 show car\n0.4 end",
        &["--state", &state],
    );
    assert_eq!(again[0]["classes"], serde_json::json!(["taxi", "truck"]));
    assert_eq!(again[0]["samples"], serde_json::json!([30, 0]));
    let message = fail(&mut upkeep(&site, &["reset"]), 1);
    assert!(message.contains("(1 burst)"), "{message}");
    lines(&site, &["reset", "--yes"]);
    assert_eq!(
        lines(&site, &["classes", "list"])[1..],
        ["car 0 20", "bird 0 20", "truck 0 0"]
    );
}

#[test]
fn a_program_that_runs_goes_back_to_its_factory_state() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let mut board = site.live(&["--fps", "50", "--state", &state]);
    board.wait_for("verdict");
    for (key, event) in [(b"t", "learned"), (b"a", "class-added")] {
        board.press(key);
        board.wait_for(event);
    }
    lines(&site, &["classes", "remove", "bird"]);
    assert_eq!(
        board.wait_for("kept")["classes"],
        serde_json::json!(["car", "truck", "class-1"])
    );
    lines(&site, &["reset", "--yes"]);
    let kept = board.wait_for("kept");
    assert_eq!(kept["classes"], serde_json::json!(["car", "bird", "truck"]));
    assert_eq!(kept["counts"], serde_json::json!([20, 20, 0]));
    // It goes on watching and learning.
    board.press(b"2");
    let learned = board.wait_for("learned");
    assert_eq!(learned["class"], "bird");
    assert_eq!(learned["counts"], serde_json::json!([20, 30, 0]));
}

#[test]
fn a_class_may_be_renamed_while_it_is_taught() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    // Slow, so that the burst takes its two seconds.
    let mut board = site.live(&["--fps", "5", "--state", &state]);
    board.wait_for("verdict");
    board.press(b"t");
    while board.wait_for("state")["state"] != "collecting" {}
    lines(&site, &["classes", "rename", "car", "taxi"]);
    assert_eq!(board.wait_for("learned")["class"], "taxi");
}

#[test]
fn a_memory_that_cannot_be_read_can_be_reset() {
    let site = Site::new();
    std::fs::create_dir(site.path("state")).unwrap();
    std::fs::write(site.path("state").join("samples"), b"rubbish").unwrap();
    fail(&mut upkeep(&site, &["samples", "list"]), 1);
    lines(&site, &["reset", "--yes"]);
    assert_eq!(lines(&site, &["samples", "list"]).len(), 1);
}

/// Birds are shown and taught as cars, which costs nothing yet, and again, which would; then birds as
/// birds and trucks as trucks.
const MISTAKE: &str = "
    0 show bird
    1 press teach
    1.2 release teach
    2 press teach
    2.2 release teach
    5 press next
    5.2 release next
    6 press teach
    6.2 release teach
    10 press next
    10.2 release next
    11 show truck
    12 press teach
    12.2 release teach
    16 end
";

#[test]
fn a_press_that_makes_it_worse_is_set_aside_and_the_head_before_comes_back() {
    let site = Site::new();
    // The very birds that the package knows: as cars they take each other for one.
    write_photos(&site.path("camera").join("bird"), "bird", 0, 20);
    let state = site.path("state").display().to_string();
    let told = site.tell(&site.path("site.llp"), MISTAKE, &["--state", &state]);
    let refused = named(&told, "refused");
    assert_eq!(refused.len(), 1, "{refused:?}");
    let reason = refused[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("would be taken for") && reason.contains("`lastlayerd samples use 1`"),
        "{reason}"
    );
    let learned: Vec<&str> = named(&told, "learned")
        .iter()
        .map(|event| event["class"].as_str().unwrap())
        .collect();
    assert_eq!(learned, ["car", "bird", "truck"]);
    let list = lines(&site, &["samples", "list"]);
    assert_eq!(list[1], "0 10 car");
    assert!(list[2].starts_with("1 10 car (set aside: "), "{list:?}");
    assert_eq!(list[3..], ["2 10 bird", "3 10 truck"]);

    // The head of the birds needs no training; trucks are set aside until they are asked for.
    let back = "the head before is back; 10 samples that were taught since are set aside";
    assert_eq!(lines(&site, &["rollback"]), [back]);
    let counts = ["car 10 20", "bird 10 20", "truck 0 0"];
    assert_eq!(lines(&site, &["classes", "list"])[1..], counts);
    assert_eq!(
        lines(&site, &["samples", "use", "3"]),
        ["10 samples are learned from again"]
    );
    assert_eq!(
        lines(&site, &["samples", "aside", "2-3"]),
        ["20 samples are set aside"]
    );
    assert_eq!(
        lines(&site, &["samples", "remove", "0-3"]),
        ["40 samples are removed"]
    );
    let message = fail(&mut upkeep(&site, &["rollback"]), 1);
    assert!(message.contains("no earlier head"), "{message}");
}

/// A class is added, and birds are taught as it, which the package knows as birds.
const RESEMBLES: &str = "
    0 show car
    0 press next
    2.5 release next
    3 show bird
    3 press teach
    3.2 release teach
    6 show car
    6 press teach
    8.5 release teach
    9 end
";

#[test]
fn a_new_class_that_resembles_an_old_one_is_told_and_not_forbidden() {
    let site = Site::new();
    write_photos(&site.path("camera").join("bird"), "bird", 0, 10);
    let told = site.tell(&site.path("site.llp"), RESEMBLES, &[]);
    assert!(named(&told, "refused").is_empty());
    let learned = named(&told, "learned");
    assert_eq!(learned[0]["class"], "class-1");
    assert_eq!(learned[0]["checked"], true);
    let warnings: Vec<&str> = named(&told, "warning")
        .iter()
        .map(|event| event["warning"].as_str().unwrap())
        .filter(|warning| warning.contains("more often"))
        .collect();
    assert!(
        warnings.len() == 1
            && warnings[0].starts_with("bird is now taken for class-1 more often, ")
            && warnings[0].ends_with("of 20 samples; `undo` takes that back"),
        "{warnings:?}"
    );
    // The question has an answer: no.
    assert_eq!(named(&told, "undone")[0]["class"], "class-1");
}
