//! One picture from a camera or a file: rows of RGB bytes, top left first.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use crate::contain::caught;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage, codecs::jpeg::JpegEncoder};

/// The largest side of a picture that is decoded, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The most pixels of a picture that is decoded: the largest phones', which are 600 MB while they
/// are turned upright.
const MAX_PIXELS: u64 = 110_000_000;
/// The largest photo file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;
/// How a JPEG file begins.
const JPEG: &[u8] = b"\xff\xd8";
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

    /// Decodes JPEG or PNG, turned upright as its EXIF orientation says. A JPEG that ends early is
    /// grey from there on.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        Self::decode_within(bytes, MAX_SIDE)
    }

    /// Refuses pictures with a side of more than `most` pixels before they are decoded.
    pub fn decode_within(bytes: &[u8], most: u32) -> Result<Self, FrameError> {
        caught(|| decode(bytes, most))
            .unwrap_or_else(|| Err(FrameError::Decode("it is damaged".into())))
    }

    /// Reads a photo, which must be whole: half a photo teaches grey.
    pub fn open(path: &Path) -> Result<Self, FrameError> {
        let failed = |reason: String| FrameError::Photo {
            path: path.into(),
            reason,
        };
        let bytes = crate::file::read(path, MAX_FILE)?;
        if bytes.starts_with(JPEG) && !jpeg_is_whole(&bytes) {
            return Err(failed("it is cut short".into()));
        }
        Self::decode(&bytes).map_err(|error| failed(error.to_string()))
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

/// Nothing is known of `bytes`; the decoders may panic (a PNG with an odd palette does).
fn decode(bytes: &[u8], most: u32) -> Result<Frame, FrameError> {
    let failed = |error: image::ImageError| FrameError::Decode(error.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| FrameError::Decode(error.to_string()))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(most);
    limits.max_image_height = Some(most);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(FrameError::Decode(format!(
            "{width} x {height} pixels are more than the {} million that are decoded",
            MAX_PIXELS / 1_000_000
        )));
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    let picture = picture.into_rgb8();
    Frame::new(picture.width(), picture.height(), picture.into_raw())
}

/// Whether the picture in a JPEG file reaches its end marker. Decoders fill up what is missing and
/// do not say so. Segments with a length (where a preview may hold markers of its own) are stepped
/// over; within the picture's data `FF 00` and the restarts `FF D0`..`FF D7` are no end.
pub fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = JPEG.len();
    while let Some(&[before, marker]) = bytes.get(at..at + 2) {
        match (before, marker) {
            (0xff, 0xd9) => return true,
            // Data, and bytes that fill up to a marker.
            (0xff, 0x00 | 0x01 | 0xd0..=0xd7) => at += 2,
            (0xff, 0xff) => at += 1,
            (0xff, _) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            _ => at += 1,
        }
    }
    false
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
    fn what_is_not_a_picture_is_an_error() {
        assert!(Frame::decode(b"").is_err());
        assert!(Frame::decode(b"hello, camera").is_err());
        let frame = Frame::new(8, 8, vec![7; 192]).unwrap();
        let png = frame.to_png().unwrap();
        assert!(Frame::decode(&png[..png.len() / 2]).is_err());
        assert!(Frame::decode_within(&png, 8).is_ok() && Frame::decode_within(&png, 7).is_err());
    }

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        // The palette's length is no multiple of three.
        let png = [
            0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52,
            0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0, 0x28, 0xcb, 0x34, 0xbb, 0, 0, 0, 4, 0x50, 0x4c,
            0x54, 0x45, 0, 0, 0, 0, 0xb4, 0xa3, 0xae, 0x7a, 0, 0, 0, 0x0a, 0x49, 0x44, 0x41, 0x54,
            0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1, 0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, 0x49,
            0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
        ];
        assert!(Frame::decode(&png).is_err());
    }

    #[test]
    fn a_small_file_cannot_ask_for_much_memory() {
        // The header of a JPEG of 16384 x 16384 pixels, as `FF C0` says.
        let mut jpeg = Frame::new(16, 16, vec![9; 768]).unwrap().to_jpeg().unwrap();
        let at = jpeg.windows(2).position(|w| w == b"\xff\xc0").unwrap();
        jpeg[at + 5..at + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
        let message = Frame::decode(&jpeg).unwrap_err().to_string();
        assert!(
            message.contains("16384 x 16384 pixels are more"),
            "{message}"
        );
    }

    #[test]
    fn every_kind_of_picture_becomes_rgb() {
        let png = |picture: DynamicImage| {
            let mut bytes = Cursor::new(Vec::new());
            picture
                .write_to(&mut bytes, image::ImageFormat::Png)
                .unwrap();
            Frame::decode(bytes.get_ref()).unwrap()
        };
        let grey = image::GrayImage::from_pixel(2, 1, image::Luma([90]));
        assert_eq!(png(grey.into()).rgb(), [90; 6]);
        let deep = image::ImageBuffer::from_pixel(2, 1, image::Rgb([0xffffu16, 0x8080, 0]));
        assert_eq!(png(deep.into()).rgb(), [255, 128, 0, 255, 128, 0]);
        let clear = image::RgbaImage::from_pixel(1, 1, image::Rgba([9, 8, 7, 0]));
        assert_eq!(png(clear.into()).rgb(), [9, 8, 7]);
    }

    #[test]
    fn a_photo_is_turned_upright_as_it_says() {
        // White on the left, black on the right; the camera was held turned to the right.
        let row: Vec<u8> = (0..32)
            .flat_map(|x| [if x < 16 { 255 } else { 0 }; 3])
            .collect();
        let jpeg = Frame::new(32, 16, row.repeat(16))
            .unwrap()
            .to_jpeg()
            .unwrap();
        // EXIF: big-endian, one entry, orientation (0x0112), one short, the value 6.
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let turned = [&jpeg[..2], b"\xff\xe1", &length, exif, &jpeg[2..]].concat();
        let frame = Frame::decode(&turned).unwrap();
        assert_eq!((frame.width(), frame.height()), (16, 32));
        assert!(frame.rgb()[0] > 200 && frame.rgb()[frame.rgb().len() - 1] < 50);
    }

    #[test]
    fn half_a_photo_is_no_photo() {
        let folder = tempfile::tempdir().unwrap();
        let rgb = (0..64 * 64 * 3).map(|i| (i * i % 251) as u8).collect();
        let jpeg = Frame::new(64, 64, rgb).unwrap().to_jpeg().unwrap();
        let path = folder.path().join("a.jpg");
        // Cameras put more behind the end, and previews with ends of their own before the picture.
        let preview = [b"\xff\xe1\x00\x08", &jpeg[..2], b"\xff\xd9\x01\x02"].concat();
        let with_preview = [&jpeg[..2], &preview, &jpeg[2..]].concat();
        for whole in [&jpeg, &[&jpeg, &b"more"[..]].concat(), &with_preview] {
            std::fs::write(&path, whole).unwrap();
            Frame::open(&path).unwrap();
        }
        for whole in [&jpeg, &with_preview] {
            for cut in [whole.len() / 2, whole.len() - 2] {
                std::fs::write(&path, &whole[..cut]).unwrap();
                let message = Frame::open(&path).unwrap_err().to_string();
                assert!(message.contains("a.jpg"), "{message}");
            }
        }
    }
}
