//! What cameras send -> RGB. Lengths are checked first: a frame that is short is an error, never a
//! read past its end.

use lastlayer_shared::frame::{Frame, FrameError};
use yuv::{
    YuvBiPlanarImage, YuvConversionMode, YuvError, YuvPackedImage, YuvPlanarImage, YuvRange,
    YuvStandardMatrix,
};

/// How webcams mean their colours: BT.601, black at 16 and white at 235.
const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// Formats that are read, by the names that V4L2 gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
            return Frame::decode(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(frame: &Frame, at: usize, colour: [u8; 3]) {
        let got = &frame.rgb()[at * 3..at * 3 + 3];
        let close = got.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 3);
        assert!(close, "pixel {at} is {got:?}, not {colour:?}");
    }

    /// Two rows of a white and two of a red pair of pixels, as (Y, U, V).
    const ROWS: [(u8, u8, u8); 4] = [
        (235, 128, 128),
        (235, 128, 128),
        (81, 90, 240),
        (81, 90, 240),
    ];

    #[test]
    fn white_and_red_are_what_they_are_in_every_format() {
        let packed = |row: fn(u8, u8, u8) -> [u8; 4]| -> Vec<u8> {
            // Each row is padded by two bytes.
            let rows = ROWS.map(|(y, u, v)| [&row(y, u, v)[..], &[0, 0]].concat());
            rows.concat()
        };
        let luma: Vec<u8> = ROWS.iter().flat_map(|(y, ..)| [*y, *y, 0, 0]).collect();
        let pairs = [ROWS[0], ROWS[2]];
        let nv12: Vec<u8> = pairs.iter().flat_map(|(_, u, v)| [*u, *v, 0, 0]).collect();
        let u: Vec<u8> = pairs.iter().flat_map(|(_, u, _)| [*u, 0]).collect();
        let v: Vec<u8> = pairs.iter().flat_map(|(.., v)| [*v, 0]).collect();
        for (format, stride, bytes) in [
            (PixelFormat::Yuyv, 6, packed(|y, u, v| [y, u, y, v])),
            (PixelFormat::Uyvy, 6, packed(|y, u, v| [u, y, v, y])),
            (PixelFormat::Nv12, 4, [luma.clone(), nv12].concat()),
            (PixelFormat::Yu12, 4, [luma, u, v].concat()),
            (
                PixelFormat::Rgb24,
                7,
                [
                    [255; 7],
                    [255; 7],
                    [255, 0, 0, 255, 0, 0, 9],
                    [255, 0, 0, 255, 0, 0, 9],
                ]
                .concat(),
            ),
        ] {
            let frame = format.decode(2, 4, stride, &bytes).unwrap();
            for at in 0..4 {
                near(&frame, at, [255, 255, 255]);
                near(&frame, 4 + at, [255, 0, 0]);
            }
            assert!(
                format
                    .decode(2, 4, stride, &bytes[..bytes.len() - 1])
                    .is_err()
            );
            let longer = [&bytes[..], b"behind it"].concat();
            assert_eq!(format.decode(2, 4, stride, &longer).unwrap(), frame);
        }
        let grey = PixelFormat::Grey.decode(1, 2, 2, &[7, 0, 9, 0]).unwrap();
        assert_eq!(grey.rgb(), [7, 7, 7, 9, 9, 9]);
    }

    proptest! {
        #[test]
        fn short_and_odd_frames_are_errors_not_panics(
            format in 0usize..7, width in 0u32..9, height in 0u32..9, stride in 0u32..30,
            length in 0usize..400,
        ) {
            let _ = PixelFormat::ALL[format].decode(width, height, stride, &vec![7; length]);
        }

        #[test]
        fn broken_jpegs_are_errors_not_panics(cut in 0usize..600, at in 0usize..600, byte: u8) {
            let frame = Frame::new(16, 16, (0..768).map(|i| (i * 7) as u8).collect()).unwrap();
            let mut jpeg = frame.to_jpeg().unwrap();
            let length = jpeg.len();
            jpeg[at % length] = byte;
            let mjpeg = |bytes: &[u8]| PixelFormat::Mjpeg.decode(16, 16, 0, bytes);
            let _ = mjpeg(&jpeg[..cut.min(length)]);
            let _ = mjpeg(&jpeg);
        }
    }
}
