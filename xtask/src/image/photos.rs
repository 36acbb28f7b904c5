//! Photos as a camera gives them: raw frames. vivid loops them back only in the format that is asked
//! of its input, and shows noise else; lastlayerd asks for the first in its list that a camera has
//! (firmware/src/camera/convert.rs), which is RGB3 with vivid, that has them all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use image::{RgbImage, imageops};

/// Width and height of a frame, pixels. What `lastlayerd` asks cameras for.
pub const SIZE: (u32, u32) = (640, 480);

/// The frames of a folder's photos one after the other, sorted by name, `most` at the most, three
/// bytes a pixel. An error where the folder has no photo (.png, .jpg, .jpeg) or one cannot be read.
pub fn frames(folder: &Path, most: usize) -> Result<Vec<u8>> {
    let mut photos: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_photo(path))
        .collect();
    ensure!(!photos.is_empty(), "{} has no photos", folder.display());
    photos.sort();
    photos.truncate(most);
    let mut frames = Vec::new();
    for photo in photos {
        let picture = image::open(&photo)
            .with_context(|| format!("the photo {} cannot be read", photo.display()))?;
        frames.extend(fitted(&picture.to_rgb8()).into_raw());
    }
    Ok(frames)
}

fn is_photo(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].iter().any(|known| ending == *known)
}

/// The whole photo in the middle of a frame, gray around it: the network looks at the middle.
fn fitted(photo: &RgbImage) -> RgbImage {
    let (width, height) = (f64::from(photo.width()), f64::from(photo.height()));
    let scale = (f64::from(SIZE.0) / width).min(f64::from(SIZE.1) / height);
    let side = |pixels: f64, most: u32| ((pixels * scale).round() as u32).clamp(1, most);
    let (width, height) = (side(width, SIZE.0), side(height, SIZE.1));
    let small = imageops::resize(photo, width, height, imageops::FilterType::Triangle);
    let mut frame = RgbImage::from_pixel(SIZE.0, SIZE.1, image::Rgb([128; 3]));
    let (left, top) = ((SIZE.0 - width) / 2, (SIZE.1 - height) / 2);
    imageops::replace(&mut frame, &small, left.into(), top.into());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_stands_whole_in_the_middle() {
        let frame = fitted(&RgbImage::from_pixel(32, 32, image::Rgb([255, 0, 0])));
        assert_eq!((frame.width(), frame.height()), SIZE);
        assert_eq!(frame.get_pixel(79, 240).0, [128; 3]);
        assert_eq!(frame.get_pixel(80, 0).0, [255, 0, 0]);
        assert_eq!(frame.get_pixel(559, 479).0, [255, 0, 0]);
        let tall = fitted(&RgbImage::from_pixel(1, 3000, image::Rgb([1; 3])));
        assert_eq!(tall.get_pixel(319, 240).0, [1; 3]);
    }

    #[test]
    fn a_folder_gives_frames_in_order_and_no_more_than_wanted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, gray) in [("b.png", 255), ("a.png", 0), ("c.png", 9), ("note.txt", 1)] {
            let photo = RgbImage::from_pixel(640, 480, image::Rgb([gray; 3]));
            let path = folder.path().join(name);
            photo
                .save_with_format(path, image::ImageFormat::Png)
                .unwrap();
        }
        let bytes = frames(folder.path(), 2).unwrap();
        let frame = (SIZE.0 * SIZE.1 * 3) as usize;
        assert_eq!((bytes.len(), bytes[0], bytes[frame]), (2 * frame, 0, 255));
        fs::write(folder.path().join("a.png"), "no photo").unwrap();
        assert!(frames(folder.path(), 1).is_err());
        assert!(frames(Path::new("/nowhere"), 1).is_err());
    }
}
