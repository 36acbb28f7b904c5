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

#[test]
fn jpegs_of_webcams_lack_their_tables_and_are_read_all_the_same() {
    let frame = Frame::new(16, 16, (0..768).map(|i| (i * 7) as u8).collect()).unwrap();
    let jpeg = frame.to_jpeg().unwrap();
    let mut bare = jpeg[..2].to_vec();
    let mut end = 2;
    for (marker, at) in segments(&jpeg) {
        end = at.end;
        if marker != HUFFMAN {
            bare.extend(&jpeg[at]);
        }
        if marker == SCAN {
            break;
        }
    }
    bare.extend(&jpeg[end..]);
    assert!(bare.len() < jpeg.len() - 400);
    let decode = |bytes: &[u8]| PixelFormat::Mjpeg.decode(16, 16, 0, bytes);
    assert_eq!(decode(&bare).unwrap(), decode(&jpeg).unwrap());
    let message = decode(&jpeg[..jpeg.len() - 2]).unwrap_err().to_string();
    assert!(message.contains("cut short"), "{message}");
}

#[test]
fn a_packed_frame_has_the_length_that_is_said() {
    for format in PixelFormat::ALL {
        let Some(length) = format.frame_length(6, 4) else {
            continue;
        };
        let decode = |length| format.decode(6, 4, format.shortest_row(6), &vec![7; length]);
        assert!(
            decode(length).is_ok() && decode(length - 1).is_err(),
            "{format:?}"
        );
    }
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
