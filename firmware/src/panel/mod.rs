//! The board's buttons and lights, on `embedded_hal::digital`: a GPIO line, a key and a line of a
//! scene are all pins. Buttons pull their pin low, as a button to ground with a pull-up does; where
//! one is wired the other way round, `Wired` turns it over.
//!
//! What is connected where is in `settings`, which lines those are is found in `gpio`, and what the
//! lights say is in `blink` (the language) and `lights` (who says what when). docs/wiring.md draws it.

pub mod blink;
pub mod gpio;
mod keyboard;
pub(crate) mod lamp;
pub mod lights;
mod link;
pub mod open;
mod pins;
pub mod settings;
mod shared_pin;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use embedded_hal::digital::InputPin;

pub use keyboard::Keyboard;
pub use lights::{Lights, LightsThread, Tell};
pub use link::PanelLink;
pub use pins::{ButtonPin, LightPin, PinError, Wired};
pub use settings::Settings;
pub use shared_pin::SharedPin;

/// A level counts when it has been stable for this long: contacts bounce for some milliseconds.
pub const DEBOUNCE: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ButtonName {
    /// Short: teach the selected class; long: undo.
    Teach,
    /// Short: select the next class; long: add a class.
    Next,
    /// Forget the last burst.
    Undo,
    /// Teach this class: index into the board's classes. For keys and scenes.
    Class(usize),
    /// Teach the class of this name, where there is one then. For wires: classes are added, renamed
    /// and removed while the panel is there.
    OfClass(Arc<str>),
}

impl fmt::Display for ButtonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Teach => f.write_str("teach"),
            Self::Next => f.write_str("next"),
            Self::Undo => f.write_str("undo"),
            Self::Class(index) => write!(f, "class-{}", index + 1),
            Self::OfClass(class) => f.write_str(class),
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub button: ButtonName,
    pub down: bool,
    pub at: Duration,
}

/// All buttons; `poll` it at least every few milliseconds.
pub struct Panel<P> {
    buttons: Vec<Debounced<P>>,
    debounce: Duration,
    link: PanelLink,
    /// Whether a button that is down at the first look was pressed.
    trusting: bool,
}

struct Debounced<P> {
    button: ButtonName,
    pin: P,
    /// As last seen, bounces apart.
    down: bool,
    /// The other level, and since when it has been there.
    changing: Option<Duration>,
    /// Reported down, and not up yet.
    reported: bool,
    looked: bool,
    failing: bool,
}

impl<P: InputPin> Panel<P> {
    pub fn new(buttons: impl IntoIterator<Item = (ButtonName, P)>) -> Self {
        let debounced = |(button, pin)| Debounced {
            button,
            pin,
            down: false,
            changing: None,
            reported: false,
            looked: false,
            failing: false,
        };
        Self {
            buttons: buttons.into_iter().map(debounced).collect(),
            debounce: DEBOUNCE,
            link: PanelLink::default(),
            trusting: true,
        }
    }

    /// How long a level must be stable to count.
    pub fn with_debounce(mut self, debounce: Duration) -> Self {
        self.debounce = debounce;
        self
    }

    /// For buttons on wires: one that is down at the first look is stuck or wired the other way
    /// round, and counts only after it has come up. Taken for a press it would be a long one, and
    /// every start of the program would undo the last burst.
    pub fn after_release(mut self) -> Self {
        self.trusting = false;
        self
    }

    /// The panel's other end, for who says the warnings; it stays valid where the panel has gone to a
    /// thread of its own.
    pub fn link(&self) -> PanelLink {
        self.link.clone()
    }

    /// The edges since the last call. A pin that cannot be read counts as not pressed.
    pub fn poll(&mut self, now: Duration) -> Vec<Edge> {
        let (debounce, trusting, link) = (self.debounce, self.trusting, &self.link);
        self.buttons
            .iter_mut()
            .filter_map(|button| button.poll(now, debounce, trusting, link))
            .collect()
    }
}

impl<P: InputPin> Debounced<P> {
    fn poll(
        &mut self,
        now: Duration,
        debounce: Duration,
        trusting: bool,
        link: &PanelLink,
    ) -> Option<Edge> {
        let down = self.read(link);
        if !std::mem::replace(&mut self.looked, true) && down && !trusting {
            self.down = true;
            link.warn(format!(
                "the button `{}` is down already; it counts once it has come up: if nobody holds it, check its \
                 wire and its `active_low` and `bias` in the settings",
                self.button
            ));
        }
        if down == self.down {
            self.changing = None;
            return None;
        }
        let since = *self.changing.get_or_insert(now);
        if now.saturating_sub(since) < debounce {
            return None;
        }
        (self.down, self.changing) = (down, None);
        if !std::mem::replace(&mut self.reported, down) && !down {
            return None;
        }
        Some(Edge {
            button: self.button.clone(),
            down,
            at: since,
        })
    }

    fn read(&mut self, link: &PanelLink) -> bool {
        match self.pin.is_low() {
            Ok(down) => {
                self.failing = false;
                down
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    link.warn(format!(
                        "the button `{}` cannot be read: {error:?}; it does nothing until it can",
                        self.button
                    ));
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
