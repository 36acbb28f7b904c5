//! Errors as people read them.

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
    line.split_whitespace().collect::<Vec<_>>().join(" ")
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
    }
}
