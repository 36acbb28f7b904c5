//! The scene script: what is before the camera and which buttons are pressed, and when.
//!
//! One line an entry, `SECONDS VERB [ARGUMENT]`, in order of time. A line that begins with `#` is a
//! comment; within a line it is part of a folder's name:
//!
//! ```text
//! # the folder camera shows DIR/car
//! 0.0 show car
//! 2.0 press teach
//! 2.2 release teach
//! 9.0 end
//! ```
//!
//! The scene's clock is the frame counter: frame n is taken at n / fps seconds, whatever the
//! machine takes to look at it. So the same scene teaches the same samples on every machine.

use std::{path::PathBuf, str::FromStr, time::Duration};

use crate::panel::ButtonName;

/// How long a scene without an `end` goes on after its last line.
const TAIL: Duration = Duration::from_secs(3);
const MAX_SECONDS: f64 = 1e6;

#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    pub entries: Vec<Entry>,
    pub end: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: Duration,
    pub action: SceneAction,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SceneAction {
    Show(PathBuf),
    Press(ButtonName),
    Release(ButtonName),
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("line {line} of the scene is not valid: {reason}")]
pub struct SceneError {
    line: usize,
    reason: String,
}

impl FromStr for Scene {
    type Err = SceneError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut last = Duration::ZERO;
        let mut end = None;
        for (number, line) in text.lines().enumerate() {
            let wrong = |reason: String| SceneError {
                line: number + 1,
                reason,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if end.is_some() {
                return Err(wrong("it comes after `end`".into()));
            }
            let (seconds, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let at = match seconds.parse::<f64>() {
                Ok(seconds) if (0.0..=MAX_SECONDS).contains(&seconds) => {
                    Duration::from_secs_f64(seconds)
                }
                _ => return Err(wrong(format!("{seconds:?} is not a time in seconds"))),
            };
            if at < last {
                return Err(wrong("it is earlier than the line before it".into()));
            }
            last = at;
            let rest = rest.trim();
            let (verb, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let argument = argument.trim();
            let action = match (verb, argument) {
                ("end", "") => {
                    end = Some(at);
                    continue;
                }
                ("show", folder) if !folder.is_empty() => SceneAction::Show(folder.into()),
                ("press", name) => SceneAction::Press(name.parse().map_err(&wrong)?),
                ("release", name) => SceneAction::Release(name.parse().map_err(&wrong)?),
                _ => {
                    return Err(wrong(format!(
                        "{rest:?} is none of `show FOLDER`, `press BUTTON`, `release BUTTON`, `end`"
                    )));
                }
            };
            entries.push(Entry { at, action });
        }
        if entries.is_empty() {
            return Err(SceneError {
                line: 1,
                reason: "it shows nothing; begin with `0 show FOLDER`".into(),
            });
        }
        Ok(Self {
            entries,
            end: end.unwrap_or(last + TAIL),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scene_is_read_with_comments_and_an_end() {
        let scene: Scene =
            "# story\n0 show my cars #2\n  # now\n1.5 press teach\n\n1.7 release teach\n4 end\n"
                .parse()
                .unwrap();
        assert_eq!(scene.entries.len(), 3);
        assert_eq!(
            scene.entries[0].action,
            SceneAction::Show("my cars #2".into())
        );
        assert_eq!(scene.entries[1].at, Duration::from_millis(1500));
        assert_eq!(scene.end, Duration::from_secs(4));
        let open: Scene = "1 show a".parse().unwrap();
        assert_eq!(open.end, Duration::from_secs(4));
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, line) in [
            ("", 1),
            ("x show a", 1),
            ("-1 show a", 1),
            ("1 show a\n0 show b", 2),
            ("0 show", 1),
            ("0 press", 1),
            ("0 press bell", 1),
            ("0 press teach # now", 1),
            ("0 dance", 1),
            ("0 show a\n1 end\n2 show b", 3),
            ("1e300 show a", 1),
            ("nan show a", 1),
        ] {
            let error = text.parse::<Scene>().unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", line in "[0-9. a-z#\n]{0,80}") {
            let _ = text.parse::<Scene>();
            let _ = line.parse::<Scene>();
        }
    }
}
