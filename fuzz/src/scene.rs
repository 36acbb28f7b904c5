//! Text -> scene. What is read is in order of time, and ends after its last line.

use std::time::Duration;

use lastlayer_firmware::scene::Scene;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(scene) = text.parse::<Scene>() else {
        return;
    };
    assert!(scene.entries.is_sorted_by_key(|entry| entry.at));
    let last = scene
        .entries
        .last()
        .map_or(Duration::ZERO, |entry| entry.at);
    assert!(scene.end >= last);
}
