//! A folder of labelled folders: each holds the photos of one class and is named after it.

use std::path::{Path, PathBuf};

use lastlayer_shared::{
    file, photos,
    verdict::{ClassNameError, check_classes},
};

#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPhotos {
    /// Names of the folders, in order.
    pub classes: Vec<String>,
    /// Index into `classes`, path; in order of class and name.
    pub photos: Vec<(usize, PathBuf)>,
}

#[derive(Debug, thiserror::Error)]
pub enum PhotosError {
    #[error("the folder {path} cannot be read: {source}")]
    Folder {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{0} holds {1} labelled folder(s), and two are needed to tell something apart; make one \
         folder a class in it, named after the class, with its photos inside"
    )]
    TooFew(PathBuf, usize),
    #[error("the folder {0} holds no photos (.jpg, .jpeg, .png); put some in or remove it")]
    Empty(PathBuf),
    #[error("the folder {0:?} cannot be a class: its name is not text (UTF-8); rename it")]
    NotText(PathBuf),
    #[error("a folder in {0} cannot be a class: {1}")]
    Name(PathBuf, ClassNameError),
}

impl LabelledPhotos {
    /// The class with the fewest photos, and how many they are.
    pub fn smallest(&self) -> (&str, usize) {
        let count = |class| self.photos.iter().filter(|(of, _)| *of == class).count();
        let classes = self.classes.iter().enumerate();
        let counts = classes.map(|(class, name)| (name.as_str(), count(class)));
        counts.min_by_key(|(_, count)| *count).unwrap_or(("", 0))
    }

    /// The photos' paths below `folder`, which they were found in, with `/` between names; what is
    /// not text (UTF-8) in them is replaced.
    pub fn below(&self, folder: &Path) -> Vec<String> {
        let path = |(_, path): &(usize, PathBuf)| {
            let names = path.strip_prefix(folder).unwrap_or(path).iter();
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            names.join("/")
        };
        self.photos.iter().map(path).collect()
    }
}

/// Reads the names; the photos themselves are opened later. Photos in folders within a class's
/// folder are of that class.
pub fn labelled(folder: &Path) -> Result<LabelledPhotos, PhotosError> {
    let failed = |path: &Path, source| PhotosError::Folder {
        path: path.into(),
        source,
    };
    let mut classes = Vec::new();
    let mut labelled = Vec::new();
    for path in file::list(folder).map_err(|source| failed(folder, source))? {
        if !path.is_dir() || photos::is_hidden(&path) {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| PhotosError::NotText(path.clone()))?;
        let inside = photos::find(&path).map_err(|source| failed(&path, source))?;
        if inside.is_empty() {
            return Err(PhotosError::Empty(path));
        }
        labelled.extend(inside.into_iter().map(|photo| (classes.len(), photo)));
        classes.push(name.to_owned());
    }
    if classes.len() < 2 {
        return Err(PhotosError::TooFew(folder.into(), classes.len()));
    }
    check_classes(&classes).map_err(|error| PhotosError::Name(folder.into(), error))?;
    Ok(LabelledPhotos {
        classes,
        photos: labelled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_classes_and_other_files_are_passed_over() {
        let folder = folder(&[
            "b/2.JPG",
            "b/1.png",
            "a/day/x.jpeg",
            "a/notes.txt",
            "README.md",
            ".git/x.png",
        ]);
        let found = labelled(folder.path()).unwrap();
        assert_eq!(found.classes, ["a", "b"]);
        let labels: Vec<usize> = found.photos.iter().map(|(class, _)| *class).collect();
        assert_eq!(labels, [0, 1, 1]);
        assert_eq!(
            found.below(folder.path()),
            ["a/day/x.jpeg", "b/1.png", "b/2.JPG"]
        );
    }

    #[test]
    fn one_class_an_empty_class_and_no_folder_are_errors() {
        let one = folder(&["a/1.png"]);
        assert!(matches!(
            labelled(one.path()),
            Err(PhotosError::TooFew(_, 1))
        ));
        let empty = folder(&["a/1.png", "b/readme.txt"]);
        assert!(matches!(labelled(empty.path()), Err(PhotosError::Empty(_))));
        let unknown = folder(&["a/1.png", "unknown/1.png"]);
        assert!(matches!(
            labelled(unknown.path()),
            Err(PhotosError::Name(..))
        ));
        assert!(matches!(
            labelled(&one.path().join("no")),
            Err(PhotosError::Folder { .. })
        ));
    }
}
