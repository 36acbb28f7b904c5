//! A folder of photos as a camera: shows them in order, again and again, and can shake like a real
//! one, the same way for the same seed.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use lastlayer_shared::{frame::Frame, photos};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{CameraError, Capture, FrameSource};

/// At full shake: the share of each side that may be cut off, brightness up or down, and noise, the
/// last two in steps of 255.
const CROP: f32 = 0.12;
const BRIGHTNESS: f32 = 30.0;
const NOISE: f32 = 12.0;

pub struct FolderCamera {
    root: PathBuf,
    shown: PathBuf,
    photos: Vec<PathBuf>,
    next: usize,
    /// 0..=1.
    shake: f32,
    random: ChaCha8Rng,
    /// Photos that could not be read; tried again every round, reported once.
    unreadable: HashSet<PathBuf>,
    warnings: Vec<String>,
}

impl FolderCamera {
    /// Shows everything in `root`; `shake` is 0..=1.
    pub fn open(root: &Path, shake: f32, seed: u64) -> Result<Self, CameraError> {
        let mut camera = Self::empty(root, shake, seed);
        camera.show(Path::new(""))?;
        Ok(camera)
    }

    /// Shows nothing until it is told what.
    pub fn empty(root: &Path, shake: f32, seed: u64) -> Self {
        Self {
            root: root.into(),
            shown: root.into(),
            photos: Vec::new(),
            next: 0,
            shake,
            random: ChaCha8Rng::seed_from_u64(seed),
            unreadable: HashSet::new(),
            warnings: Vec::new(),
        }
    }

    /// Shows the photos of this folder of `root` from its first one on.
    pub fn show(&mut self, folder: &Path) -> Result<(), CameraError> {
        let path = self.root.join(folder);
        let photos = photos::find(&path).map_err(|source| CameraError::Folder {
            folder: path.clone(),
            source,
        })?;
        if photos.is_empty() {
            return Err(CameraError::NoPhotos(path));
        }
        (self.shown, self.photos, self.next) = (path, photos, 0);
        Ok(())
    }
}

impl FrameSource for FolderCamera {
    fn next(&mut self) -> Result<Option<Capture>, CameraError> {
        for _ in 0..self.photos.len() {
            let path = &self.photos[self.next];
            self.next = (self.next + 1) % self.photos.len();
            let frame = match Frame::open(path) {
                Ok(frame) => frame,
                Err(error) => {
                    if self.unreadable.insert(path.clone()) {
                        self.warnings.push(format!("{error}; it is passed over"));
                    }
                    continue;
                }
            };
            let name = path.strip_prefix(&self.root).unwrap_or(path);
            let photo = Some(name.to_string_lossy().into_owned());
            let frame = if self.shake > 0.0 {
                shaken(&frame, self.shake, &mut self.random)
            } else {
                frame
            };
            return Ok(Some(Capture { frame, photo }));
        }
        Err(CameraError::NoPhotos(self.shown.clone()))
    }

    fn describe(&self) -> String {
        format!("{}: {} photos", self.shown.display(), self.photos.len())
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

/// Another crop, another brightness, and noise.
fn shaken(frame: &Frame, shake: f32, random: &mut ChaCha8Rng) -> Frame {
    let cut = |side: u32, share: f32| (side as f32 * CROP * shake * share) as u32;
    let (left, right) = (
        cut(frame.width(), random.random()),
        cut(frame.width(), random.random()),
    );
    let (top, bottom) = (
        cut(frame.height(), random.random()),
        cut(frame.height(), random.random()),
    );
    let brightness = (random.random::<f32>() * 2.0 - 1.0) * BRIGHTNESS * shake;
    let picture = frame.clone().into_image();
    let (width, height) = (frame.width() - left - right, frame.height() - top - bottom);
    let shaken = image::RgbImage::from_fn(width.max(1), height.max(1), |x, y| {
        let mut pixel = *picture.get_pixel(
            (x + left).min(frame.width() - 1),
            (y + top).min(frame.height() - 1),
        );
        for value in &mut pixel.0 {
            let noise = (random.random::<f32>() * 2.0 - 1.0) * NOISE * shake;
            *value = (f32::from(*value) + brightness + noise)
                .round()
                .clamp(0.0, 255.0) as u8;
        }
        pixel
    });
    shaken.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, shade) in [("a/1.png", 10u8), ("a/2.png", 20), ("b/1.png", 30)] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let frame = Frame::new(20, 10, vec![shade; 600]).unwrap();
            std::fs::write(path, frame.to_png().unwrap()).unwrap();
        }
        std::fs::write(folder.path().join("a/broken.png"), b"no picture").unwrap();
        folder
    }

    #[test]
    fn photos_come_in_order_and_again_and_broken_ones_are_skipped() {
        let folder = folder();
        let mut camera = FolderCamera::open(folder.path(), 0.0, 0).unwrap();
        let names: Vec<String> = (0..4)
            .map(|_| camera.next().unwrap().unwrap().photo.unwrap())
            .collect();
        assert_eq!(names, ["a/1.png", "a/2.png", "b/1.png", "a/1.png"]);
        let warnings = camera.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains("a/broken.png"),
            "{warnings:?}"
        );
        (0..4).for_each(|_| drop(camera.next().unwrap()));
        assert!(camera.warnings().is_empty());
        camera.show(Path::new("b")).unwrap();
        assert_eq!(camera.next().unwrap().unwrap().photo.unwrap(), "b/1.png");
        assert!(camera.show(Path::new("c")).is_err());
        assert_eq!(camera.next().unwrap().unwrap().photo.unwrap(), "b/1.png");
    }

    #[test]
    fn the_same_seed_shakes_the_same_way() {
        let folder = folder();
        let frames = |seed| {
            let mut camera = FolderCamera::open(folder.path(), 1.0, seed).unwrap();
            (0..6)
                .map(|_| camera.next().unwrap().unwrap().frame)
                .collect::<Vec<_>>()
        };
        assert_eq!(frames(1), frames(1));
        assert_ne!(frames(1), frames(2));
        assert!(frames(3).iter().any(|frame| frame.width() < 20));
    }

    #[test]
    fn a_folder_without_photos_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path| FolderCamera::open(path, 0.0, 0).err().unwrap();
        assert!(matches!(open(folder.path()), CameraError::NoPhotos(_)));
        assert!(matches!(
            open(&folder.path().join("x")),
            CameraError::Folder { .. }
        ));
        std::fs::write(folder.path().join("x.jpg"), b"broken").unwrap();
        let mut camera = FolderCamera::open(folder.path(), 0.0, 0).unwrap();
        assert!(matches!(camera.next(), Err(CameraError::NoPhotos(_))));
    }
}
