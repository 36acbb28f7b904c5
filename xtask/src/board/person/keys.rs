//! Keys for everything that a person can do to a board. The buttons are those of lastlayerd's own
//! keyboard (firmware/src/panel/keyboard.rs), held as long as there.

use std::time::Duration;

use crate::board::{NEXT_LINE, TEACH_LINE};

const SHORT: Duration = Duration::from_millis(150);
/// Longer than lastlayerd's long press.
const LONG: Duration = Duration::from_millis(2300);

/// For the person, in the order of `parse`.
pub const HELP: &str =
    "t teach  u undo  n next  a add  p/P camera away/back  r run  x cut power  q quit";

/// A button held for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    pub line: u8,
    pub time: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Press(Press),
    Unplug,
    Plug,
    /// The photos of this number, from 0.
    Show(usize),
    Start,
    PowerCut,
    Quit,
}

impl Key {
    /// What a byte of the terminal's means where there are that many folders of photos.
    pub fn parse(byte: u8, photos: usize) -> Option<Self> {
        let press = |line, time| Some(Self::Press(Press { line, time }));
        match byte {
            b't' => press(TEACH_LINE, SHORT),
            b'u' => press(TEACH_LINE, LONG),
            b'n' => press(NEXT_LINE, SHORT),
            b'a' => press(NEXT_LINE, LONG),
            b'p' => Some(Self::Unplug),
            b'P' => Some(Self::Plug),
            b'r' => Some(Self::Start),
            b'x' => Some(Self::PowerCut),
            // Ctrl-C and Ctrl-D too.
            b'q' | 3 | 4 => Some(Self::Quit),
            b'1'..=b'9' => Some(usize::from(byte - b'1'))
                .filter(|number| *number < photos)
                .map(Self::Show),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_the_help_says() {
        for word in HELP.split("  ") {
            let key = word.as_bytes()[0];
            assert!(Key::parse(key, 0).is_some(), "{word}");
        }
        assert_eq!(Key::parse(b'P', 0), Some(Key::Plug));
        assert_eq!(Key::parse(b'p', 0), Some(Key::Unplug));
        assert_eq!(Key::parse(3, 0), Some(Key::Quit));
        assert_eq!(Key::parse(b'?', 9), None);
    }

    #[test]
    fn only_photos_that_are_there_can_be_shown() {
        assert_eq!(Key::parse(b'1', 2), Some(Key::Show(0)));
        assert_eq!(Key::parse(b'2', 2), Some(Key::Show(1)));
        assert_eq!(Key::parse(b'3', 2), None);
    }

    #[test]
    fn long_presses_are_of_the_same_buttons() {
        let line = |byte| match Key::parse(byte, 0) {
            Some(Key::Press(press)) => (press.line, press.time > Duration::from_secs(2)),
            other => panic!("{other:?}"),
        };
        assert_eq!((line(b't'), line(b'u')), ((0, false), (0, true)));
        assert_eq!((line(b'n'), line(b'a')), ((1, false), (1, true)));
    }
}
