//! What docs/wiring.md shows must be what the program reads.

use serde::Deserialize;

use crate::{outputs, panel, smoothing};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    panel: panel::Settings,
    #[serde(default)]
    verdict: smoothing::Settings,
    #[serde(default)]
    output: Vec<outputs::Settings>,
}

fn snippets() -> Vec<File> {
    let document = include_str!("../../docs/wiring.md");
    let parts = document.split("```toml\n").skip(1);
    parts
        .map(|part| {
            let text = part.split("```").next().unwrap();
            let file: File = toml::from_str(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
            file.panel.check().unwrap_or_else(|e| panic!("{text}\n{e}"));
            file.verdict
                .check()
                .unwrap_or_else(|e| panic!("{text}\n{e}"));
            outputs::check(&file.output).unwrap_or_else(|e| panic!("{text}\n{e}"));
            file
        })
        .collect()
}

#[test]
fn every_snippet_of_the_document_is_read_and_says_what_the_text_says() {
    let files = snippets();
    assert_eq!(files.len(), 5);
    let panel = |i: usize| &files[i].panel;
    assert!(panel(0).teach.is_some() && panel(0).next.is_some() && panel(0).status.is_some());
    assert_eq!(panel(1).classes.len(), 3);
    // These are called the defaults.
    assert_eq!(panel(2).debounce_ms, panel::Settings::default().debounce_ms);
    assert_eq!(
        panel(2).long_press_ms,
        panel::Settings::default().long_press_ms
    );
    assert_eq!(files[3].verdict, smoothing::Settings::default());
    assert_eq!(files[4].output.len(), 3);
}
