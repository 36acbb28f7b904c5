//! Frame -> network input, one definition for host and board.
//!
//! Two steps, so that a sample can keep the picture between them: `crop` takes a rectangle of the
//! frame and resizes it to the network's input size (bytes), `normalise` turns those bytes into
//! numbers, `(value / 255 - mean) / std` for every channel.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use serde::{Deserialize, Serialize};

use crate::frame::{Frame, FrameError};

/// The smallest and largest network input, in pixels.
pub const INPUT_SIZES: std::ops::RangeInclusive<u32> = 32..=1024;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Side of the square network input, in pixels.
    pub input_size: u32,
    pub crop: Crop,
    /// Share of the rectangle's sides that is kept around its centre, in [0.01, 1].
    pub crop_fraction: f32,
    pub resize: Resize,
    pub channels: Channels,
    /// Per channel, in the order of `channels`, for values in 0..=1.
    pub mean: [f32; 3],
    /// Per channel, in the order of `channels`, above 0.
    pub std: [f32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The centred square: proportions are kept, the ends of a wide frame are not seen.
    Center,
    /// The whole frame, squeezed into a square.
    Stretch,
}

/// All of them average over the source pixels when they shrink a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    Bilinear,
    Bicubic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    Rgb,
    Bgr,
}

#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    #[error(
        "preprocessing: input_size {0} is out of range; give one from {min} to {max}",
        min = INPUT_SIZES.start(), max = INPUT_SIZES.end()
    )]
    InputSize(u32),
    #[error("preprocessing: crop_fraction {0} is out of range; give one from 0.01 to 1")]
    CropFraction(f32),
    #[error("preprocessing: mean and std must be finite, and std above 0")]
    Normalisation,
    #[error("a frame of {width} x {height} pixels cannot be resized: {reason}")]
    Resize {
        width: u32,
        height: u32,
        reason: String,
    },
    #[error("a crop has {0} x {1} pixels, the network wants {2} x {2}")]
    CropSize(u32, u32, u32),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl Preprocess {
    /// The names that `named` knows.
    pub const NAMES: [&'static str; 3] = ["imagenet", "symmetric", "unit"];

    /// The common conventions: `imagenet` (torchvision, timm: ImageNet's mean and deviation),
    /// `symmetric` (-1..1: TensorFlow's MobileNets) and `unit` (0..1).
    pub fn named(name: &str, input_size: u32) -> Option<Self> {
        let (mean, std) = match name {
            "imagenet" => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            "symmetric" => ([0.5; 3], [0.5; 3]),
            "unit" => ([0.0; 3], [1.0; 3]),
            _ => return None,
        };
        Some(Self {
            input_size,
            crop: Crop::Center,
            crop_fraction: 0.875,
            resize: Resize::Bilinear,
            channels: Channels::Rgb,
            mean,
            std,
        })
    }

    pub fn check(&self) -> Result<(), PreprocessError> {
        if !INPUT_SIZES.contains(&self.input_size) {
            return Err(PreprocessError::InputSize(self.input_size));
        }
        if !(0.01..=1.0).contains(&self.crop_fraction) {
            return Err(PreprocessError::CropFraction(self.crop_fraction));
        }
        let finite = self.mean.iter().chain(&self.std).all(|v| v.is_finite());
        if !finite || self.std.iter().any(|&v| v <= 0.0) {
            return Err(PreprocessError::Normalisation);
        }
        Ok(())
    }

    /// The network's view of `frame`: `input_size` x `input_size` RGB pixels.
    pub fn crop(&self, frame: &Frame) -> Result<Frame, PreprocessError> {
        let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
        let (wide, high) = match self.crop {
            Crop::Center => (width.min(height), width.min(height)),
            Crop::Stretch => (width, height),
        };
        let fraction = f64::from(self.crop_fraction);
        let (wide, high) = (wide * fraction, high * fraction);
        let filter = match self.resize {
            Resize::Bilinear => FilterType::Bilinear,
            Resize::Bicubic => FilterType::CatmullRom,
        };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .crop((width - wide) / 2.0, (height - high) / 2.0, wide, high);
        let failed = |reason: String| PreprocessError::Resize {
            width: frame.width(),
            height: frame.height(),
            reason,
        };
        let source = ImageRef::new(frame.width(), frame.height(), frame.rgb(), PixelType::U8x3)
            .map_err(|error| failed(error.to_string()))?;
        let mut target = Image::new(self.input_size, self.input_size, PixelType::U8x3);
        Resizer::new()
            .resize(&source, &mut target, &options)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Frame::new(
            self.input_size,
            self.input_size,
            target.into_vec(),
        )?)
    }

    /// The network's input for a crop: 3 x `input_size` x `input_size` numbers, channel by channel.
    pub fn normalise(&self, crop: &Frame) -> Result<Vec<f32>, PreprocessError> {
        if crop.width() != self.input_size || crop.height() != self.input_size {
            return Err(PreprocessError::CropSize(
                crop.width(),
                crop.height(),
                self.input_size,
            ));
        }
        let order = match self.channels {
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
        };
        let mut numbers = Vec::with_capacity(crop.rgb().len());
        for (channel, byte) in order.into_iter().enumerate() {
            let table: [f32; 256] = std::array::from_fn(|value| {
                (value as f32 / 255.0 - self.mean[channel]) / self.std[channel]
            });
            numbers.extend(
                crop.rgb()
                    .chunks_exact(3)
                    .map(|pixel| table[usize::from(pixel[byte])]),
            );
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imagenet(size: u32) -> Preprocess {
        Preprocess::named("imagenet", size).unwrap()
    }

    #[test]
    fn every_name_is_valid_and_others_are_not() {
        for name in Preprocess::NAMES {
            Preprocess::named(name, 224).unwrap().check().unwrap();
        }
        assert!(Preprocess::named("caffe", 224).is_none());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let good = imagenet(224);
        let edits: [fn(&mut Preprocess); 7] = [
            |p| p.input_size = 0,
            |p| p.input_size = 4096,
            |p| p.crop_fraction = 0.0,
            |p| p.crop_fraction = f32::NAN,
            |p| p.crop_fraction = 1e-17,
            |p| p.std[1] = 0.0,
            |p| p.mean[2] = f32::INFINITY,
        ];
        for edit in edits {
            let mut bad = good.clone();
            edit(&mut bad);
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn normalise_follows_the_formula_and_the_channel_order() {
        let frame = Frame::new(32, 32, [255, 0, 51].repeat(32 * 32)).unwrap();
        let rgb = imagenet(32).normalise(&frame).unwrap();
        assert_eq!(rgb.len(), 3 * 32 * 32);
        assert!((rgb[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6);
        assert!((rgb[32 * 32] - (0.0 - 0.456) / 0.224).abs() < 1e-6);
        let bgr = Preprocess {
            channels: Channels::Bgr,
            ..imagenet(32)
        };
        assert!((bgr.normalise(&frame).unwrap()[0] - (0.2 - 0.485) / 0.229).abs() < 1e-6);
        assert!(imagenet(64).normalise(&frame).is_err());
    }

    #[test]
    fn center_keeps_the_middle_and_stretch_the_whole() {
        // Left half black, right half white, twice as wide as high.
        let row: Vec<u8> = (0..128)
            .flat_map(|x| [if x < 64 { 0 } else { 255 }; 3])
            .collect();
        let frame = Frame::new(128, 64, row.repeat(64)).unwrap();
        let middle = imagenet(32).crop(&frame).unwrap();
        assert_eq!((middle.rgb()[0], middle.rgb()[31 * 3]), (0, 255));
        let mut left = frame.rgb().to_vec();
        for (at, byte) in left.iter_mut().enumerate() {
            // A white border that only the whole frame shows.
            if (at / 3) % 128 < 16 {
                *byte = 255;
            }
        }
        let bordered = Frame::new(128, 64, left).unwrap();
        assert_eq!(imagenet(32).crop(&bordered).unwrap(), middle);
        let whole = Preprocess {
            crop: Crop::Stretch,
            crop_fraction: 1.0,
            ..imagenet(32)
        };
        assert_eq!(whole.crop(&bordered).unwrap().rgb()[0], 255);
    }

    #[test]
    fn the_smallest_crops_of_the_smallest_frames_are_pictures() {
        for (width, height) in [(1, 1), (1, 90), (90, 1), (33, 7)] {
            let frame = Frame::new(width, height, vec![9; (width * height * 3) as usize]).unwrap();
            for crop in [Crop::Center, Crop::Stretch] {
                let rules = Preprocess {
                    crop,
                    crop_fraction: 0.01,
                    ..imagenet(32)
                };
                assert_eq!(rules.crop(&frame).unwrap().rgb(), [9; 32 * 32 * 3]);
            }
        }
    }

    #[test]
    fn one_pixel_becomes_a_plain_square() {
        let dot = Frame::new(1, 1, vec![9, 8, 7]).unwrap();
        assert_eq!(
            imagenet(32).crop(&dot).unwrap().rgb(),
            [9, 8, 7].repeat(32 * 32)
        );
    }
}
