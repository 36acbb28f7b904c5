//! What documents say about all this, and the code, are the same.

use std::{fs, path::Path};

use lastlayer_shared::network::OPERATORS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_document_names_every_operator_that_is_allowed() {
    let document = fs::read_to_string(root().join("docs/backbones.md")).unwrap();
    for (op, _) in OPERATORS {
        assert!(document.contains(&format!("`{op}`")), "{op} is not there");
    }
}

/// Names between backticks that look like ours: many words, and no number as the last.
#[test]
fn every_test_that_a_document_names_exists() {
    let mut names: Vec<String> = Vec::new();
    for document in ["threats.md", "learning.md"] {
        let document = fs::read_to_string(root().join("docs").join(document)).unwrap();
        let code = document.split('`').skip(1).step_by(2);
        let ours = code.filter(|name| {
            let is_name = !name.contains([' ', '/']) && !name.ends_with(|c: char| c.is_numeric());
            is_name && name.matches('_').count() >= 2
        });
        names.extend(ours.map(|name| {
            let name = name.rsplit("::").next().unwrap();
            format!("fn {name}(")
        }));
    }
    assert!(names.len() > 30, "{names:?}");
    let mut sources = String::new();
    for folder in ["shared/src", "host/src", "firmware/src", "tests"] {
        read(&root().join(folder), &mut sources);
    }
    for name in names {
        assert!(sources.contains(&name), "there is no `{name}...)`");
    }
}

fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
