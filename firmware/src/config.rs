//! The configuration file, `/etc/lastlayer/lastlayerd.toml`. Every room declares its own table;
//! here they become one. `etc/lastlayerd.toml` documents every key.

use std::path::{Path, PathBuf};

use lastlayer_shared::file::{self, FileError};
use serde::Deserialize;

use crate::{burst, camera, log::LogFormat, outputs, panel, smoothing, trust};

/// Read where the command line names neither a configuration nor a package.
pub const PLACE: &str = "/etc/lastlayer/lastlayerd.toml";
const MAX_SIZE: u64 = 1 << 20;
/// A key that is less alike is no slip of the pen (Jaro-Winkler, 0..=1).
const ALIKE: f64 = 0.8;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The package to run.
    pub package: Option<PathBuf>,
    /// Where taught samples and the head are kept.
    pub state: Option<PathBuf>,
    /// How verdicts and events are printed.
    pub log: LogFormat,
    /// What the board calls itself in messages of outputs; without it its host name.
    pub name: Option<String>,
    /// Whose packages are run.
    pub trust: trust::Settings,
    pub camera: camera::Settings,
    pub panel: panel::Settings,
    pub burst: burst::Settings,
    pub verdict: smoothing::Settings,
    #[serde(rename = "output")]
    pub outputs: Vec<outputs::Settings>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}, line {line}: {reason}")]
    Line {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("{path}: {reason}")]
    Value { path: PathBuf, reason: String },
}

impl Config {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = file::read(path, MAX_SIZE)?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::Value {
            path: path.into(),
            reason: "it is not text (UTF-8)".into(),
        })?;
        Self::parse(&text, path)
    }

    /// `path` is for errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let before = text.get(..start).unwrap_or("");
            ConfigError::Line {
                path: path.into(),
                line: before.matches('\n').count() + 1,
                reason: suggest(error.message()),
            }
        })?;
        config.check().map_err(|reason| ConfigError::Value {
            path: path.into(),
            reason,
        })?;
        Ok(config)
    }

    /// What is out of range, as a line that names the key.
    fn check(&self) -> Result<(), String> {
        self.camera.check().map_err(|error| error.to_string())?;
        self.panel.check().map_err(|error| error.to_string())?;
        self.burst.check()?;
        self.verdict.check().map_err(|error| error.to_string())?;
        outputs::check(&self.outputs).map_err(|error| error.to_string())
    }
}

/// An unknown key with the known one that looks most like it. serde says "unknown field `a`,
/// expected one of `b`, `c`".
fn suggest(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(wrong) = quoted.next().filter(|_| unknown) else {
        return message;
    };
    let known: Vec<&str> = quoted.collect();
    let kind = match message.starts_with("unknown field") {
        true => "is not a key here",
        false => "is none of the values here",
    };
    let alike = |known: &&str| strsim::jaro_winkler(wrong, known);
    match known
        .iter()
        .copied()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
    {
        Some(best) if alike(&best) >= ALIKE => format!("`{wrong}` {kind}; did you mean `{best}`?"),
        _ => format!("`{wrong}` {kind}; there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrong(text: &str) -> String {
        Config::parse(text, Path::new("board.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_slip_of_the_pen_is_named_with_what_was_meant() {
        assert_eq!(
            wrong("# board\npakage = 'a.llp'"),
            "board.toml, line 2: `pakage` is not a key here; did you mean `package`?"
        );
        assert_eq!(
            wrong("[burst]\nframs = 3"),
            "board.toml, line 2: `frams` is not a key here; did you mean `frames`?"
        );
        let message = wrong("[burst]\nxyz = 3");
        assert!(
            message.contains("`xyz` is not a key here; there are: frames, "),
            "{message}"
        );
        assert_eq!(
            wrong("log = 'jsn'"),
            "board.toml, line 1: `jsn` is none of the values here; did you mean `json`?"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", key in "[a-z_.\\[\\]]{1,20}", value in "[-0-9a-z\"'{}\\[\\], .=]{0,30}") {
            for text in [text, format!("{key} = {value}"), format!("[{key}]\nfps = {value}")] {
                let _ = Config::parse(&text, Path::new("any"));
            }
        }
    }

    const EXAMPLE: &str = include_str!("../etc/lastlayerd.toml");

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("example")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The example with its commented keys in force.
    fn whole_example() -> String {
        let key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') => rest,
            Some(rest) if key(rest) && rest.contains(" = ") => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_is_read_and_states_the_defaults() {
        let example = parse(EXAMPLE);
        let defaults = Config::default();
        assert_eq!(example.burst, defaults.burst);
        assert_eq!(example.verdict, defaults.verdict);
        assert_eq!(example.trust, defaults.trust);
        let camera = camera::Settings {
            wait: true,
            ..defaults.camera
        };
        assert_eq!(example.camera, camera);
        let panel = panel::Settings {
            teach: None,
            next: None,
            status: None,
            ..example.panel
        };
        assert_eq!(panel, defaults.panel);
        assert!(example.outputs.is_empty() && example.log == defaults.log);
        let whole = parse(&whole_example());
        assert_eq!(whole.outputs.len(), 1);
        assert!(whole.camera.controls.exposure.is_some() && whole.name.is_some());
        assert!(whole.panel.undo.is_some() && whole.panel.classes.contains_key("car"));
    }

    #[test]
    fn the_example_has_every_key() {
        let whole = whole_example();
        let mut tables = 0;
        for table in [
            "",
            "trust",
            "camera",
            "camera.controls",
            "camera.view",
            "panel",
            "burst",
            "verdict",
            "[output]",
        ] {
            let heading = format!("[{table}]\n");
            let text = format!("{}xyz = 1", if table.is_empty() { "" } else { &heading });
            let message = wrong(&text);
            let (_, keys) = message.split_once("there are: ").expect(&message);
            for key in keys.split(", ") {
                let there = [
                    format!("\n{key} = "),
                    format!("[{key}]"),
                    format!(".{key}]"),
                ];
                let found = there.iter().any(|form| whole.contains(form.as_str()));
                assert!(found, "{key} of [{table}] is not in the example");
            }
            tables += 1;
        }
        assert_eq!(tables, 9);
    }

    #[test]
    fn wrong_values_are_named() {
        let message = wrong("[burst]\nframes = 0");
        assert_eq!(
            message,
            "board.toml: burst.frames: give a number from 1 to 1000"
        );
        let message = wrong("[burst]\nframes = 'ten'");
        assert!(
            message.starts_with("board.toml, line 2: invalid type: string"),
            "{message}"
        );
        assert!(wrong("[burst\n").starts_with("board.toml, line 1: "));
    }
}
