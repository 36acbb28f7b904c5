//! From settings to buttons and lights. What cannot be had is said and left out: a board with one
//! light too few still watches.

use super::{
    ButtonName, ButtonPin, LightPin, Lights, Panel, Settings,
    gpio::Opener,
    settings::{ButtonLine, LightLine},
};

/// What of the panel could be had.
pub struct Opened {
    /// To be made a `Panel`, with keys beside them where there are keys.
    pub buttons: Vec<(ButtonName, ButtonPin)>,
    pub lights: Lights<LightPin>,
    /// What could not be had, one line each, beginning with the key in the settings.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Asks for all lines. `opener` is kept for the lines of outputs, so that nothing is asked for
    /// twice; the settings have passed `check`.
    pub fn open(&self, opener: &mut Opener<'_>) -> Opened {
        let mut warnings = Vec::new();
        let mut buttons = Vec::new();
        let mut button = |key: String, which: ButtonName, line: &ButtonLine| {
            let chip = self.chip(&line.chip);
            match opener.button(&key, chip, &line.line, line.active_low, line.bias()) {
                Ok(pin) => buttons.push((which, pin)),
                Err(error) => warnings.push(format!("{key}: {error}")),
            }
        };
        for (key, name, line) in [
            ("teach", ButtonName::Teach, &self.teach),
            ("next", ButtonName::Next, &self.next),
            ("undo", ButtonName::Undo, &self.undo),
        ] {
            if let Some(line) = line {
                button(format!("panel.{key}"), name, line);
            }
        }
        for (class, lines) in &self.classes {
            if let Some(line) = &lines.button {
                let key = format!("panel.classes.{class:?}.button");
                button(key, ButtonName::OfClass(class.as_str().into()), line);
            }
        }
        let mut light = |key: &str, line: &LightLine| {
            let chip = self.chip(&line.chip);
            let pin = opener.light(key, chip, &line.line, line.active_low);
            pin.map_err(|error| warnings.push(format!("{key}: {error}")))
                .ok()
        };
        let status = self.status.as_ref();
        let status = status.and_then(|line| light("panel.status", line));
        let mut of_classes = Vec::new();
        for (class, lines) in &self.classes {
            if let Some(line) = &lines.light {
                let pin = light(&format!("panel.classes.{class:?}.light"), line);
                of_classes.extend(pin.map(|pin| (class.clone(), pin)));
            }
        }
        Opened {
            buttons,
            lights: Lights::new(status, of_classes),
            warnings,
        }
    }

    /// A panel of these buttons: GPIO lines, keys, or both.
    pub fn panel(&self, buttons: Vec<(ButtonName, ButtonPin)>) -> Panel<ButtonPin> {
        Panel::new(buttons)
            .with_debounce(self.debounce())
            .after_release()
    }

    /// What is wrong with the panel, in plain words, without touching a line: contradictions, and
    /// lines that are not there or in use by somebody else. `opener` knows other lines that were
    /// looked at before.
    pub fn problems(&self, opener: &mut Opener<'_>) -> Vec<String> {
        let mut problems: Vec<String> =
            self.check().err().iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            let wrong = self.wires().into_iter().filter_map(|wire| {
                let place = opener.place(&wire.key, wire.chip, wire.line, true);
                Some(format!("{}: {}", wire.key, place.err()?))
            });
            problems.extend(wrong);
        }
        problems
    }

    /// The key of the button and light of this class, where it has any.
    pub fn naming(&self, class: &str) -> Vec<String> {
        let there = self.classes.keys().filter(|name| *name == class);
        there
            .map(|name| format!("panel.classes.{name:?}"))
            .collect()
    }

    /// Classes that the settings name and the board does not have, each with what to do. Classes
    /// are added and renamed on the board: a warning, no more.
    pub fn strangers(&self, classes: &[String]) -> Vec<String> {
        let strange = self.classes.keys().filter(|name| !classes.contains(name));
        strange
            .map(|name| {
                format!(
                    "panel.classes.{name:?}: the board has no such class yet; its button and light \
                     begin to work when it has one"
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::gpio::{ChipInfo, LineInfo, Listing};

    fn listing() -> Listing {
        let line = |number| LineInfo {
            name: Some(format!("GPIO{number}")),
            used_by: (number == 4).then(|| "w1".into()),
        };
        Listing {
            chips: vec![ChipInfo {
                path: "/dev/null".into(),
                name: "gpiochip0".into(),
                label: "pinctrl-bcm2711".into(),
                lines: (0..28).map(line).collect(),
            }],
            ..Listing::default()
        }
    }

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn problems_are_said_with_their_keys_and_none_where_all_is_well() {
        let fine = settings("teach = { line = \"GPIO17\" }\nnext = { line = 27 }");
        assert_eq!(fine.problems(&mut Opener::new(&listing())), [""; 0]);
        let bad =
            settings("teach = { line = 17 }\nnext = { line = 4 }\nundo = { line = \"GPIO17\" }");
        let problems = bad.problems(&mut Opener::new(&listing()));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("panel.next: ") && problems[0].contains("w1"));
        assert!(problems[1].starts_with("panel.undo: ") && problems[1].contains("panel.teach"));
    }

    #[test]
    fn what_cannot_be_had_is_left_out_and_said() {
        // /dev/null is no chip, as a chip that goes while it is asked is none.
        let settings = settings(
            "teach = { line = 17 }\nstatus = { line = 22 }\nclasses.car.light = { line = 40 }",
        );
        let listing = listing();
        let opened = settings.open(&mut Opener::new(&listing));
        assert!(opened.buttons.is_empty());
        assert!(opened.lights.is_empty());
        let keys = opened
            .warnings
            .iter()
            .map(|w| w.split(": ").next().unwrap());
        let keys: Vec<&str> = keys.collect();
        let all = ["panel.teach", "panel.status", "panel.classes.\"car\".light"];
        assert_eq!(keys, all, "{:?}", opened.warnings);
    }

    #[test]
    fn classes_that_are_not_there_are_named() {
        let settings =
            settings("classes.car.light = { line = 1 }\nclasses.cat.light = { line = 2 }");
        let strangers = settings.strangers(&["cat".into()]);
        assert_eq!(strangers.len(), 1);
        assert!(strangers[0].contains("\"car\""));
    }
}
