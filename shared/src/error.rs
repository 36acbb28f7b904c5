//! Text as people read it, whoever wrote it.

use std::error::Error;

/// The error and its causes on one line, each said once.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !line.contains(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
        next = error.source();
    }
    plain(&line)
}

/// On one line, and without the codes that would command a terminal: text from a file may hold
/// anything.
pub fn plain(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {source}")]
    struct Outer {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("a\nb")]
    struct Inner;

    #[test]
    fn nothing_is_said_twice_and_all_on_one_line() {
        assert_eq!(one_line(&Outer { source: Inner }), "outer: a b");
        assert_eq!(
            plain(" MIT\nself-test:\u{1b}[2K ok\0"),
            "MIT self-test: [2K ok"
        );
    }
}
