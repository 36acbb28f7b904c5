//! What a virtual board runs and shows, made with this project's own programs where nothing else is
//! given: a package for small pictures, because emulation is slow, and the photos of the demo.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    cross::{self, Kind},
    image::{Content, Debian, Image},
    tools,
};

/// Side of the network's input, pixels.
const INPUT_SIZE: &str = "64";
const MOST_PHOTOS: usize = 12;

#[derive(Args, Clone, Debug)]
pub struct Site {
    /// The package to run; by default one that knows cars, birds and cats, and has trucks to be
    /// taught
    #[arg(long, requires = "trust")]
    pub package: Option<PathBuf>,
    /// The public key of who signed the package
    #[arg(long, value_name = "FILE", requires = "package")]
    pub trust: Option<PathBuf>,
    /// A folder of folders of photos to show, each by its folder's name; by default the demo's
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// lastlayerd for aarch64; by default it is built with --profile
    #[arg(long)]
    pub program: Option<PathBuf>,
    /// The profile to build lastlayerd with
    #[arg(long, default_value = "release")]
    pub profile: String,
}

impl Site {
    /// For a person. Makes what is missing and writes the image into target/board; also the names of the photos.
    pub fn image_and_names(&self) -> Result<(Image, Vec<String>)> {
        super::setup()?;
        let program = match &self.program {
            Some(program) => program.clone(),
            None => cross::build(Kind::Aarch64, &self.profile, None)?,
        };
        let given = self.package.as_ref().zip(self.trust.as_ref());
        let ((package, key), photos) = match (given, &self.photos) {
            (Some((package, key)), Some(photos)) => {
                ((package.clone(), key.clone()), folders(photos)?)
            }
            (given, photos) => {
                let own = Own::make()?;
                let photos = photos.as_deref().map_or_else(|| own.photos(), folders)?;
                let signed = given.map(|(package, key)| (package.clone(), key.clone()));
                (signed.unwrap_or((own.package, own.key.public())), photos)
            }
        };
        let names = photos.iter().map(|(name, _)| name.clone()).collect();
        let content = Content {
            program,
            package,
            newer: None,
            key,
            photos,
            most_photos: MOST_PHOTOS,
        };
        let image = Image::build(&Debian::unpacked()?, &content, &folder())?;
        Ok((image, names))
    }
}

/// Where everything about the virtual board is kept.
pub fn folder() -> PathBuf {
    tools::target().join("board")
}

/// A key of the virtual board's own.
pub struct Key(PathBuf);

impl Key {
    fn make(tool: &Path) -> Result<Self> {
        let key = Self(folder().join("board"));
        if !key.secret().exists() || !key.public().exists() {
            for half in [key.secret(), key.public()] {
                if half.exists() {
                    fs::remove_file(half)?;
                }
            }
            let mut keygen = Command::new(tool);
            keygen.args(["keygen", "--no-password", "--output"]);
            tools::output(keygen.arg(&key.0))?;
        }
        Ok(key)
    }

    pub fn secret(&self) -> PathBuf {
        self.0.with_extension("key")
    }

    pub fn public(&self) -> PathBuf {
        self.0.with_extension("pub")
    }
}

/// What the host's tool makes.
pub struct Own {
    package: PathBuf,
    pub key: Key,
    pub backbone: PathBuf,
    pub demo: PathBuf,
}

impl Own {
    pub fn make() -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(tools::root());
        tools::run(cargo.args(["build", "--quiet", "--release", "--workspace"]))?;
        let tool = tools::target().join("release/lastlayer");
        let demo = tools::target().join("demo");
        if !demo.join("camera/test").is_dir() {
            eprintln!("running the demo for its photos");
            tools::output(Command::new(&tool).args(["demo", "--output"]).arg(&demo))?;
        }
        let key = Key::make(&tool)?;
        let package = folder().join("site.llp");
        let backbone = folder().join("backbone.onnx");
        if is_older(&package, &tool)? || is_older(&package, &key.secret())? {
            eprintln!("making {}", package.display());
            tools::output(
                Command::new(&tool)
                    .args([
                        "export",
                        "mobilenet-v2",
                        "--input-size",
                        INPUT_SIZE,
                        "--output",
                    ])
                    .arg(&backbone),
            )?;
            tools::output(
                Command::new(&tool)
                    .arg("package")
                    .arg(&backbone)
                    .args(["--classes", "car,bird,cat,truck", "--photos"])
                    .arg(demo.join("start"))
                    .arg("--key")
                    .arg(key.secret())
                    .arg("--output")
                    .arg(&package),
            )?;
        }
        Ok(Self {
            package,
            key,
            backbone,
            demo,
        })
    }

    /// Cars and trucks that no package was made of; birds and cats of the starting samples.
    fn photos(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut photos = folders(&self.demo.join("camera/test"))?;
        let known = folders(&self.demo.join("start"))?;
        photos.extend(known.into_iter().filter(|(name, _)| name != "car"));
        Ok(photos)
    }
}

/// Whether a file has to be made anew because what makes it is newer.
fn is_older(made: &Path, maker: &Path) -> Result<bool> {
    let maker = fs::metadata(maker)
        .and_then(|file| file.modified())
        .with_context(|| format!("{} is missing", maker.display()))?;
    Ok(fs::metadata(made)
        .and_then(|file| file.modified())
        .map_or(true, |made| made < maker))
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .collect();
    ensure!(
        !found.is_empty(),
        "{} has no folders of photos",
        folder.display()
    );
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_by_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(folders(folder.path()).is_err());
        for name in ["truck", "car"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("note"), "").unwrap();
        let names: Vec<String> = folders(folder.path())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["car", "truck"]);
    }

    #[test]
    fn what_is_missing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let maker = folder.path().join("maker");
        assert!(is_older(&folder.path().join("made"), &maker).is_err());
        fs::write(&maker, "").unwrap();
        assert!(is_older(&folder.path().join("made"), &maker).unwrap());
        fs::write(folder.path().join("made"), "").unwrap();
        assert!(!is_older(&folder.path().join("made"), &maker).unwrap());
    }
}
