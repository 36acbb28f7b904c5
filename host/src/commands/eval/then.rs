//! `lastlayer eval --then`: what a board forgets that goes on learning.

use serde_json::json;

use super::per_cent;
use crate::{evaluate::Story, ui};

/// A smaller share of right answers would be 0.0 in a table, with or without a sign.
const NOTHING: f64 = 0.0005;

/// `classes`: all names. With `json` an array of one object a story, else a table each.
pub fn print(stories: &[Story], classes: &[String], seed: u64, json: bool) -> anyhow::Result<()> {
    if json {
        let stories = stories.iter().map(|story| object(story, classes, seed));
        let stories: Vec<_> = stories.collect();
        crate::say!("{}", serde_json::to_string_pretty(&stories)?);
        return Ok(());
    }
    for story in stories {
        crate::say!(
            "{} photos of each class, {} a press, {} splits, seed {seed}; accuracy on the photos \
             not taught, in %",
            story.shots,
            story.press,
            story.splits,
        );
        crate::say!("{}", table(story, classes));
        crate::say!("{}", sentence(story, classes));
    }
    Ok(())
}

fn object(story: &Story, classes: &[String], seed: u64) -> serde_json::Value {
    let order = story.order.classes();
    let names = order.iter().map(|&class| &classes[class]);
    let steps = story.steps.iter().map(|step| {
        json!({
            "class": step.class.map(|class| &classes[class]),
            "photos": step.photos,
            "refused": step.refused,
            "accuracies": step.accuracies,
            "at_once": step.at_once,
            "most_lost": story.most_lost(step).map(|(class, lost)| {
                json!({ "class": classes[class], "lost": lost })
            }),
        })
    });
    json!({
        "shots": story.shots,
        "press": story.press,
        "splits": story.splits,
        "seed": seed,
        "classes": names.collect::<Vec<_>>(),
        "known": story.order.known().len(),
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// A row a step, a column a class in the order in which they become known.
fn table(story: &Story, classes: &[String]) -> String {
    let order = story.order.classes();
    let mut header = vec!["taught".to_owned()];
    header.extend(order.iter().map(|&class| classes[class].clone()));
    header.extend(["most lost".into(), "refused".into()]);
    let row = |name: &str, cells: Vec<String>, [most, refused]: [String; 2]| {
        let mut row = vec![name.to_owned()];
        row.extend(cells);
        row.resize(order.len() + 1, String::new());
        row.extend([most, refused]);
        row
    };
    let shares = |values: &[f64]| values.iter().map(|&share| per_cent(share)).collect();
    let mut rows = Vec::new();
    for step in &story.steps {
        let (name, refused) = match step.class {
            Some(class) => (
                format!("+ {} {}", classes[class], step.photos),
                step.refused.to_string(),
            ),
            None => ("at the start".into(), String::new()),
        };
        let most = story.most_lost(step);
        let most = most.map(|(class, lost)| format!("{} {}", classes[class], points(lost)));
        let end = [most.unwrap_or_default(), refused];
        rows.push(row(&name, shares(&step.accuracies), end));
    }
    if let Some(last) = story.steps.last() {
        let lost = last.lost().map(points).collect();
        rows.push(row(
            "all at once",
            shares(&last.at_once),
            Default::default(),
        ));
        rows.push(row("lost", lost, Default::default()));
    }
    ui::table(header, rows)
}

fn points(share: f64) -> String {
    match share.abs() < NOTHING {
        true => "0.0".into(),
        false => per_cent(share),
    }
}

fn sentence(story: &Story, classes: &[String]) -> String {
    let then: Vec<&str> = story.order.then().iter().map(|&c| &*classes[c]).collect();
    let taught = match then.split_last() {
        Some((last, rest)) if !rest.is_empty() => {
            format!(
                "{} and {last} were taught one after another",
                rest.join(", ")
            )
        }
        _ => format!("{} was taught later", then.concat()),
    };
    let most = story.steps.last().and_then(|last| story.most_lost(last));
    let lost = match most {
        Some((class, lost)) if lost >= NOTHING => format!(
            "of the earlier classes {} lost most, {} points",
            classes[class],
            points(lost)
        ),
        _ => "no earlier class lost anything".into(),
    };
    let (presses, refused) = story.presses();
    format!(
        "{taught}: {lost} against a head that was taught all at once; the guard refused {refused} \
         of {presses} presses"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Order, Step};

    fn story() -> (Story, Vec<String>) {
        let classes: Vec<String> = ["bike", "car", "pickup", "truck"].map(String::from).into();
        let order = Order::new(&classes, &["truck".into(), "car".into()]).unwrap();
        let step = |class, accuracies: &[f64], at_once: &[f64]| Step {
            class,
            photos: 5,
            refused: class.map_or(0, |_| 1),
            accuracies: accuracies.into(),
            at_once: at_once.into(),
        };
        let steps = vec![
            step(None, &[0.9, 0.8], &[0.9, 0.8]),
            step(Some(3), &[0.9, 0.75, 0.5], &[0.9, 0.8, 0.9]),
            step(Some(1), &[0.9, 0.7, 0.625, 0.1], &[0.89, 0.7, 0.65, 0.9]),
        ];
        let (shots, press, splits) = (5, 5, 3);
        let story = Story {
            shots,
            press,
            splits,
            order,
            steps,
        };
        (story, classes)
    }

    #[test]
    fn a_table_has_a_row_a_step_and_a_sentence() {
        let (mut story, classes) = story();
        let table = table(&story, &classes);
        let cells = |name: &str| -> Vec<String> {
            let row = table.lines().find(|line| line.contains(name)).unwrap();
            let cells = row.trim_matches('│').split('┆');
            cells.skip(1).map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(
            cells("taught"),
            ["bike", "pickup", "truck", "car", "most lost", "refused"]
        );
        assert_eq!(cells("at the start"), ["90.0", "80.0", "", "", "", ""]);
        assert_eq!(
            cells("+ truck 5"),
            ["90.0", "75.0", "50.0", "", "pickup 5.0", "1"]
        );
        assert_eq!(
            cells("all at once"),
            ["89.0", "70.0", "65.0", "90.0", "", ""]
        );
        assert_eq!(cells("lost  "), ["-1.0", "0.0", "2.5", "80.0", "", ""]);
        assert_eq!(
            sentence(&story, &classes),
            "truck and car were taught one after another: of the earlier classes truck lost most, \
             2.5 points against a head that was taught all at once; the guard refused 2 of 6 presses"
        );
        story.steps[2].accuracies = story.steps[2].at_once.clone();
        assert!(sentence(&story, &classes).contains(": no earlier class lost anything against"));
    }

    #[test]
    fn an_object_names_classes() {
        let (story, classes) = story();
        let object = object(&story, &classes, 4);
        assert_eq!(object["classes"], json!(["bike", "pickup", "truck", "car"]));
        assert_eq!((&object["known"], &object["seed"]), (&json!(2), &json!(4)));
        assert_eq!(object["steps"][0]["class"], json!(null));
        assert_eq!(object["steps"][1]["most_lost"]["class"], "pickup");
        assert_eq!(object["steps"][2]["accuracies"][2], 0.625);
    }
}
