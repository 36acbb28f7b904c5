//! The board's buttons, on `embedded_hal::digital::InputPin`: a GPIO line, a key and a line of a
//! scene are all pins. Buttons pull their pin low, as a button to ground with a pull-up does.

mod keyboard;
mod shared_pin;

use std::{str::FromStr, time::Duration};

use embedded_hal::digital::InputPin;

pub use keyboard::Keyboard;
pub use shared_pin::SharedPin;

/// A level counts when it has been stable for this long: contacts bounce for some milliseconds.
const DEBOUNCE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ButtonName {
    /// Short: teach the selected class; long: undo.
    Teach,
    /// Short: select the next class; long: add a class.
    Next,
    /// Forget the last burst.
    Undo,
    /// Teach this class: index into the board's classes.
    Class(usize),
}

impl FromStr for ButtonName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "teach" => Ok(Self::Teach),
            "next" => Ok(Self::Next),
            "undo" => Ok(Self::Undo),
            _ => text
                .strip_prefix("class-")
                .and_then(|number| number.parse::<usize>().ok()?.checked_sub(1))
                .map(Self::Class)
                .ok_or_else(|| {
                    format!(
                        "{text:?} is not a button; there are `teach`, `next`, `undo`, and \
                         `class-1`, `class-2` and so on"
                    )
                }),
        }
    }
}

/// A button that went down or up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub button: ButtonName,
    pub down: bool,
    pub at: Duration,
}

/// All buttons; `poll` it at least every few milliseconds.
pub struct Panel<P> {
    buttons: Vec<Debounced<P>>,
}

struct Debounced<P> {
    name: ButtonName,
    pin: P,
    /// As last reported.
    down: bool,
    /// The other level, and since when it has been there.
    changing: Option<Duration>,
}

impl<P: InputPin> Panel<P> {
    pub fn new(buttons: impl IntoIterator<Item = (ButtonName, P)>) -> Self {
        let debounced = |(name, pin)| Debounced {
            name,
            pin,
            down: false,
            changing: None,
        };
        Self {
            buttons: buttons.into_iter().map(debounced).collect(),
        }
    }

    /// The edges since the last call. A pin that cannot be read counts as not pressed.
    pub fn poll(&mut self, now: Duration) -> Vec<Edge> {
        self.buttons
            .iter_mut()
            .filter_map(|button| button.poll(now))
            .collect()
    }
}

impl<P: InputPin> Debounced<P> {
    fn poll(&mut self, now: Duration) -> Option<Edge> {
        let down = self.pin.is_low().unwrap_or(false);
        if down == self.down {
            self.changing = None;
            return None;
        }
        let since = *self.changing.get_or_insert(now);
        if now.saturating_sub(since) < DEBOUNCE {
            return None;
        }
        (self.down, self.changing) = (down, None);
        Some(Edge {
            button: self.name,
            down,
            at: since,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn bounces_are_one_press() {
        let pin = SharedPin::released();
        let mut panel = Panel::new([(ButtonName::Teach, pin.clone())]);
        let mut edges = Vec::new();
        // Bounces for 12 ms, rests, bounces again on release.
        for (at, down) in [
            (0, true),
            (4, false),
            (8, true),
            (12, false),
            (16, true),
            (200, false),
            (203, true),
            (206, false),
        ] {
            for t in (at..).step_by(1).take(4) {
                pin.set(down);
                edges.extend(panel.poll(ms(t)));
            }
            if at == 16 || at == 206 {
                (at + 4..at + 60).for_each(|t| edges.extend(panel.poll(ms(t))));
            }
        }
        let seen: Vec<(bool, Duration)> = edges.iter().map(|e| (e.down, e.at)).collect();
        assert_eq!(seen, [(true, ms(16)), (false, ms(206))]);
    }

    proptest! {
        #[test]
        fn edges_alternate_whatever_the_contact_does(levels in proptest::collection::vec(any::<bool>(), 0..300)) {
            let pin = SharedPin::released();
            let mut panel = Panel::new([(ButtonName::Next, pin.clone())]);
            let mut down = false;
            for (t, level) in levels.into_iter().enumerate() {
                pin.set(level);
                for edge in panel.poll(ms(t as u64 * 7)) {
                    prop_assert_ne!(edge.down, down);
                    down = edge.down;
                }
            }
        }
    }
}
