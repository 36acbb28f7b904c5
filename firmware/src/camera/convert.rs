//! What cameras send -> RGB. Lengths are checked first: a frame that is short is an error, never a
//! read past its end.

use lastlayer_shared::frame::{Frame, FrameError};
use yuv::{YuvPackedImage, YuvRange, YuvStandardMatrix};

/// YUYV (YUV 4:2:2, BT.601 limited range as webcams send it). `stride` is the length of a row in
/// bytes, at least `2 * width`.
pub fn yuyv(width: u32, height: u32, stride: u32, bytes: &[u8]) -> Result<Frame, FrameError> {
    let short = || FrameError::Size {
        width,
        height,
        expected: u64::from(stride) * u64::from(height),
        actual: bytes.len(),
    };
    let needed = (stride as usize)
        .checked_mul(height as usize)
        .ok_or_else(short)?;
    let yuy = bytes.get(..needed).ok_or_else(short)?;
    if stride < width.saturating_mul(2) || !width.is_multiple_of(2) {
        return Err(short());
    }
    let mut rgb = vec![0; width as usize * height as usize * 3];
    let image = YuvPackedImage {
        yuy,
        yuy_stride: stride,
        width,
        height,
    };
    yuv::yuyv422_to_rgb(
        &image,
        &mut rgb,
        width * 3,
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
    )
    .map_err(|error| FrameError::Decode(error.to_string()))?;
    Frame::new(width, height, rgb)
}

/// One JPEG of an MJPEG stream; padding behind its end is common and ignored.
pub fn mjpeg(bytes: &[u8]) -> Result<Frame, FrameError> {
    Frame::decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_black_and_red_are_what_they_are() {
        // Y U Y V of a white, a black and a red pair of pixels, rows padded by two bytes.
        let row = |y: u8, u: u8, v: u8| vec![y, u, y, v, 0, 0];
        let bytes = [row(235, 128, 128), row(16, 128, 128), row(81, 90, 240)].concat();
        let frame = yuyv(2, 3, 6, &bytes).unwrap();
        let near = |at: usize, colour: [u8; 3]| {
            let got = &frame.rgb()[at * 3..at * 3 + 3];
            assert!(
                got.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 3),
                "{got:?}"
            );
        };
        near(0, [255, 255, 255]);
        near(2, [0, 0, 0]);
        near(4, [255, 0, 0]);
    }

    proptest! {
        #[test]
        fn short_and_odd_frames_are_errors_not_panics(
            width in 0u32..9, height in 0u32..9, stride in 0u32..30, length in 0usize..200,
        ) {
            let _ = yuyv(width, height, stride, &vec![7; length]);
        }

        #[test]
        fn broken_jpegs_are_errors_not_panics(cut in 0usize..600, at in 0usize..600, byte: u8) {
            let frame = Frame::new(16, 16, (0..768).map(|i| (i * 7) as u8).collect()).unwrap();
            let mut jpeg = frame.to_jpeg().unwrap();
            let length = jpeg.len();
            jpeg[at % length] = byte;
            let _ = mjpeg(&jpeg[..cut.min(length)]);
            let _ = mjpeg(&jpeg);
        }
    }
}
