//! Frame -> network input, one definition for host and board.
//!
//! Two steps, so that a sample can keep the picture between them: `crop` takes a rectangle of the
//! frame, as the site's view and the network want it, and resizes it to the network's input size
//! (bytes), `normalise` turns those bytes into numbers, `(value / 255 - mean) / std` for every
//! channel.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use serde::{Deserialize, Serialize};

use crate::{
    frame::{Frame, FrameError},
    view::{Rectangle, View},
};

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

    /// What the network sees of `frame` through `view`: `input_size` x `input_size` RGB pixels.
    /// `View::default()` looks at the whole frame, as photos want it.
    pub fn crop(&self, frame: &Frame, view: &View) -> Result<Frame, PreprocessError> {
        let (width, height) = view.upright(frame.width(), frame.height());
        let seen = self.inside(view.rectangle(width, height));
        let filter = match self.resize {
            Resize::Bilinear => FilterType::Bilinear,
            Resize::Bicubic => FilterType::CatmullRom,
        };
        resized(
            frame,
            view,
            seen,
            (self.input_size, self.input_size),
            filter,
        )
    }

    /// The part of a rectangle that the network looks at.
    fn inside(&self, of: Rectangle) -> Rectangle {
        let (wide, high) = match self.crop {
            Crop::Center => (of.width.min(of.height), of.width.min(of.height)),
            Crop::Stretch => (of.width, of.height),
        };
        let fraction = f64::from(self.crop_fraction);
        let (width, height) = (wide * fraction, high * fraction);
        Rectangle {
            left: of.left + (of.width - width) / 2.0,
            top: of.top + (of.height - height) / 2.0,
            width,
            height,
        }
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

/// All that a camera shows through `view`, upright, for a file that `View::default()` looks at later.
/// Larger pictures are made smaller: the shorter side is at most `most` pixels.
pub fn picture(frame: &Frame, view: &View, most: u32) -> Result<Frame, PreprocessError> {
    let (width, height) = view.upright(frame.width(), frame.height());
    let seen = view.rectangle(width, height);
    let scale = (f64::from(most) / seen.width.min(seen.height)).min(1.0);
    let side = |length: f64| (length * scale).round().max(1.0) as u32;
    let size = (side(seen.width), side(seen.height));
    resized(frame, view, seen, size, FilterType::Bilinear)
}

/// A rectangle of the upright picture, upright, in this size (width, height). It is resized as the
/// camera sent it and turned when it is small: a frame is large.
fn resized(
    frame: &Frame,
    view: &View,
    seen: Rectangle,
    size: (u32, u32),
    filter: FilterType,
) -> Result<Frame, PreprocessError> {
    let (width, height) = (frame.width(), frame.height());
    let seen = within(view.in_frame(seen, width, height), width, height);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(seen.left, seen.top, seen.width, seen.height);
    let failed = |reason: String| PreprocessError::Resize {
        width,
        height,
        reason,
    };
    let source = ImageRef::new(width, height, frame.rgb(), PixelType::U8x3)
        .map_err(|error| failed(error.to_string()))?;
    let (wide, high) = match view.rotate.lies() {
        true => (size.1, size.0),
        false => size,
    };
    let mut target = Image::new(wide, high, PixelType::U8x3);
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|error| failed(error.to_string()))?;
    let part = Frame::new(wide, high, target.into_vec())?;
    Ok(view.turn(part.into_image()).into())
}

/// Without what rounding put a hair beyond the edges.
fn within(mut at: Rectangle, width: u32, height: u32) -> Rectangle {
    let inside = |start: &mut f64, length: &mut f64, most: f64| {
        *start = start.clamp(0.0, most);
        *length = length.min(most - *start);
    };
    inside(&mut at.left, &mut at.width, f64::from(width));
    inside(&mut at.top, &mut at.height, f64::from(height));
    at
}

#[cfg(test)]
mod tests;
