//! What cameras send -> RGB. Lengths are checked first: a frame that is short is an error, never a
//! read past its end.

use std::sync::LazyLock;

use lastlayer_shared::frame::{self, Frame, FrameError};
use serde::Deserialize;
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvPackedImage, YuvPlanarImage, YuvRange,
    YuvStandardMatrix,
};

/// How webcams mean their colours: BT.601, black at 16 and white at 235.
const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// Formats that are read, by the names that V4L2 gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PixelFormat {
    /// 4:2:2, Y0 U Y1 V.
    Yuyv,
    /// 4:2:2, U Y0 V Y1.
    Uyvy,
    /// 4:2:0, a plane of Y, then one of U and V in turn.
    Nv12,
    /// 4:2:0, planes of Y, U and V.
    Yu12,
    /// Red, green, blue.
    Rgb24,
    /// A JPEG each.
    Mjpeg,
    /// Brightness alone, 0 to 255.
    Grey,
}

impl PixelFormat {
    /// The best first: without loss before compressed, with colours before grey.
    pub const ALL: [Self; 7] = [
        Self::Rgb24,
        Self::Yuyv,
        Self::Uyvy,
        Self::Nv12,
        Self::Yu12,
        Self::Mjpeg,
        Self::Grey,
    ];

    /// As V4L2 writes it and as settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yuyv => "YUYV",
            Self::Uyvy => "UYVY",
            Self::Nv12 => "NV12",
            Self::Yu12 => "YU12",
            Self::Rgb24 => "RGB3",
            Self::Mjpeg => "MJPG",
            Self::Grey => "GREY",
        }
    }

    /// Bytes of a frame whose rows follow one another without gaps; `None` for JPEGs.
    pub fn frame_length(self, width: u32, height: u32) -> Option<usize> {
        let pixels = width as usize * height as usize;
        match self {
            Self::Yuyv | Self::Uyvy => Some(pixels * 2),
            Self::Nv12 | Self::Yu12 => Some(pixels + pixels / 2),
            Self::Rgb24 => Some(pixels * 3),
            Self::Grey => Some(pixels),
            Self::Mjpeg => None,
        }
    }

    /// V4L2's code.
    pub fn fourcc(self) -> &'static [u8; 4] {
        match self {
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
            Self::Nv12 => b"NV12",
            Self::Yu12 => b"YU12",
            Self::Rgb24 => b"RGB3",
            Self::Mjpeg => b"MJPG",
            Self::Grey => b"GREY",
        }
    }

    /// The shortest row of the first plane, in bytes; 0 where rows have no length.
    pub fn shortest_row(self, width: u32) -> u32 {
        match self {
            Self::Yuyv | Self::Uyvy => width.saturating_mul(2),
            Self::Nv12 | Self::Yu12 | Self::Grey => width,
            Self::Rgb24 => width.saturating_mul(3),
            Self::Mjpeg => 0,
        }
    }

    /// One frame. `stride` is the length of a row of the first plane in bytes, at least
    /// `shortest_row`; what follows the frame is ignored. A JPEG has its own size. Formats that
    /// share colours between pixels need even sides.
    pub fn decode(
        self,
        width: u32,
        height: u32,
        stride: u32,
        bytes: &[u8],
    ) -> Result<Frame, FrameError> {
        if self == Self::Mjpeg {
            // What is missing would be filled up with grey, and be learned.
            if !frame::jpeg_is_whole(bytes) {
                return Err(FrameError::Decode("the JPEG is cut short".into()));
            }
            return Frame::decode(&with_tables(bytes));
        }
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        let shared = !matches!(self, Self::Rgb24 | Self::Grey);
        let plane = stride as usize * height as usize;
        let whole = match self {
            Self::Nv12 | Self::Yu12 => plane + plane / 2,
            _ => plane,
        };
        let bytes = bytes.get(..whole).ok_or(FrameError::Size {
            width,
            height,
            expected: whole as u64,
            actual: bytes.len(),
        })?;
        if stride < self.shortest_row(width) || (shared && !even) {
            return Err(FrameError::Decode(format!(
                "{width} x {height} pixels in rows of {stride} bytes are no {self:?}"
            )));
        }
        let (first, rest) = bytes.split_at(plane);
        let mut rgb = vec![0; width as usize * height as usize * 3];
        let out = rgb.as_mut_slice();
        match self {
            Self::Yuyv | Self::Uyvy => {
                let image = YuvPackedImage {
                    yuy: first,
                    yuy_stride: stride,
                    width,
                    height,
                };
                match self {
                    Self::Yuyv => yuv::yuyv422_to_rgb(&image, out, width * 3, RANGE, MATRIX),
                    _ => yuv::uyvy422_to_rgb(&image, out, width * 3, RANGE, MATRIX),
                }
            }
            Self::Nv12 => {
                let image = YuvBiPlanarImage {
                    y_plane: first,
                    y_stride: stride,
                    uv_plane: rest,
                    uv_stride: stride,
                    width,
                    height,
                };
                let mode = YuvConversionMode::Balanced;
                yuv::yuv_nv12_to_rgb(&image, out, width * 3, RANGE, MATRIX, mode)
            }
            Self::Yu12 => {
                let (u_plane, v_plane) = rest.split_at(rest.len() / 2);
                let image = YuvPlanarImage {
                    y_plane: first,
                    y_stride: stride,
                    u_plane,
                    u_stride: stride / 2,
                    v_plane,
                    v_stride: stride / 2,
                    width,
                    height,
                };
                yuv::yuv420_to_rgb(&image, out, width * 3, RANGE, MATRIX)
            }
            Self::Rgb24 | Self::Grey => {
                let rows = first.chunks_exact(stride.max(1) as usize);
                let row = width as usize * 3;
                for (to, from) in out.chunks_exact_mut(row.max(1)).zip(rows) {
                    match self {
                        Self::Rgb24 => to.copy_from_slice(&from[..row]),
                        _ => {
                            for (pixel, value) in to.as_chunks_mut::<3>().0.iter_mut().zip(from) {
                                *pixel = [*value; 3];
                            }
                        }
                    }
                }
                Ok(())
            }
            Self::Mjpeg => Ok(()),
        }
        .map_err(|error: YuvError| FrameError::Decode(error.to_string()))?;
        Frame::new(width, height, rgb)
    }
}

impl TryFrom<String> for PixelFormat {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|format| name.eq_ignore_ascii_case(format.name()))
            .ok_or("give MJPG, YUYV, UYVY, NV12, YU12, RGB3 or GREY")
    }
}

/// The tables that all MJPEG means and that many webcams leave out of their JPEGs to save room.
/// They are those of the JPEG standard, which our own encoder writes.
static TABLES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dot = Frame::new(1, 1, vec![0; 3]).and_then(|dot| dot.to_jpeg());
    let dot = dot.unwrap_or_default();
    let tables = segments(&dot).filter(|(marker, _)| *marker == HUFFMAN);
    tables.flat_map(|(_, at)| dot[at].to_vec()).collect()
});
const HUFFMAN: u8 = 0xc4;
const SCAN: u8 = 0xda;

/// The segments before the picture's data: marker and where the whole segment lies.
fn segments(jpeg: &[u8]) -> impl Iterator<Item = (u8, std::ops::Range<usize>)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let header = jpeg.get(at..at + 4)?.first_chunk::<4>()?;
        let [0xff, marker, high, low] = *header else {
            return None;
        };
        let start = at;
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        (at <= jpeg.len()).then_some((marker, start..at))
    })
}

fn with_tables(jpeg: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    for (marker, at) in segments(jpeg) {
        match marker {
            HUFFMAN => break,
            SCAN => {
                return [&jpeg[..at.start], &TABLES[..], &jpeg[at.start..]]
                    .concat()
                    .into();
            }
            _ => {}
        }
    }
    jpeg.into()
}

#[cfg(test)]
mod tests;
