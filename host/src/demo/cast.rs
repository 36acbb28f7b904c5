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
    story::{LEAST_BURST, MOST_BURST, TEACH, TEST},
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

/// CIFAR's pictures are small and in one file; a user's photos may be many and large, and stay
/// where they are until they are copied.
#[derive(Clone, Debug, PartialEq)]
pub enum Photo {
    Picture(RgbImage),
    /// JPEG or PNG.
    File(PathBuf),
}

/// Who plays: photos by the part that they have in the story. No photo has two.
pub struct Cast {
    /// Classes known from the start, `old` among them, with the photos that they are known by.
    pub known: Vec<(String, Vec<Photo>)>,
    /// What the new class is taken for before it is taught.
    pub old: String,
    /// The class that is taught.
    pub new: String,
    /// A whole number of bursts.
    pub teach: Vec<Photo>,
    /// Photos of `old` that nobody learns from.
    pub test_old: Vec<Photo>,
    /// Photos of `new` that nobody learns from.
    pub test_new: Vec<Photo>,
}

/// Why the photos do not make a story.
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
    #[error("{path} cannot be written: {source}; is there room on the disk?")]
    Write { path: PathBuf, source: io::Error },
}

impl Cast {
    /// Cars, birds and cats are known, trucks are taught.
    pub fn from_cifar(fetcher: &mut Fetcher<'_>) -> Result<Self, CastError> {
        let (learn, test) = cifar::fetch(fetcher)?;
        let take = |from: &Pictures, class: &str, count: usize| -> Vec<Photo> {
            let pictures = from.get(class).into_iter().flatten();
            pictures.take(count).cloned().map(Photo::Picture).collect()
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
        let of = |class: usize, skip: usize, most: usize| -> Vec<Photo> {
            let photos = order.iter().filter(|&&photo| labels[photo] == class);
            photos
                .skip(skip)
                .take(most)
                .map(|&photo| Photo::File(labelled.photos[photo].1.clone()))
                .collect()
        };
        let half = |class: usize, most: usize| {
            let photos = labels.iter().filter(|&&label| label == class).count();
            (photos / 2).min(most)
        };
        let taught = half(new, TAUGHT);
        if taught < LEAST_BURST || half(old, KNOWN) < LEAST_BURST {
            return Err(CastError::TooFewPhotos {
                old: classes[old].clone(),
                new: classes[new].clone(),
            });
        }
        let known = (0..classes.len()).filter(|&class| class != new);
        Ok(Self {
            known: known
                .map(|class| {
                    let photos = of(class, 0, half(class, KNOWN).max(1));
                    (classes[class].clone(), photos)
                })
                .collect(),
            old: classes[old].clone(),
            new: classes[new].clone(),
            teach: of(new, 0, taught - taught % burst_of(taught)),
            test_old: of(old, half(old, KNOWN), TESTED),
            test_new: of(new, taught, TESTED),
        })
    }

    /// Frames of one press. All presses are of the same size: the board has one `--burst`, and a
    /// burst that is not full goes on with what is shown after it, which are test photos.
    pub fn burst(&self) -> usize {
        burst_of(self.teach.len())
    }

    /// Puts copies of the photos where package (`start`) and camera look for them; what was there
    /// before goes. A photo that cannot be read is an error: the camera would pass over it, and
    /// show what comes after it too early.
    pub fn lay_out(&self, start: &Path, camera: &Path) -> Result<(), CastError> {
        for folder in [start, camera] {
            if folder.exists() {
                fs::remove_dir_all(folder).map_err(|source| failed(folder, source))?;
            }
        }
        for (class, pictures) in &self.known {
            write(&start.join(class), pictures)?;
        }
        for (number, burst) in self.teach.chunks(self.burst()).enumerate() {
            write(&camera.join(TEACH).join(number.to_string()), burst)?;
        }
        write(&camera.join(TEST).join(&self.old), &self.test_old)?;
        write(&camera.join(TEST).join(&self.new), &self.test_new)
    }
}

/// What `taught` photos are divided into; some may be left over.
fn burst_of(taught: usize) -> usize {
    taught.clamp(1, MOST_BURST)
}

/// Copies that are numbered, in order; a file keeps its ending.
fn write(folder: &Path, photos: &[Photo]) -> Result<(), CastError> {
    fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    for (number, photo) in photos.iter().enumerate() {
        let path = folder.join(format!("{number:03}"));
        match photo {
            Photo::Picture(picture) => {
                let path = path.with_extension("png");
                let png = Frame::from(picture.clone()).to_png()?;
                fs::write(&path, png).map_err(|source| failed(&path, source))?;
            }
            Photo::File(from) => {
                Frame::open(from)?;
                let path = path.with_extension(from.extension().unwrap_or_default());
                fs::copy(from, &path).map_err(|source| failed(&path, source))?;
            }
        }
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
        // 12 could be taught: a burst of ten, and two that would be half a burst.
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
    fn bursts_are_of_one_size() {
        for (photos, burst, presses) in [(6, 3, 1), (13, 6, 1), (31, 10, 1), (58, 10, 2)] {
            let folder = folder(&[("car", 6), ("truck", photos), ("van", 2)]);
            let cast = Cast::from_folder(folder.path(), 0).unwrap();
            assert_eq!(
                (cast.burst(), cast.teach.len()),
                (burst, burst * presses),
                "{photos} photos"
            );
        }
    }

    #[test]
    fn files_are_copied_as_they_are_and_broken_ones_are_refused() {
        let folder = folder(&[("car", 6), ("truck", 6), ("van", 2)]);
        let out = tempfile::tempdir().unwrap();
        let (start, camera) = (out.path().join("start"), out.path().join("camera"));
        let photo = folder.path().join("van/0.png");
        fs::rename(&photo, folder.path().join("van/0.PnG")).unwrap();
        fs::remove_file(folder.path().join("van/1.png")).unwrap();
        let cast = Cast::from_folder(folder.path(), 0).unwrap();
        fs::create_dir_all(start.join("earlier")).unwrap();
        cast.lay_out(&start, &camera).unwrap();
        assert!(!start.join("earlier").exists());
        assert_eq!(
            fs::read(start.join("van/000.PnG")).unwrap(),
            fs::read(folder.path().join("van/0.PnG")).unwrap()
        );
        let shown = lastlayer_shared::photos::find(&camera).unwrap();
        assert_eq!(shown.len(), 3 + 3 + 3);
        fs::write(folder.path().join("van/0.PnG"), b"no picture").unwrap();
        let message = cast.lay_out(&start, &camera).unwrap_err().to_string();
        assert!(message.contains("van/0.PnG"), "{message}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_names_of_classes_must_be_text() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let made = folder(&[("car", 6), ("truck", 6), ("van", 1)]);
        let odd = made.path().join(OsStr::from_bytes(b"odd\xff"));
        fs::create_dir(&odd).unwrap();
        for class in ["car", "truck", "van"] {
            fs::rename(made.path().join(class), odd.join(class)).unwrap();
        }
        let photo = odd.join("van").join(OsStr::from_bytes(b"\xff.png"));
        fs::rename(odd.join("van/0.png"), photo).unwrap();
        let cast = Cast::from_folder(&odd, 0).unwrap();
        let out = made.path().join(OsStr::from_bytes(b"out\xff"));
        cast.lay_out(&out.join("start"), &out.join("camera"))
            .unwrap();
        assert!(out.join("start/van/000.png").exists());
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
