//! `lastlayer eval --then`: what is forgotten.

use super::{eval, few_photos};
use crate::support::*;

#[test]
fn a_class_comes_a_press_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    few_photos(folder.path());
    let more = ["--then", "truck", "--shots", "6", "--press", "4"];
    let more = [&more[..], &["--splits", "4"]].concat();
    let stories = eval(bare_package(), folder.path(), &more);
    assert_eq!(stories, eval(bare_package(), folder.path(), &more));
    let [story] = stories.as_slice() else {
        panic!("{stories:?}");
    };
    assert_eq!(
        story["classes"],
        serde_json::json!(["car", "frog", "truck"])
    );
    let steps = story["steps"].as_array().unwrap();
    let taught = steps.iter().map(|step| (&step["class"], &step["photos"]));
    let expected = [(None, 0), (Some("truck"), 4), (Some("truck"), 6)];
    for ((class, photos), expected) in taught.zip(expected) {
        assert_eq!(
            (class.as_str(), photos.as_u64()),
            (expected.0, Some(expected.1))
        );
    }
    assert_eq!(steps.len(), expected.len());
    let shares = |step: &serde_json::Value, key: &str| -> Vec<f64> {
        serde_json::from_value(step[key].clone()).unwrap()
    };
    assert_eq!(
        shares(&steps[0], "accuracies"),
        shares(&steps[0], "at_once")
    );
    for (step, known) in steps.iter().zip([2, 3, 3]) {
        let own = shares(step, "accuracies");
        assert_eq!((own.len(), shares(step, "at_once").len()), (known, known));
        // Frogs are no cars, whatever trucks are.
        assert!(own[1] > 0.6, "{own:?}");
    }

    let mut table = lastlayer();
    let photos = folder.path();
    table
        .arg("eval")
        .arg(bare_package())
        .arg("--photos")
        .arg(photos);
    let shown = succeed(table.args(&more));
    for expected in [
        "+ truck 4",
        "+ truck 6",
        "all at once",
        "truck was taught later: ",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn classes_that_cannot_come_later_are_named() {
    let folder = tempfile::tempdir().unwrap();
    few_photos(folder.path());
    let refused = |then: &str| {
        let mut eval = lastlayer();
        eval.arg("eval").arg(bare_package()).arg("--photos");
        fail(eval.arg(folder.path()).args(["--then", then]), 1)
    };
    assert!(refused("trcuk").contains("did you mean \"truck\"?"));
    assert!(refused("lorry").contains("there are: car, frog, truck"));
    assert!(refused("car,frog").contains("all but 2 of 3 classes"));
    assert!(refused("car,car").contains("name it once"));
}
