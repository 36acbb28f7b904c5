//! Photos: bytes as they are, changed good ones, a JPEG with an EXIF block, and PNGs of every
//! number format. A picture that is read keeps every pixel as a PNG and can be cropped.
//!
//! cargo-fuzz builds with `cfg(fuzzing)`, under which the `png` crate passes over checksums.

use std::sync::LazyLock;

use super::{edited, part};
use lastlayer_shared::{frame::Frame, preprocess::Preprocess, view::View};

/// Larger pictures are decoded and left at that: the rest would only make the fuzzer slow.
const MOST_PIXELS: usize = 1 << 16;

static GOOD: LazyLock<Frame> = LazyLock::new(|| {
    let rgb = (0..16 * 16 * 3).map(|i| (i * 5) as u8).collect();
    Frame::new(16, 16, rgb).unwrap()
});
static JPEG: LazyLock<Vec<u8>> = LazyLock::new(|| GOOD.to_jpeg().unwrap());
static PNG: LazyLock<Vec<u8>> = LazyLock::new(|| GOOD.to_png().unwrap());

pub fn run(data: &[u8]) {
    let Some((how, mut data)) = data.split_first() else {
        return;
    };
    let bytes = match how % 5 {
        0 => data.to_vec(),
        1 => edited(&JPEG, data),
        2 => edited(&PNG, data),
        3 => {
            let exif = [b"Exif\0\0".as_slice(), part(&mut data)].concat();
            let length = (exif.len() as u16 + 2).to_be_bytes();
            let (start, rest) = JPEG.split_at(2);
            [
                start,
                b"\xff\xe1",
                &length,
                exif.as_slice(),
                &edited(rest, data),
            ]
            .concat()
        }
        _ => png(data),
    };
    let Ok(frame) = Frame::decode(&bytes) else {
        return;
    };
    let pixels = frame.width() as usize * frame.height() as usize;
    assert_eq!(frame.rgb().len(), 3 * pixels);
    if pixels > MOST_PIXELS {
        return;
    }
    let kept = Frame::decode(&frame.to_png().unwrap()).unwrap();
    assert!(kept == frame, "a PNG keeps every pixel");
    let jpeg = Frame::decode(&frame.to_jpeg().unwrap()).unwrap();
    assert_eq!(
        (jpeg.width(), jpeg.height()),
        (frame.width(), frame.height())
    );
    let preprocess = Preprocess::named("imagenet", 32).unwrap();
    preprocess.crop(&frame, &View::default()).unwrap();
}

/// A PNG of up to 255 x 255 pixels: five bytes for its header, a palette, EXIF, and its rows
/// stored without compression.
fn png(mut data: &[u8]) -> Vec<u8> {
    let Some((&[width, height, depth, color, interlaced], rest)) = data.split_first_chunk() else {
        return Vec::new();
    };
    data = rest;
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], body: &[u8]| {
        png.extend((body.len() as u32).to_be_bytes());
        png.extend(name);
        png.extend(body);
        png.extend([0; 4]); // the checksum
    };
    let (depth, color) = (1 << (depth % 5), color % 7);
    let header = [
        0,
        0,
        0,
        width,
        0,
        0,
        0,
        height,
        depth,
        color,
        0,
        0,
        interlaced % 2,
    ];
    chunk(b"IHDR", &header);
    for name in [b"PLTE", b"tRNS", b"eXIf"] {
        match part(&mut data) {
            [] => {}
            body => chunk(name, body),
        }
    }
    let length = data.len() as u16;
    let rows = [
        b"\x78\x01\x01".as_slice(),
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        &data[..length.into()],
        &[0; 4], // the checksum
    ];
    chunk(b"IDAT", &rows.concat());
    chunk(b"IEND", b"");
    png
}
