//! One picture from a camera or a file: rows of RGB bytes, top left first.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage, codecs::jpeg::JpegEncoder};

/// Endings of files that are taken for photos, in lower case.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];
/// The largest side of a picture that is decoded, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The most memory that decoding one picture may take, in bytes.
const MAX_MEMORY: u64 = 1 << 30;
/// The largest photo file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;
/// JPEG quality of stored crops (1..=100): at 90 an embedding moves by less than camera noise.
const CROP_QUALITY: u8 = 90;

#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {width} x {height} pixels needs {expected} bytes, but {actual} came")]
    Size {
        width: u32,
        height: u32,
        expected: u64,
        actual: usize,
    },
    #[error("not a picture this program can read (JPEG or PNG): {0}")]
    Decode(String),
    #[error(transparent)]
    File(#[from] crate::file::FileError),
    #[error("{path} cannot be used: {reason}")]
    Photo { path: PathBuf, reason: String },
}

impl Frame {
    /// `rgb` holds `height` rows of `width` pixels of 3 bytes, red first; both sides at least 1.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, FrameError> {
        let expected = u64::from(width) * u64::from(height) * 3;
        if expected == 0 || rgb.len() as u64 != expected {
            return Err(FrameError::Size {
                width,
                height,
                expected,
                actual: rgb.len(),
            });
        }
        Ok(Self { width, height, rgb })
    }

    /// Decodes JPEG or PNG, turned upright as its EXIF orientation says.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let failed = |error: image::ImageError| FrameError::Decode(error.to_string());
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| FrameError::Decode(error.to_string()))?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_MEMORY);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(failed)?;
        let orientation = decoder.orientation().map_err(failed)?;
        let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
        picture.apply_orientation(orientation);
        let picture = picture.into_rgb8();
        Self::new(picture.width(), picture.height(), picture.into_raw())
    }

    pub fn open(path: &Path) -> Result<Self, FrameError> {
        let bytes = crate::file::read(path, MAX_FILE)?;
        Self::decode(&bytes).map_err(|error| FrameError::Photo {
            path: path.into(),
            reason: error.to_string(),
        })
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// Rows of RGB, `3 * width * height` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The frame as a JPEG, the form in which samples keep their crop.
    pub fn to_jpeg(&self) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, CROP_QUALITY)
            .encode(
                &self.rgb,
                self.width,
                self.height,
                image::ExtendedColorType::Rgb8,
            )
            .map_err(|error| FrameError::Decode(error.to_string()))?;
        Ok(bytes)
    }

    /// The frame as a PNG: without loss, for self-tests.
    pub fn to_png(&self) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        self.clone()
            .into_image()
            .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
            .map_err(|error| FrameError::Decode(error.to_string()))?;
        Ok(bytes)
    }

    pub fn into_image(self) -> RgbImage {
        RgbImage::from_raw(self.width, self.height, self.rgb)
            .unwrap_or_else(|| unreachable!("new() has checked the length"))
    }
}

/// Whether a file is taken for a photo, by its name alone: hidden ones are not.
pub fn is_photo(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

impl From<RgbImage> for Frame {
    fn from(picture: RgbImage) -> Self {
        Self {
            width: picture.width(),
            height: picture.height(),
            rgb: picture.into_raw(),
        }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Frame({} x {})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_exactly_its_pixels() {
        assert!(Frame::new(2, 1, vec![0; 6]).is_ok());
        assert!(Frame::new(2, 1, vec![0; 5]).is_err());
        assert!(Frame::new(0, 1, vec![]).is_err());
    }

    #[test]
    fn png_keeps_every_byte_and_jpeg_nearly() {
        let frame = Frame::new(8, 8, (0..192).map(|i| i as u8).collect()).unwrap();
        assert_eq!(Frame::decode(&frame.to_png().unwrap()).unwrap(), frame);
        let grey = Frame::new(8, 8, vec![100; 192]).unwrap();
        let back = Frame::decode(&grey.to_jpeg().unwrap()).unwrap();
        assert!(back.rgb().iter().all(|&v| v.abs_diff(100) < 4));
    }

    #[test]
    fn photos_are_told_by_their_names() {
        for (name, photo) in [
            ("a.jpg", true),
            ("d/b.JPEG", true),
            ("c.d.png", true),
            (".a.jpg", false),
            ("a.txt", false),
            ("png", false),
            ("..", false),
        ] {
            assert_eq!(is_photo(Path::new(name)), photo, "{name}");
        }
    }

    #[test]
    fn what_is_not_a_picture_is_an_error() {
        assert!(Frame::decode(b"").is_err());
        assert!(Frame::decode(b"hello, camera").is_err());
        let png = Frame::new(8, 8, vec![7; 192]).unwrap().to_png().unwrap();
        assert!(Frame::decode(&png[..png.len() / 2]).is_err());
    }
}
