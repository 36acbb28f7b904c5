//! The photos of the story: which classes the board knows, which one it is taught, and which photos
//! tell how well that went.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use image::RgbImage;
use lastlayer_shared::frame::{Frame, FrameError};

use super::{
    cifar::{self, CifarError, Pictures},
    story::{BURST, TEACH, TEST},
};
use crate::{
    evaluate::draw,
    photos::{self, PhotosError},
    pretrained::fetch::Fetcher,
};

/// Known from the start, and what `NEW` is taken for before it is taught.
const OLD: &str = "car";
/// Known from the start too.
const OTHERS: [&str; 2] = ["bird", "cat"];
const NEW: &str = "truck";
/// Starting photos a class, taught photos, test photos a class.
const KNOWN: usize = 50;
const TAUGHT: usize = 50;
const TESTED: usize = 150;
/// A burst of fewer frames is refused by the board.
const FEWEST: usize = 3;

pub struct Cast {
    /// Classes known from the start, `old` among them, with the photos that they are known by.
    pub known: Vec<(String, Vec<RgbImage>)>,
    pub old: String,
    pub new: String,
    pub teach: Vec<RgbImage>,
    pub test_old: Vec<RgbImage>,
    pub test_new: Vec<RgbImage>,
}

#[derive(Debug, thiserror::Error)]
pub enum CastError {
    #[error(transparent)]
    Cifar(#[from] CifarError),
    #[error(transparent)]
    Photos(#[from] PhotosError),
    #[error("{0}; remove the file or replace it")]
    Photo(#[from] FrameError),
    #[error("{folder} holds {classes} classes; the story needs two to know and one to learn")]
    TooFewClasses { folder: PathBuf, classes: usize },
    #[error("the folders {old} and {new} hold too few photos; 6 are the least")]
    TooFewPhotos { old: String, new: String },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
}

impl Cast {
    /// Cars, birds and cats are known, trucks are taught.
    pub fn from_cifar(fetcher: &mut Fetcher<'_>) -> Result<Self, CastError> {
        let (learn, test) = cifar::fetch(fetcher)?;
        let take = |from: &Pictures, class: &str, count: usize| -> Vec<RgbImage> {
            let pictures = from.get(class).into_iter().flatten();
            pictures.take(count).cloned().collect()
        };
        let known = [OLD].into_iter().chain(OTHERS);
        Ok(Self {
            known: known
                .map(|class| (class.to_owned(), take(&learn, class, KNOWN)))
                .collect(),
            old: OLD.into(),
            new: NEW.into(),
            teach: take(&learn, NEW, TAUGHT),
            test_old: take(&test, OLD, TESTED),
            test_new: take(&test, NEW, TESTED),
        })
    }

    /// From a user's folder of labelled folders: `truck`, or the last class, is taught to a board
    /// that knows the others; at most half of the photos of a class are learned from.
    pub fn from_folder(folder: &Path, seed: u64) -> Result<Self, CastError> {
        let labelled = photos::labelled(folder)?;
        let classes = &labelled.classes;
        if classes.len() < 3 {
            return Err(CastError::TooFewClasses {
                folder: folder.into(),
                classes: classes.len(),
            });
        }
        let named = |name: &str| classes.iter().position(|class| class == name);
        let new = named(NEW).unwrap_or(classes.len() - 1);
        let old = named(OLD)
            .filter(|&old| old != new)
            .unwrap_or(usize::from(new == 0));
        let labels: Vec<usize> = labelled.photos.iter().map(|(class, _)| *class).collect();
        let order = draw(&labels, classes.len(), labels.len(), seed, 0);
        let of = |class: usize, skip: usize, most: usize| -> Result<Vec<RgbImage>, FrameError> {
            let photos = order.iter().filter(|&&photo| labels[photo] == class);
            photos
                .skip(skip)
                .take(most)
                .map(|&photo| Ok(Frame::open(&labelled.photos[photo].1)?.into_image()))
                .collect()
        };
        let half = |class: usize, most: usize| {
            let photos = labels.iter().filter(|&&label| label == class).count();
            (photos / 2).min(most)
        };
        let mut taught = half(new, TAUGHT);
        if taught < FEWEST || half(old, KNOWN) < FEWEST {
            return Err(CastError::TooFewPhotos {
                old: classes[old].clone(),
                new: classes[new].clone(),
            });
        }
        if (1..FEWEST).contains(&(taught % BURST)) {
            taught -= taught % BURST;
        }
        let known = (0..classes.len()).filter(|&class| class != new);
        Ok(Self {
            known: known
                .map(|class| {
                    let photos = of(class, 0, half(class, KNOWN).max(1))?;
                    Ok((classes[class].clone(), photos))
                })
                .collect::<Result<_, FrameError>>()?,
            old: classes[old].clone(),
            new: classes[new].clone(),
            teach: of(new, 0, taught)?,
            test_old: of(old, half(old, KNOWN), TESTED)?,
            test_new: of(new, half(new, TAUGHT), TESTED)?,
        })
    }

    /// Writes the photos where package (`start`) and camera look for them; what was there before
    /// goes.
    pub fn lay_out(&self, start: &Path, camera: &Path) -> Result<(), CastError> {
        for folder in [start, camera] {
            if folder.exists() {
                fs::remove_dir_all(folder).map_err(|source| failed(folder, source))?;
            }
        }
        for (class, pictures) in &self.known {
            write(&start.join(class), pictures)?;
        }
        for (number, burst) in self.teach.chunks(BURST).enumerate() {
            write(&camera.join(TEACH).join(number.to_string()), burst)?;
        }
        write(&camera.join(TEST).join(&self.old), &self.test_old)?;
        write(&camera.join(TEST).join(&self.new), &self.test_new)
    }
}

fn write(folder: &Path, pictures: &[RgbImage]) -> Result<(), CastError> {
    fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    for (number, picture) in pictures.iter().enumerate() {
        let path = folder.join(format!("{number:03}.png"));
        let png = Frame::from(picture.clone()).to_png()?;
        fs::write(&path, png).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> CastError {
    CastError::Write {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with so many photos of each class; every photo is of its own colour.
    fn folder(classes: &[(&str, u8)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (class, &(name, photos)) in classes.iter().enumerate() {
            for photo in 0..photos {
                let pixel = image::Rgb([class as u8, photo, 0]);
                let path = folder.path().join(name).join(format!("{photo}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                RgbImage::from_pixel(4, 4, pixel).save(path).unwrap();
            }
        }
        folder
    }

    #[test]
    fn no_photo_is_both_taught_and_tested() {
        let folder = folder(&[("car", 30), ("truck", 24), ("van", 7)]);
        let cast = Cast::from_folder(folder.path(), 1).unwrap();
        assert_eq!((cast.old.as_str(), cast.new.as_str()), ("car", "truck"));
        // 12 taught: a burst of ten, and two that would be refused.
        assert_eq!((cast.teach.len(), cast.test_new.len()), (10, 12));
        assert_eq!((cast.known[0].1.len(), cast.test_old.len()), (15, 15));
        for (learned, tested) in [
            (&cast.teach, &cast.test_new),
            (&cast.known[0].1, &cast.test_old),
        ] {
            assert!(learned.iter().all(|photo| !tested.contains(photo)));
        }
        let other = Cast::from_folder(folder.path(), 2).unwrap();
        assert_ne!(cast.teach, other.teach);
    }

    #[test]
    fn without_trucks_the_last_class_is_taught_and_too_little_is_refused() {
        let three = folder(&[("a", 8), ("b", 8), ("c", 8)]);
        let cast = Cast::from_folder(three.path(), 0).unwrap();
        assert_eq!((cast.old.as_str(), cast.new.as_str()), ("a", "c"));
        let few = folder(&[("a", 8), ("b", 8), ("c", 5)]);
        assert!(matches!(
            Cast::from_folder(few.path(), 0),
            Err(CastError::TooFewPhotos { .. })
        ));
        let two = folder(&[("a", 8), ("b", 8)]);
        assert!(matches!(
            Cast::from_folder(two.path(), 0),
            Err(CastError::TooFewClasses { classes: 2, .. })
        ));
    }
}
