//! What the board says about one frame.

use serde::{Deserialize, Serialize};

use crate::head::{Answer, Head};

/// The answer that is not a class.
pub const UNKNOWN: &str = "unknown";

/// A board says `unknown` of a frame whose familiarity is below this, unless its configuration has
/// another share: it costs about one frame in twenty of those that show what was taught.
pub const UNFAMILIAR_BELOW: f32 = 0.05;

/// The longest class name, in bytes.
const MAX_NAME: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// A class name, or `unknown`.
    pub class: String,
    /// How sure the head is of `class`, 0..=1; 0 for `unknown`.
    pub confidence: f32,
}

impl Verdict {
    pub fn unknown() -> Self {
        Self {
            class: UNKNOWN.into(),
            confidence: 0.0,
        }
    }

    /// The head's answer by name. Without a head nothing has been taught: `unknown`.
    pub fn of(head: Option<&Head>, embedding: &[f32], classes: &[String]) -> Self {
        let answers = head.and_then(|head| head.confidences(embedding));
        Self::best(answers.as_deref(), classes)
    }

    /// The answer with the highest confidence, by name; `unknown` where there is none.
    pub fn best(answers: Option<&[Answer]>, classes: &[String]) -> Self {
        let best = answers
            .into_iter()
            .flatten()
            .max_by(|a, b| a.confidence.total_cmp(&b.confidence));
        match best.and_then(|best| Some((classes.get(best.class)?, best.confidence))) {
            Some((name, confidence)) => Self {
                class: name.clone(),
                confidence,
            },
            None => Self::unknown(),
        }
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ClassNameError {
    #[error("a class has no name; give each class a name")]
    Empty,
    #[error("the class name {0:?} begins or ends with a space; take it away")]
    Space(String),
    #[error("the class name {0:?} is too long; {MAX_NAME} bytes are the most")]
    TooLong(String),
    #[error("the class name {0:?} has a control character or a path separator; use plain words")]
    Character(String),
    #[error("\"{UNKNOWN}\" is the answer for what was never taught; choose another class name")]
    Unknown,
    #[error("the class {0:?} is named twice; name each class once")]
    Twice(String),
    #[error("{0} classes are more than {max}", max = u16::MAX)]
    TooMany(usize),
}

/// Class names are shown on pages and used as folder names: short, plain, each once.
pub fn check_classes(classes: &[String]) -> Result<(), ClassNameError> {
    if classes.len() > usize::from(u16::MAX) {
        return Err(ClassNameError::TooMany(classes.len()));
    }
    let mut seen = std::collections::HashSet::new();
    for name in classes {
        if name.trim().is_empty() {
            return Err(ClassNameError::Empty);
        }
        if name.trim() != name {
            return Err(ClassNameError::Space(name.clone()));
        }
        if name.len() > MAX_NAME {
            return Err(ClassNameError::TooLong(name.clone()));
        }
        let odd = |c: char| c.is_control() || c == '/' || c == '\\';
        if name.contains(odd) || name == "." || name == ".." {
            return Err(ClassNameError::Character(name.clone()));
        }
        if name == UNKNOWN {
            return Err(ClassNameError::Unknown);
        }
        if !seen.insert(name) {
            return Err(ClassNameError::Twice(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str]) -> Result<(), ClassNameError> {
        check_classes(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn class_names_are_plain_and_different() {
        assert_eq!(check(&["car", "Lkw groß", "class-3"]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[" "]), Err(ClassNameError::Empty));
        assert_eq!(check(&["unknown"]), Err(ClassNameError::Unknown));
        assert_eq!(check(&["a", "a"]), Err(ClassNameError::Twice("a".into())));
        assert_eq!(
            check(&["unknown "]),
            Err(ClassNameError::Space("unknown ".into()))
        );
        assert!(check(&["a/b"]).is_err() && check(&["..", "b"]).is_err());
        assert!(check(&["a\nb"]).is_err() && check(&[&"x".repeat(65)]).is_err());
    }

    #[test]
    fn without_a_head_the_verdict_is_unknown() {
        assert_eq!(
            Verdict::of(None, &[1.0], &["car".into()]),
            Verdict::unknown()
        );
    }
}
