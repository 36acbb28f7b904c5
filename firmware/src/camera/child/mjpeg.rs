//! JPEGs out of a stream of them, byte by byte as they come. A picture's own structure says where
//! it ends: segments with a length are stepped over (an EXIF preview is a JPEG of its own, with the
//! markers of one), and within the picture's data only a marker that belongs there is one.
//!
//! What is no JPEG is passed over up to the next start, so that a stream may begin in the middle
//! or have boundaries between pictures, as HTTP cameras send them.

const START: [u8; 2] = [0xff, 0xd8];
const SCAN: u8 = 0xda;
/// The largest JPEG, and the most rubbish in a row. 16 MB are 40 million pixels.
pub const MOST: usize = 16 << 20;

/// Longer than any segment. Searching more of it again and again would take for ever with a stream
/// that was made to.
const SEARCHED: usize = 1 << 17;

/// So much came without one whole JPEG that it is none.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMuch;

#[derive(Debug, Default)]
pub struct Mjpeg {
    /// From the start of a picture on, or the bytes in which no start was found yet.
    bytes: Vec<u8>,
    /// How far they are understood.
    at: usize,
    place: Place,
    /// Bytes since the last whole picture.
    since: usize,
    /// Pictures that began and had no end.
    torn: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// No picture has begun.
    #[default]
    Between,
    /// A marker comes next.
    Header,
    /// The picture's data.
    Data,
}

impl Mjpeg {
    /// Takes what came and gives every picture that is whole now to `whole`. An error: it is no
    /// stream of JPEGs.
    pub fn push(&mut self, bytes: &[u8], mut whole: impl FnMut(Vec<u8>)) -> Result<(), TooMuch> {
        self.bytes.extend(bytes);
        self.since += bytes.len();
        while self.step(&mut whole) {}
        match self.since > MOST {
            true => Err(TooMuch),
            false => Ok(()),
        }
    }

    /// Pictures that began and had no end.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Goes on by one marker or one run of data; whether there may be more to do.
    fn step(&mut self, whole: &mut impl FnMut(Vec<u8>)) -> bool {
        match self.place {
            Place::Between => self.find_start(),
            Place::Header => match self.bytes.get(self.at..) {
                Some([0xff, 0xff, ..]) => {
                    self.at += 1;
                    true
                }
                Some([0xff, marker, ..]) => self.marker(*marker, whole),
                // A segment that has not come whole, half a marker, or nothing.
                None | Some([] | [0xff]) => false,
                Some(_) => self.tear(),
            },
            Place::Data => self.skip_data(),
        }
    }

    /// Drops what is before the next start.
    fn find_start(&mut self) -> bool {
        let start = self.bytes[self.at..].windows(2).position(|w| w == START);
        match start {
            Some(start) => {
                self.bytes.drain(..self.at + start);
                (self.at, self.place) = (START.len(), Place::Header);
                true
            }
            None => {
                // The last byte may be half a start.
                let keep =
                    usize::from(self.bytes.last() == Some(&0xff) && self.at < self.bytes.len());
                self.bytes.drain(..self.bytes.len() - keep);
                self.at = 0;
                false
            }
        }
    }

    /// The picture is not one, as far as it is understood. A wrong length may have led beyond the
    /// start of the next one, so what was stepped over is searched, where it is not too much.
    fn tear(&mut self) -> bool {
        if self.at <= SEARCHED {
            self.at = START.len();
        }
        self.tear_here()
    }

    fn tear_here(&mut self) -> bool {
        self.torn += 1;
        self.place = Place::Between;
        true
    }

    fn marker(&mut self, marker: u8, whole: &mut impl FnMut(Vec<u8>)) -> bool {
        match marker {
            // The next picture, before this one has ended.
            0xd8 => self.tear_here(),
            0xd9 => {
                let rest = self.bytes.split_off(self.at + 2);
                self.since = rest.len();
                whole(std::mem::replace(&mut self.bytes, rest));
                (self.at, self.place) = (0, Place::Between);
                true
            }
            // Markers without a length.
            0x01 | 0xd0..=0xd7 => {
                self.at += 2;
                true
            }
            0x00 => self.tear(),
            _ => match self.bytes.get(self.at + 2..self.at + 4) {
                Some(&[high, low]) => {
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    // A scan names one to four components in six bytes and two for each.
                    let shortest = if marker == SCAN { 8 } else { 2 };
                    if length < shortest || (marker == SCAN && length > 14) {
                        return self.tear();
                    }
                    self.at += 2 + length;
                    if marker == SCAN {
                        self.place = Place::Data;
                    }
                    true
                }
                _ => false,
            },
        }
    }

    /// Up to a marker that ends data: not a byte FF of the data itself, which 00 follows, and no
    /// restart.
    fn skip_data(&mut self) -> bool {
        let Some(data) = self.bytes.get(self.at..) else {
            return false;
        };
        let mut from = 0;
        while let Some(found) = data[from..].iter().position(|byte| *byte == 0xff) {
            from += found;
            match data.get(from + 1) {
                // Half a marker: looked at again when more has come.
                None => break,
                Some(0x00 | 0x01 | 0xd0..=0xd7) => from += 2,
                Some(0xff) => from += 1,
                Some(_) => {
                    self.at += from;
                    self.place = Place::Header;
                    return true;
                }
            }
        }
        let half = data.last() == Some(&0xff) && from + 1 == data.len();
        self.at += if half { from } else { data.len() };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastlayer_shared::frame::Frame;
    use proptest::prelude::*;

    fn picture(seed: usize) -> Vec<u8> {
        let rgb = (0..16 * 16 * 3).map(|i| (i * i * (seed + 3) % 251) as u8);
        let frame = Frame::new(16, 16, rgb.collect()).unwrap();
        frame.to_jpeg().unwrap()
    }

    /// With a preview of its own in an EXIF segment, and a comment that looks like an end.
    fn with_preview(picture: &[u8]) -> Vec<u8> {
        let preview = self::picture(9);
        let length = (preview.len() as u16 + 2).to_be_bytes();
        let exif = [b"\xff\xe1", &length[..], &preview].concat();
        [
            &picture[..2],
            &exif,
            b"\xff\xfe\0\x06\xff\xd9\xff\xd8",
            &picture[2..],
        ]
        .concat()
    }

    /// Pushed in pieces of this length.
    fn split(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, u64) {
        let (mut mjpeg, mut whole) = (Mjpeg::default(), Vec::new());
        for piece in stream.chunks(piece) {
            mjpeg.push(piece, |jpeg| whole.push(jpeg)).unwrap();
        }
        (whole, mjpeg.torn())
    }

    #[test]
    fn pictures_come_out_as_they_went_in_however_they_are_cut() {
        let pictures = [picture(1), with_preview(&picture(2)), picture(3)];
        let stream = pictures.concat();
        for piece in [1, 2, 3, 7, 100, 1000, stream.len()] {
            assert_eq!(split(&stream, piece), (pictures.to_vec(), 0), "{piece}");
        }
    }

    #[test]
    fn rubbish_between_pictures_is_passed_over() {
        let boundary = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff";
        let (a, b) = (picture(1), picture(2));
        // It begins in the middle of a picture and ends there.
        let stream = [&a[200..], boundary, &a, boundary, &b, &a[..50]].concat();
        for piece in [1, 5, 4096] {
            assert_eq!(split(&stream, piece).0, [a.clone(), b.clone()], "{piece}");
        }
    }

    #[test]
    fn a_picture_without_its_end_costs_only_itself() {
        let (a, b) = (picture(1), picture(2));
        // Torn within its data, and within the tables before it.
        for end in [a.len() - 20, a.len() / 2] {
            let stream = [&a[..end], &b[..], &a[..]].concat();
            for piece in [1, 5, 4096] {
                assert_eq!(split(&stream, piece), (vec![b.clone(), a.clone()], 1));
            }
        }
    }

    #[test]
    fn a_flood_of_rubbish_is_an_end_and_takes_no_memory() {
        // Nothing like a JPEG, and one that never ends.
        for start in [b"".to_vec(), picture(1)[..400].to_vec()] {
            let mut mjpeg = Mjpeg::default();
            mjpeg.push(&start, |_| ()).unwrap();
            let piece = vec![0x55; 1 << 16];
            let pushed = (0..1000).position(|_| mjpeg.push(&piece, |_| ()).is_err());
            assert!(pushed.is_some_and(|pieces| pieces <= MOST >> 16));
            assert!(mjpeg.bytes.len() <= MOST + (1 << 17));
        }
    }

    #[test]
    fn a_changed_byte_costs_few_pictures() {
        let pictures: Vec<Vec<u8>> = (0..8).map(picture).collect();
        let before = pictures[..3].concat().len();
        for at in before..before + pictures[3].len() {
            for byte in [0x00, 0x01, 0xd8, 0xd9, 0xda, 0xe1, 0xff] {
                let mut stream = pictures.concat();
                stream[at] = byte;
                // A wrong length is noticed when so much has come.
                stream.extend([0; 1 << 16]);
                let (whole, _) = split(&stream, 1 << 16);
                let kept = pictures.iter().filter(|picture| whole.contains(picture));
                let kept = kept.count();
                assert!(kept >= 6, "{kept} of 8 after {byte:#x} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0xffu8), Just(0xd8), Just(0xd9), Just(0xda), Just(0), Just(4), any::<u8>()],
                0..400,
            ),
            piece in 1usize..50,
        ) {
            let (whole, torn) = split(&bytes, bytes.len().max(1));
            prop_assert_eq!(split(&bytes, piece), (whole.clone(), torn));
            for jpeg in whole {
                prop_assert!(jpeg.starts_with(&START) && jpeg.ends_with(&[0xff, 0xd9]));
            }
        }
    }
}
