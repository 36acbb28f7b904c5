//! The configuration file, `/etc/lastlayer/lastlayerd.toml`. Every room declares its own table;
//! here they become one. `etc/lastlayerd.toml` documents every key.

mod wrong;

use std::path::{Path, PathBuf};

use lastlayer_shared::{
    file::{self, FileError},
    guard,
    operators::Operators,
};
use serde::Deserialize;

use crate::{
    burst,
    camera::{self, CameraAddress},
    examiner,
    log::LogFormat,
    memory::Limits,
    outputs, panel, smoothing, trainer, trust,
};

/// Read where the command line names neither a configuration nor a package.
pub const PLACE: &str = "/etc/lastlayer/lastlayerd.toml";
const MAX_SIZE: u64 = 1 << 20;

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
    /// The network is computed by tract's operators alone. Only the command line says so.
    #[serde(skip)]
    pub plain_tract: bool,
    /// Whose packages are run.
    pub trust: trust::Settings,
    pub camera: camera::Settings,
    pub panel: panel::Settings,
    pub burst: burst::Settings,
    pub memory: Limits,
    pub guard: guard::Settings,
    pub tuning: trainer::Settings,
    pub update: examiner::Settings,
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
    #[error("the command line and the configuration do not go together: {0}")]
    Together(String),
    /// The package or what was taught, where it does not become right by itself.
    #[error("{0}")]
    Unusable(String),
}

impl Config {
    /// What computes the network.
    pub fn operators(&self) -> Operators {
        match self.plain_tract {
            true => Operators::Tract,
            false => Operators::Lastlayer,
        }
    }

    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = file::read(path, MAX_SIZE)?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::Value {
            path: path.into(),
            reason: "it is not text (UTF-8)".into(),
        })?;
        let mut config = Self::parse(&text, path)?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// What is not absolute is beside the file: where a program is started from is no reason for it
    /// to teach another folder.
    fn resolve(&mut self, folder: &Path) {
        let paths = [self.package.as_mut(), self.state.as_mut()];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        for path in &mut self.trust.keys {
            *path = folder.join(&*path);
        }
        if let CameraAddress::Folder(photos) = &mut self.camera.source {
            *photos = folder.join(&*photos);
        }
    }

    /// `path` is for errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let failed = |key: &str, error: toml::de::Error| {
            let span = error.span().unwrap_or_default();
            let before = text.get(..span.start).unwrap_or_default();
            let given = text.get(span).unwrap_or_default();
            ConfigError::Line {
                path: path.into(),
                line: before.matches('\n').count() + 1,
                reason: wrong::reason(key, error.message(), given),
            }
        };
        let reader = toml::Deserializer::parse(text).map_err(|error| failed("", error))?;
        let config: Self = serde_path_to_error::deserialize(reader)
            .map_err(|error| failed(&error.path().to_string(), error.into_inner()))?;
        config.check().map_err(|reason| ConfigError::Value {
            path: path.into(),
            reason,
        })?;
        Ok(config)
    }

    /// What is out of range, as a line that names the key.
    pub fn check(&self) -> Result<(), String> {
        for (key, path) in [("package", &self.package), ("state", &self.state)] {
            if path
                .as_ref()
                .is_some_and(|path| path.as_os_str().is_empty())
            {
                return Err(format!("{key} is empty; give a path, or leave it out"));
            }
        }
        self.camera.check().map_err(|error| error.to_string())?;
        self.panel.check().map_err(|error| error.to_string())?;
        self.burst.check()?;
        self.memory.check()?;
        self.guard.check()?;
        self.tuning.check()?;
        self.update.check()?;
        self.verdict.check().map_err(|error| error.to_string())?;
        outputs::check(&self.outputs).map_err(|error| error.to_string())
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
        assert_eq!(example.memory, defaults.memory);
        assert_eq!(example.guard, defaults.guard);
        assert_eq!(example.tuning, defaults.tuning);
        assert_eq!(example.update, defaults.update);
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
            "memory",
            "guard",
            "tuning",
            "update",
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
        assert_eq!(tables, 13);
    }

    #[test]
    fn paths_are_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let text = "package = 'a.llp'\nstate = '/s'\n[trust]\nkeys = ['a.pub']\n[camera]\nsource = 'folder:photos'";
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config.package, Some(folder.path().join("a.llp")));
        assert_eq!(config.trust.keys, [folder.path().join("a.pub")]);
        assert_eq!(config.state, Some("/s".into()));
        let photos = CameraAddress::Folder(folder.path().join("photos"));
        assert_eq!(config.camera.source, photos);
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(
            wrong("[burst]\nframes = 0"),
            "board.toml: burst.frames: give a number from 1 to 1000"
        );
        for key in ["package", "state"] {
            let message = wrong(&format!("{key} = ''"));
            assert!(message.starts_with(&format!("board.toml: {key} is empty")));
        }
    }
}
