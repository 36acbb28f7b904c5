//! How a site looks through its camera: which way up the camera is mounted, and which part of the
//! picture matters (a belt is rarely in the middle of it). The network's preprocessing travels with
//! the package; the view belongs to the place, comes from the board's configuration, and is
//! recorded with every sample that was seen through it.
//!
//! A view that exists is valid: it is checked where it is read.

use serde::{Deserialize, Serialize};

/// In this order: turned, mirrored, and then the region cut out of the upright picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Turns the picture clockwise: 0, 90, 180 or 270 degrees.
    #[serde(default)]
    pub rotate: Rotate,
    /// Mirrors the turned picture: `none`, `horizontal` (left for right) or `vertical`.
    #[serde(default)]
    pub flip: Flip,
    /// `[x, y, width, height]` of what is looked at, as shares 0 to 1 of the upright picture.
    #[serde(default)]
    pub region: Region,
}

/// Clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotate {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flip {
    #[default]
    None,
    /// Left for right.
    Horizontal,
    /// Top for bottom.
    Vertical,
}

/// A rectangle inside the unit square.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f32; 4]", into = "[f32; 4]")]
pub struct Region {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

/// The smallest side of a region: less of a picture is a few pixels.
const SMALLEST: f32 = 0.01;
/// 0.7 + 0.3 may be a little more than 1.
const SLACK: f32 = 1e-6;

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ViewError {
    #[error("rotate: give 0, 90, 180 or 270 degrees, not {0}")]
    Rotate(u16),
    #[error(
        "region: give [x, y, width, height] as shares of the picture: each from 0 to 1, width and \
         height at least {SMALLEST}, x + width and y + height at most 1"
    )]
    Region,
}

impl TryFrom<u16> for Rotate {
    type Error = ViewError;

    fn try_from(degrees: u16) -> Result<Self, ViewError> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Quarter),
            180 => Ok(Self::Half),
            270 => Ok(Self::ThreeQuarters),
            other => Err(ViewError::Rotate(other)),
        }
    }
}

impl From<Rotate> for u16 {
    fn from(rotate: Rotate) -> Self {
        match rotate {
            Rotate::None => 0,
            Rotate::Quarter => 90,
            Rotate::Half => 180,
            Rotate::ThreeQuarters => 270,
        }
    }
}

impl Rotate {
    /// Whether width and height change places.
    pub fn lies(self) -> bool {
        matches!(self, Self::Quarter | Self::ThreeQuarters)
    }
}

impl Default for Region {
    fn default() -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
        }
    }
}

impl TryFrom<[f32; 4]> for Region {
    type Error = ViewError;

    fn try_from([x, y, width, height]: [f32; 4]) -> Result<Self, ViewError> {
        let inside = |start: f32, length: f32| {
            // Not a number is never inside.
            start >= 0.0 && length >= SMALLEST && start + length <= 1.0 + SLACK
        };
        match inside(x, width) && inside(y, height) {
            true => Ok(Self {
                x,
                y,
                width,
                height,
            }),
            false => Err(ViewError::Region),
        }
    }
}

impl From<Region> for [f32; 4] {
    fn from(region: Region) -> Self {
        [region.x, region.y, region.width, region.height]
    }
}

/// A rectangle of a picture, in pixels from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl View {
    /// The size of the upright picture of a frame of this size.
    pub fn upright(&self, width: u32, height: u32) -> (u32, u32) {
        match self.rotate.lies() {
            true => (height, width),
            false => (width, height),
        }
    }

    /// The region in an upright picture of this size.
    pub fn rectangle(&self, width: u32, height: u32) -> Rectangle {
        let [x, y, wide, high] = <[f32; 4]>::from(self.region).map(f64::from);
        let (width, height) = (f64::from(width), f64::from(height));
        Rectangle {
            left: x * width,
            top: y * height,
            width: wide * width,
            height: high * height,
        }
    }

    /// Where a rectangle of the upright picture lies in the frame as the camera sent it, which has
    /// this size.
    pub fn in_frame(&self, upright: Rectangle, width: u32, height: u32) -> Rectangle {
        let (wide, high) = self.upright(width, height);
        let (wide, high) = (f64::from(wide), f64::from(high));
        let mut at = upright;
        match self.flip {
            Flip::None => {}
            Flip::Horizontal => at.left = wide - at.left - at.width,
            Flip::Vertical => at.top = high - at.top - at.height,
        }
        match self.rotate {
            Rotate::None => at,
            Rotate::Half => Rectangle {
                left: wide - at.left - at.width,
                top: high - at.top - at.height,
                ..at
            },
            // The upright picture's left is the frame's bottom.
            Rotate::Quarter => Rectangle {
                left: at.top,
                top: wide - at.left - at.width,
                width: at.height,
                height: at.width,
            },
            Rotate::ThreeQuarters => Rectangle {
                left: high - at.top - at.height,
                top: at.left,
                width: at.height,
                height: at.width,
            },
        }
    }

    /// Turns and mirrors a picture; the region is not touched.
    pub fn turn(&self, picture: image::RgbImage) -> image::RgbImage {
        use image::imageops::*;
        let picture = match self.rotate {
            Rotate::None => picture,
            Rotate::Quarter => rotate90(&picture),
            Rotate::Half => rotate180(&picture),
            Rotate::ThreeQuarters => rotate270(&picture),
        };
        match self.flip {
            Flip::None => picture,
            Flip::Horizontal => flip_horizontal(&picture),
            Flip::Vertical => flip_vertical(&picture),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<View, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_view_is_read_and_nothing_wrong_becomes_one() {
        let view = read(r#"{"rotate": 90, "flip": "vertical", "region": [0.7, 0, 0.3, 0.5]}"#);
        let view = view.unwrap();
        assert_eq!((view.rotate, view.flip), (Rotate::Quarter, Flip::Vertical));
        assert_eq!(read("{}").unwrap(), View::default());
        for (json, expected) in [
            (r#"{"rotate": 45}"#, "0, 90, 180 or 270 degrees, not 45"),
            (r#"{"region": [0.5, 0, 0.6, 1]}"#, "x + width"),
            (r#"{"region": [0, 0, 0, 1]}"#, "at least 0.01"),
            (r#"{"region": [-0.1, 0, 1, 1]}"#, "from 0 to 1"),
            (r#"{"turn": 90}"#, "unknown field"),
        ] {
            let message = read(json).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(Region::try_from([f32::NAN, 0.0, 1.0, 1.0]).is_err());
        assert!(Region::try_from([0.0, 0.0, f32::NAN, 1.0]).is_err());
    }
}
