//! Streams of JPEGs as cameras' programs write them: bytes as they are, and good streams that are
//! changed. However a stream is cut into pieces, the same pictures come out of it, and each begins
//! and ends as a JPEG does.

use std::sync::LazyLock;

use super::edited;
use lastlayer_firmware::camera::{Mjpeg, PixelFormat};
use lastlayer_shared::frame::Frame;

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let picture = |seed: usize| {
        let rgb = (0..16 * 16 * 3).map(|i| (i * seed) as u8).collect();
        Frame::new(16, 16, rgb).unwrap().to_jpeg().unwrap()
    };
    [picture(5), b"--frame".to_vec(), picture(7)].concat()
});

pub fn run(data: &[u8]) {
    let [how, piece, data @ ..] = data else {
        return;
    };
    let stream = match how % 2 {
        0 => data.to_vec(),
        _ => edited(&GOOD, data),
    };
    let whole = split(&stream, stream.len().max(1));
    assert!(split(&stream, usize::from(*piece).max(1)) == whole);
    for jpeg in whole {
        assert!(jpeg.starts_with(b"\xff\xd8") && jpeg.ends_with(b"\xff\xd9"));
        let _ = PixelFormat::Mjpeg.decode(16, 16, 0, &jpeg);
    }
}

fn split(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut mjpeg, mut whole) = (Mjpeg::default(), Vec::new());
    for piece in stream.chunks(piece) {
        mjpeg.push(piece, |jpeg| whole.push(jpeg)).unwrap();
    }
    whole
}
