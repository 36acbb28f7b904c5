//! Keys as buttons: `t`, `n` and `u` press `teach`, `next` and `undo`, `a` (add) presses `next` long,
//! and the digits press the buttons of the first nine classes.
//!
//! A terminal tells when a key goes down but not when it comes up, so a key is held for a set time, and
//! until the panel saw it: a machine with much to do may keep that from looking for a while.
//! Keys pressed meanwhile wait their turn in the terminal: every one is a press of its own.

use std::{
    io::{self, Read, stdin},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::{ButtonName, ButtonPin, SharedPin};

const SHORT: Duration = Duration::from_millis(150);
/// How much longer than a long press must be.
const LONGER: Duration = Duration::from_millis(300);
/// Between two looks whether the panel looked, and all of them.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(10);
/// Classes that have a digit.
const DIGITS: usize = 9;

/// What the terminal was set to; put back when the keyboard goes.
pub struct Keyboard {
    before: Option<Termios>,
}

impl Keyboard {
    /// For the person at the keyboard.
    pub const KEYS: &str =
        "keys: t teach, u undo, n next class, a add a class, 1 to 9 teach that class, Ctrl-C stop";

    /// Starts to read keys; the pins follow them. A press is long from `long_press` on.
    pub fn start(long_press: Duration) -> io::Result<(Self, Vec<(ButtonName, ButtonPin)>)> {
        let before = single_keys().ok();
        let pins = pins();
        let keys = Mutex::new(stdin());
        let shared = pins.clone();
        thread::Builder::new()
            .name("keyboard".into())
            .spawn(move || {
                let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                press_all(&mut *keys, &shared, long_press + LONGER, thread::sleep);
            })?;
        let pins = pins.into_iter();
        let pins = pins.map(|(name, pin)| (name, pin.into())).collect();
        Ok((Self { before }, pins))
    }
}

fn pins() -> Vec<(ButtonName, SharedPin)> {
    let classes = (0..DIGITS).map(ButtonName::Class);
    let names = [ButtonName::Teach, ButtonName::Next, ButtonName::Undo];
    names
        .into_iter()
        .chain(classes)
        .map(|name| (name, SharedPin::released()))
        .collect()
}

/// Ends with the keys; the program goes on watching.
fn press_all(
    keys: &mut impl Read,
    pins: &[(ButtonName, SharedPin)],
    long: Duration,
    mut wait: impl FnMut(Duration),
) {
    let mut key = [0];
    while matches!(keys.read(&mut key), Ok(1)) {
        let (name, time) = match key[0].to_ascii_lowercase() {
            b't' => (ButtonName::Teach, SHORT),
            b'u' => (ButtonName::Undo, SHORT),
            b'n' => (ButtonName::Next, SHORT),
            b'a' => (ButtonName::Next, long),
            digit @ b'1'..=b'9' => (ButtonName::Class(usize::from(digit - b'1')), SHORT),
            _ => continue,
        };
        if let Some((_, pin)) = pins.iter().find(|(pin, _)| *pin == name) {
            hold(pin, true, time, &mut wait);
            hold(pin, false, SHORT, &mut wait);
        }
    }
}

/// Sets a level that is seen for at least `time`.
fn hold(pin: &SharedPin, pressed: bool, time: Duration, wait: &mut impl FnMut(Duration)) {
    pin.set(pressed);
    until_looked_at(pin, wait);
    wait(time);
    // Of the looks meanwhile, the last may have been long ago.
    pin.was_looked_at();
    until_looked_at(pin, wait);
}

/// Gives up where nobody looks any more: the program ends.
fn until_looked_at(pin: &SharedPin, wait: &mut impl FnMut(Duration)) {
    let mut waited = Duration::ZERO;
    while !pin.was_looked_at() && waited < PATIENCE {
        wait(LOOK);
        waited += LOOK;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{panel::Panel, session::LONG_PRESS};

    /// The panel looks once in 400 ms, when every key would have come up again.
    #[test]
    fn a_press_is_seen_however_late_the_panel_looks() {
        let pins = pins();
        let mut panel = Panel::new(pins.clone());
        let (mut now, mut seen) = (Duration::ZERO, Vec::new());
        let wait = |time: Duration| {
            for _ in 0..time.as_millis() {
                now += Duration::from_millis(1);
                if now.as_millis() % 400 == 0 {
                    let edges = panel.poll(now).into_iter();
                    seen.extend(edges.map(|edge| (edge.button.to_string(), edge.down)));
                }
            }
        };
        press_all(&mut &b"tu"[..], &pins, LONG_PRESS + LONGER, wait);
        let all = [
            ("teach", true),
            ("teach", false),
            ("undo", true),
            ("undo", false),
        ];
        assert_eq!(seen, all.map(|(name, down)| (name.to_owned(), down)));
    }

    #[test]
    fn every_key_is_a_press_also_those_that_came_during_one() {
        let pins = pins();
        let mut panel = Panel::new(pins.clone());
        let mut now = Duration::ZERO;
        let mut seen = Vec::new();
        // Whoever waits lets the panel look.
        let wait = |time: Duration| {
            let until = now + time;
            while now < until {
                for edge in panel.poll(now) {
                    seen.push((edge.button.to_string(), edge.down, edge.at));
                }
                now += Duration::from_millis(5);
            }
        };
        press_all(&mut &b"t9x\nUAn"[..], &pins, LONG_PRESS + LONGER, wait);
        let mut presses = Vec::new();
        for pair in seen.chunks(2) {
            let [(name, true, from), (same, false, to)] = pair else {
                panic!("{seen:?}");
            };
            assert_eq!(name, same);
            presses.push((name.as_str(), *to - *from >= LONG_PRESS));
        }
        let all = [
            ("teach", false),
            ("class-9", false),
            ("undo", false),
            ("next", true),
            ("next", false),
        ];
        assert_eq!(presses, all);
    }
}
