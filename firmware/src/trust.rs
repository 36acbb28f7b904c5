//! Whose packages this board runs: the configuration's `[trust]`. Everything that opens a package
//! does it here.

use std::path::{Path, PathBuf};

use lastlayer_shared::{
    file::{self, FileError},
    package::{Package, PackageError},
    trust::{KeyError, MAX_TEXT, PublicKey, Trust},
};
use serde::Deserialize;

/// Where keys are where the configuration names no other place.
const PLACE: &str = "/etc/lastlayer/keys";
/// How the names of public keys end in a folder of them.
const ENDING: &str = "pub";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Public keys: files, and folders of `*.pub`.
    pub keys: Vec<PathBuf>,
    /// Packages are run whoever made them. Only the command line says so: in a file it would be
    /// forgotten.
    #[serde(skip)]
    pub unsigned: bool,
    /// A package may be older than the one it follows. Only the command line says so.
    #[serde(skip)]
    pub allow_downgrade: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: vec![PLACE.into()],
            unsigned: false,
            allow_downgrade: false,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot look into {path}: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {error}")]
    Key { path: PathBuf, error: KeyError },
    #[error(
        "no key is trusted here, so no package is run: put the .pub file of who makes your packages \
         into {0}, or name it with --trust FILE"
    )]
    NoKeys(String),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(
        "the package has version {offered}, and version {installed} is installed: an older one is \
         taken only with --allow-downgrade"
    )]
    Older { installed: u64, offered: u64 },
}

impl Settings {
    /// What is to be said at every start, where something is switched off that protects the board.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.unsigned {
            warnings.push(
                "--unsigned: every package is run here, whoever made it; for development only"
                    .into(),
            );
        }
        if self.allow_downgrade {
            warnings.push(
                "--allow-downgrade: older packages are taken, with the faults that newer ones \
                 have not; for development only"
                    .into(),
            );
        }
        warnings
    }

    /// Whether a package may follow the installed one: versions never go back.
    pub fn check_version(&self, installed: Option<u64>, offered: u64) -> Result<(), TrustError> {
        match installed {
            Some(installed) if offered < installed && !self.allow_downgrade => {
                Err(TrustError::Older { installed, offered })
            }
            _ => Ok(()),
        }
    }

    fn keys(&self) -> Result<Trust, TrustError> {
        let mut keys = Vec::new();
        for path in &self.keys {
            // Nobody has to make the usual place.
            if path == Path::new(PLACE) && !path.exists() {
                continue;
            }
            match path.is_dir() {
                false => keys.push(read_key(path)?),
                true => {
                    let inside = file::list(path).map_err(|source| TrustError::Folder {
                        path: path.clone(),
                        source,
                    })?;
                    for path in inside {
                        if path.extension().is_some_and(|ending| ending == ENDING) {
                            keys.push(read_key(&path)?);
                        }
                    }
                }
            }
        }
        Ok(keys.into_iter().collect())
    }
}

fn read_key(path: &Path) -> Result<PublicKey, TrustError> {
    let text = file::read(path, MAX_TEXT)?;
    PublicKey::parse(&String::from_utf8_lossy(&text)).map_err(|error| TrustError::Key {
        path: path.into(),
        error,
    })
}

/// A package from its bytes, if a key that is trusted here signed it, or if nobody is to be asked.
pub fn open_package(bytes: &[u8], settings: &Settings) -> Result<Package, TrustError> {
    if settings.unsigned {
        return Ok(Package::from_bytes(bytes)?);
    }
    let trust = settings.keys()?;
    if trust.is_empty() {
        let places = settings.keys.iter().map(|path| path.display().to_string());
        let places: Vec<String> = places.collect();
        return Err(TrustError::NoKeys(match places.is_empty() {
            true => PLACE.into(),
            false => places.join(" or "),
        }));
    }
    Ok(Package::from_bytes_trusted(bytes, &trust)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lastlayer_shared::package::ContainerError;

    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn settings(keys: &[&Path]) -> Settings {
        Settings {
            keys: keys.iter().map(|path| path.to_path_buf()).collect(),
            ..Settings::default()
        }
    }

    fn refused(settings: &Settings) -> String {
        open_package(b"no package", settings)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn keys_are_files_and_folders_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let empty = settings(&[folder.path()]);
        assert!(refused(&empty).starts_with("no key is trusted here"));
        assert!(refused(&empty).contains(&folder.path().display().to_string()));
        assert!(refused(&settings(&[])).contains(PLACE));
        fs::write(place("a.pub"), KEY).unwrap();
        fs::write(place("note.txt"), "no key").unwrap();
        for keys in [settings(&[folder.path()]), settings(&[&place("a.pub")])] {
            assert_eq!(keys.keys().unwrap().keys().count(), 1);
            assert!(matches!(
                open_package(b"no package", &keys),
                Err(TrustError::Package(PackageError::Container(
                    ContainerError::Beginning
                )))
            ));
        }
        // A key that cannot be read is never passed over.
        fs::write(place("b.pub"), "no key").unwrap();
        assert!(refused(&empty).contains("b.pub: this is no public key"));
        assert!(refused(&settings(&[&place("c.pub")])).contains("there is no such file"));
    }

    #[test]
    fn what_is_switched_off_is_said() {
        let mut settings = Settings::default();
        assert!(settings.warnings().is_empty());
        settings.unsigned = true;
        settings.allow_downgrade = true;
        assert_eq!(settings.warnings().len(), 2);
        assert!(refused(&settings).starts_with("this is not a package"));
    }

    #[test]
    fn versions_do_not_go_back() {
        let mut settings = Settings::default();
        for (installed, offered) in [(None, 0), (Some(3), 3), (Some(3), 4)] {
            assert!(settings.check_version(installed, offered).is_ok());
        }
        let older = settings.check_version(Some(3), 2).unwrap_err().to_string();
        assert!(
            older.contains("version 2, and version 3 is installed"),
            "{older}"
        );
        settings.allow_downgrade = true;
        assert!(settings.check_version(Some(3), 2).is_ok());
    }

    #[test]
    fn no_file_can_switch_the_check_off() {
        for key in ["unsigned", "allow_downgrade"] {
            assert!(toml::from_str::<Settings>(&format!("{key} = true")).is_err());
        }
        let settings: Settings = toml::from_str("keys = ['a.pub']").unwrap();
        assert_eq!(settings.keys, [PathBuf::from("a.pub")]);
    }
}
