//! Text -> configuration: bytes as they are, and the documented file with its keys switched on and
//! changed. What is wrong is said in one plain line.

use std::{path::Path, sync::LazyLock};

use lastlayer_firmware::config::Config;
use lastlayer_shared::error::one_line;

use super::edited;

const DOCUMENTED: &str = include_str!("../../firmware/etc/lastlayerd.toml");

/// Every key of the documented file, also those that are only examples: lines of `# key = value`.
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let lines = DOCUMENTED
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(example) if example.split(' ').nth(1) == Some("=") => example,
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
});

pub fn run(data: &[u8]) {
    let [how, data @ ..] = data else {
        return;
    };
    let bytes = match how % 4 {
        0 => data.to_vec(),
        1 => edited(DOCUMENTED.as_bytes(), data),
        _ => edited(GOOD.as_bytes(), data),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = Config::parse(&text, Path::new("board.toml")) {
        let line = one_line(&error);
        assert!(line.starts_with("board.toml"), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
