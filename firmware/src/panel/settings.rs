//! `[panel]` of the settings: which wire is which button or light.
//!
//! Two layouts of buttons, told apart by which are given: `teach` and `next`, or one button a class
//! with `undo` beside them. Both in one panel would leave open what `teach` teaches.

use std::{collections::BTreeMap, fmt, time::Duration};

use lastlayer_shared::verdict::{ClassNameError, check_classes};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// A line's name has at most this many bytes in the kernel.
const MAX_LINE_NAME: usize = 31;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The GPIO chip of all lines that name none: its label (`pinctrl-bcm2711`), its name
    /// (`gpiochip0`) or its path (`/dev/gpiochip0`). Without it a line's name is looked for on all.
    pub chip: Option<String>,
    /// Short: teach the selected class; long: undo the last burst.
    pub teach: Option<ButtonLine>,
    /// Short: select the next class; long: add a class.
    pub next: Option<ButtonLine>,
    /// Undo the last burst; the button to go with one button a class.
    pub undo: Option<ButtonLine>,
    /// The light that says what the board is doing (docs/wiring.md).
    pub status: Option<LightLine>,
    /// By the name of the class: a button that teaches it, a light that shows it, or both.
    pub classes: BTreeMap<String, ClassLines>,
    /// Milliseconds for which a button's level must be stable to count, 1 to 500.
    pub debounce_ms: u64,
    /// Milliseconds after which a held button means its second function, 300 to 10000.
    pub long_press_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            chip: None,
            teach: None,
            next: None,
            undo: None,
            status: None,
            classes: BTreeMap::new(),
            debounce_ms: super::DEBOUNCE.as_millis() as u64,
            long_press_ms: crate::session::LONG_PRESS.as_millis() as u64,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassLines {
    /// Teaches the class.
    pub button: Option<ButtonLine>,
    /// On while the class is seen, blinks while it is taught.
    pub light: Option<LightLine>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonLine {
    /// A line's name (`"GPIO17"`) or number on its chip (`17`).
    pub line: LineId,
    /// The line's chip, where it is not the panel's.
    pub chip: Option<String>,
    /// Whether the wire is low while the button is pressed: a button to ground.
    #[serde(default = "yes")]
    pub active_low: bool,
    /// What holds the wire while the button is not pressed. Default: the chip's own pull-up, or its
    /// pull-down where `active_low = false`.
    pub bias: Option<Bias>,
}

impl ButtonLine {
    pub fn bias(&self) -> Bias {
        self.bias.unwrap_or(match self.active_low {
            true => Bias::PullUp,
            false => Bias::PullDown,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LightLine {
    /// A line's name (`"GPIO22"`) or number on its chip (`22`).
    pub line: LineId,
    /// The line's chip, where it is not the panel's.
    pub chip: Option<String>,
    /// Whether it is on while the wire is low.
    #[serde(default)]
    pub active_low: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    PullUp,
    PullDown,
    /// The chip's resistors off: there is one outside.
    Disabled,
    /// Whatever the chip has now; nothing is asked of the kernel.
    AsIs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineId {
    Name(String),
    /// Counts from 0 on each chip.
    Number(u32),
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// By hand: serde's way for either of two types says of a wrong value only that it fits neither.
impl<'de> Deserialize<'de> for LineId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = LineId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line's name such as \"GPIO17\", or its number such as 17")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<LineId, E> {
                if name.is_empty() || name.len() > MAX_LINE_NAME {
                    return Err(E::invalid_value(de::Unexpected::Str(name), &self));
                }
                Ok(LineId::Name(name.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<LineId, E> {
                let unexpected = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
                u32::try_from(number)
                    .map(LineId::Number)
                    .map_err(unexpected)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<LineId, E> {
                let unexpected = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                u32::try_from(number)
                    .map(LineId::Number)
                    .map_err(unexpected)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "panel.{0} and a button for the class {1:?} are both there; keep `teach` and `next`, or one \
         button a class with `undo`"
    )]
    TwoLayouts(&'static str, String),
    #[error("panel.next selects what `teach` teaches, and there is no `teach`; add panel.teach")]
    NextAlone,
    #[error("{0} and {1} are both on the line {2}; give each a line of its own")]
    SameLine(String, String, String),
    #[error("panel.classes: {0}")]
    Class(#[from] ClassNameError),
    #[error("panel.classes.{0:?} has neither a button nor a light; give it one or take it away")]
    Empty(String),
    #[error("panel.{key} is {value}; give a number from {least} to {most}")]
    Number {
        key: &'static str,
        value: u64,
        least: u64,
        most: u64,
    },
}

/// One wire of the panel as the settings have it.
pub(super) struct Wire<'a> {
    pub key: String,
    pub chip: Option<&'a str>,
    pub line: &'a LineId,
}

impl Settings {
    pub fn debounce(&self) -> Duration {
        Duration::from_millis(self.debounce_ms)
    }

    pub fn long_press(&self) -> Duration {
        Duration::from_millis(self.long_press_ms)
    }

    /// Whether there is nothing on the panel.
    pub fn is_empty(&self) -> bool {
        self.wires().is_empty()
    }

    /// Whether the settings contradict themselves; the machine is not asked.
    pub fn check(&self) -> Result<(), SettingsError> {
        for (key, value, least, most) in [
            ("debounce_ms", self.debounce_ms, 1, 500),
            ("long_press_ms", self.long_press_ms, 300, 10_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(SettingsError::Number {
                    key,
                    value,
                    least,
                    most,
                });
            }
        }
        let classes: Vec<String> = self.classes.keys().cloned().collect();
        check_classes(&classes)?;
        let empty = |(name, lines): (&String, &ClassLines)| {
            (*lines == ClassLines::default()).then(|| SettingsError::Empty(name.clone()))
        };
        if let Some(error) = self.classes.iter().find_map(empty) {
            return Err(error);
        }
        let button = self.classes.iter().find(|(_, c)| c.button.is_some());
        for (key, given) in [("teach", &self.teach), ("next", &self.next)] {
            if let (Some((class, _)), Some(_)) = (button, given) {
                return Err(SettingsError::TwoLayouts(key, class.clone()));
            }
        }
        if self.next.is_some() && self.teach.is_none() {
            return Err(SettingsError::NextAlone);
        }
        // Two ways to write one line are found when the lines are opened.
        let wires = self.wires();
        for (i, wire) in wires.iter().enumerate() {
            let same = |other: &&Wire<'_>| (other.chip, other.line) == (wire.chip, wire.line);
            if let Some(other) = wires[..i].iter().find(same) {
                return Err(SettingsError::SameLine(
                    other.key.clone(),
                    wire.key.clone(),
                    wire.line.to_string(),
                ));
            }
        }
        Ok(())
    }

    /// A line's chip, or the panel's.
    pub(super) fn chip<'a>(&'a self, of_line: &'a Option<String>) -> Option<&'a str> {
        of_line.as_deref().or(self.chip.as_deref())
    }

    /// All of them, each with its key.
    pub(super) fn wires(&self) -> Vec<Wire<'_>> {
        let mut wires = Vec::new();
        let mut add = |key: String, chip, line| {
            wires.push(Wire {
                key,
                chip: self.chip(chip),
                line,
            });
        };
        let buttons = [
            ("teach", &self.teach),
            ("next", &self.next),
            ("undo", &self.undo),
        ];
        for (key, button) in buttons {
            if let Some(button) = button {
                add(format!("panel.{key}"), &button.chip, &button.line);
            }
        }
        if let Some(status) = &self.status {
            add("panel.status".into(), &status.chip, &status.line);
        }
        for (class, lines) in &self.classes {
            if let Some(button) = &lines.button {
                let key = format!("panel.classes.{class:?}.button");
                add(key, &button.chip, &button.line);
            }
            if let Some(light) = &lines.light {
                let key = format!("panel.classes.{class:?}.light");
                add(key, &light.chip, &light.line);
            }
        }
        wires
    }
}

#[cfg(test)]
mod tests;
