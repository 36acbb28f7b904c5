//! The person's terminal: single keys in, lines and one line of status out.

use std::{
    io::{self, Read, Write, stdin, stdout},
    sync::mpsc::{Receiver, channel},
    thread,
};

use anyhow::Result;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::keys::{HELP, Key};

/// What the status line shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Names, by number.
    pub photos: Vec<String>,
    /// Which of them is before the camera.
    pub shown: usize,
    /// Whether there is a camera.
    pub camera: bool,
    /// Lines that the board has ever driven, and whether they are high.
    pub lights: Vec<(u8, bool)>,
}

impl Status {
    pub fn new(photos: &[String]) -> Self {
        Self {
            photos: photos.to_vec(),
            shown: 0,
            camera: true,
            lights: Vec::new(),
        }
    }

    fn line(&self) -> String {
        let lights: Vec<String> = self
            .lights
            .iter()
            .map(|(line, high)| format!("{line}{}", if *high { '●' } else { '○' }))
            .collect();
        let photos: Vec<String> = self
            .photos
            .iter()
            .take(9)
            .enumerate()
            .map(|(number, name)| match self.camera && number == self.shown {
                true => format!("[{} {name}]", number + 1),
                false => format!("{} {name}", number + 1),
            })
            .collect();
        let lights = match lights.is_empty() {
            true => "none yet".into(),
            false => lights.join(" "),
        };
        let camera = if self.camera { "" } else { " away" };
        format!(
            "lights {lights} | camera{camera}: {} | {HELP}",
            photos.join(" ")
        )
    }
}

/// Puts the terminal back as it was when it goes.
pub struct Terminal {
    before: Option<Termios>,
    keys: Receiver<u8>,
    /// The status line that is on the screen.
    shown: String,
}

impl Terminal {
    /// Starts to read keys. Where the input is no terminal, its bytes are keys as they come, and at
    /// its end the person has quit.
    pub fn new() -> Result<Self> {
        let before = single_keys().ok();
        let (send, keys) = channel();
        let read = move || {
            let mut key = [0];
            while matches!(stdin().lock().read(&mut key), Ok(1)) {
                if send.send(key[0]).is_err() {
                    return;
                }
            }
            let _ = send.send(b'q');
        };
        thread::Builder::new().name("keys".into()).spawn(read)?;
        Ok(Self {
            before,
            keys,
            shown: String::new(),
        })
    }

    /// The next key that means something, if one was pressed.
    pub fn key(&mut self, photos: usize) -> Option<Key> {
        let mut bytes = self.keys.try_iter();
        bytes.find_map(|byte| Key::parse(byte, photos))
    }

    /// A line above the status. Control characters of the board's stay there.
    pub fn say(&mut self, line: &str) {
        let plain: String = line.chars().filter(|c| !c.is_control()).collect();
        self.write(&format!("\r\x1b[K{plain}\r\n{}", self.shown));
    }

    pub fn show(&mut self, status: &Status) {
        let mut line = status.line();
        if let Some(width) = self.before.as_ref().and_then(|_| width()) {
            line = line.chars().take(width.saturating_sub(1)).collect();
        }
        if line != self.shown {
            self.write(&format!("\r\x1b[K{line}"));
            self.shown = line;
        }
    }

    fn write(&self, text: &str) {
        // A board goes on where nobody looks.
        let _ = stdout().write_all(text.as_bytes());
        let _ = stdout().flush();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.write("\r\x1b[K");
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that is gone.
            let _ = termios::tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// Columns.
fn width() -> Option<usize> {
    let size = termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Keys without Enter, without echo, and without signals: Ctrl-C quits as `q` does, so that the
/// board is shut down.
fn single_keys() -> rustix::io::Result<Termios> {
    let before = termios::tcgetattr(stdin())?;
    let mut after = before.clone();
    after.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    termios::tcsetattr(stdin(), OptionalActions::Now, &after)?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_shows_lights_camera_and_keys() {
        let mut status = Status::new(&["car".into(), "truck".into()]);
        assert!(
            status
                .line()
                .starts_with("lights none yet | camera: [1 car] 2 truck | t teach")
        );
        status.lights = vec![(4, true), (5, false)];
        status.camera = false;
        assert!(
            status
                .line()
                .starts_with("lights 4● 5○ | camera away: 1 car 2 truck | ")
        );
    }
}
