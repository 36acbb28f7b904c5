//! Keys as buttons: `t` and `n` press `teach` and `next` shortly, `u` (undo) and `a` (add) long.
//! A terminal tells when a key goes down but not when it comes up, so a key is held for a set time.

use std::{
    io::{self, Read, stdin},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::{ButtonName, SharedPin};

const SHORT: Duration = Duration::from_millis(150);
/// Longer than `session::LONG_PRESS`.
const LONG: Duration = Duration::from_millis(2300);

/// What the terminal was set to; put back when the keyboard goes.
pub struct Keyboard {
    before: Option<Termios>,
}

impl Keyboard {
    /// For the person at the keyboard.
    pub const KEYS: &str = "keys: t teach, u undo, n next class, a add a class, Ctrl-C stop";

    /// Starts to read keys; the pins follow them.
    pub fn start() -> io::Result<(Self, [(ButtonName, SharedPin); 2])> {
        let before = single_keys().ok();
        let (teach, next) = (SharedPin::released(), SharedPin::released());
        let pins = [
            (ButtonName::Teach, teach.clone()),
            (ButtonName::Next, next.clone()),
        ];
        let keys = Mutex::new(stdin());
        thread::Builder::new()
            .name("keyboard".into())
            .spawn(move || {
                let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                let mut key = [0];
                // Ends with the input; the program goes on watching.
                while matches!(keys.read(&mut key), Ok(1)) {
                    let (pin, time) = match key[0].to_ascii_lowercase() {
                        b't' => (&teach, SHORT),
                        b'u' => (&teach, LONG),
                        b'n' => (&next, SHORT),
                        b'a' => (&next, LONG),
                        _ => continue,
                    };
                    pin.set(true);
                    thread::sleep(time);
                    pin.set(false);
                    thread::sleep(SHORT);
                }
            })?;
        Ok((Self { before }, pins))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that is gone.
            let _ = termios::tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// Keys without Enter and without echo; Ctrl-C still ends the program. An error where the input is
/// no terminal: then bytes are keys as they come.
fn single_keys() -> rustix::io::Result<Termios> {
    let before = termios::tcgetattr(stdin())?;
    let mut after = before.clone();
    after.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    termios::tcsetattr(stdin(), OptionalActions::Now, &after)?;
    Ok(before)
}
