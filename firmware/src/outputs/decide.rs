//! When an output acts. No clock, no thread, no wire: it is told the steady verdict of each frame
//! and says what is to be done.
//!
//! An output acts once each time its class comes: when the class has been shown, sure enough, for
//! the output's hold time. It acts again when the class (or, for an output of every class, another
//! class) comes anew.

use std::time::Duration;

use lastlayer_shared::verdict::{UNKNOWN, Verdict};

use super::Settings;

/// How far the confidence may fall below `min_confidence` before an output that has acted lets go:
/// a confidence at the threshold would make its line flicker.
const SLACK: f32 = 0.05;

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The line follows the verdict.
    Level { on: bool },
    /// The line is on for this long, from now.
    Pulse { length: Duration },
    /// The command and the webhook, with this verdict.
    Run { verdict: Verdict },
}

/// One output's state.
pub struct Decider {
    settings: Settings,
    /// The class that it is about, and since when.
    coming: Option<(String, Duration)>,
    /// It has come: the level is on.
    on: bool,
    /// It has come and was not acted upon yet.
    due: bool,
    /// When it acted last, for the rate.
    acted: Option<Duration>,
}

impl Decider {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            coming: None,
            on: false,
            due: false,
            acted: None,
        }
    }

    /// `verdict` is the steady one; `None`: nothing is seen, as when the camera is lost.
    pub fn frame(&mut self, now: Duration, verdict: Option<&Verdict>) -> Vec<Action> {
        let was = self.on;
        match verdict.filter(|verdict| self.concerns(verdict)) {
            None => {
                (self.coming, self.on, self.due) = (None, false, false);
            }
            Some(verdict) => {
                if self
                    .coming
                    .as_ref()
                    .is_none_or(|(c, _)| *c != verdict.class)
                {
                    self.coming = Some((verdict.class.clone(), now));
                    (self.on, self.due) = (false, false);
                }
                let since = self.coming.as_ref().map_or(now, |(_, since)| *since);
                if !self.on && now.saturating_sub(since) >= self.settings.hold() {
                    (self.on, self.due) = (true, true);
                }
            }
        }
        let mut actions = Vec::new();
        let pulse = self.settings.pulse();
        if self.on != was && pulse.is_none() && self.settings.line.is_some() {
            actions.push(Action::Level { on: self.on });
        }
        if let Some(verdict) = verdict
            && self.due
            && self.may(now)
        {
            self.due = false;
            let line = self.settings.line.as_ref();
            let pulse = line.and(pulse).map(|length| Action::Pulse { length });
            let verdict = verdict.clone();
            let run = self.settings.runs().then_some(Action::Run { verdict });
            if pulse.is_some() || run.is_some() {
                self.acted = Some(now);
            }
            actions.extend(pulse.into_iter().chain(run));
        }
        actions
    }

    /// Whether the verdict is of the output's class and sure enough.
    fn concerns(&self, verdict: &Verdict) -> bool {
        match &self.settings.class {
            Some(class) if *class != verdict.class => return false,
            None if verdict.class == UNKNOWN => return false,
            _ => {}
        }
        let stays = self.on
            && self
                .coming
                .as_ref()
                .is_some_and(|(c, _)| *c == verdict.class);
        let least = match stays {
            true => self.settings.min_confidence - SLACK,
            false => self.settings.min_confidence,
        };
        verdict.confidence >= least
    }

    /// Whether the rate allows it.
    fn may(&self, now: Duration) -> bool {
        let passed = self.acted.map(|acted| now.saturating_sub(acted));
        passed.is_none_or(|passed| passed >= self.settings.at_most_every())
    }
}

/// One output's line, in real time: pulses end between frames.
#[derive(Debug, Default)]
pub struct LineState {
    level: bool,
    pulse_until: Option<Duration>,
}

impl LineState {
    pub fn level(&mut self, on: bool) {
        self.level = on;
    }

    /// A pulse that comes during another makes it longer.
    pub fn pulse(&mut self, now: Duration, length: Duration) {
        let until = now + length;
        self.pulse_until = Some(self.pulse_until.map_or(until, |before| before.max(until)));
    }

    /// Whether the line is on now.
    pub fn on(&mut self, now: Duration) -> bool {
        if self.pulse_until.is_some_and(|until| now >= until) {
            self.pulse_until = None;
        }
        self.level || self.pulse_until.is_some()
    }

    /// When it changes by itself.
    pub fn until(&self) -> Option<Duration> {
        self.pulse_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn verdict(class: &str, confidence: f32) -> Verdict {
        Verdict {
            class: class.into(),
            confidence,
        }
    }

    /// What comes of these classes, ten frames a second, as one letter each.
    fn acted(text: &str, frames: &[(&str, f32)]) -> String {
        let mut decider = Decider::new(settings(text));
        let mut said = String::new();
        for (i, (class, confidence)) in frames.iter().enumerate() {
            let now = Duration::from_millis(100 * i as u64);
            let verdict = verdict(class, *confidence);
            let actions = decider.frame(now, (*class != "-").then_some(&verdict));
            said.push_str(match &actions[..] {
                [] => ".",
                [Action::Level { on: true }] => "+",
                [Action::Level { on: false }] => "-",
                [Action::Pulse { .. }] => "p",
                [Action::Run { verdict }] if verdict.class == *class => "r",
                [Action::Level { on: true }, Action::Run { .. }] => "R",
                other => panic!("{other:?}"),
            });
        }
        said
    }

    const LINE: &str = "class = \"car\"\nline = { line = 4 }\nmin_confidence = 0.5\n";

    #[test]
    fn a_line_follows_its_class_after_the_hold_time() {
        let text = format!("{LINE}hold_seconds = 0.2");
        let frames = [
            ("car", 0.9),
            ("car", 0.9),
            ("bird", 0.9),
            ("car", 0.9),
            ("car", 0.4),
            ("car", 0.9),
            ("car", 0.9),
            ("car", 0.9),
            ("car", 0.46),
            ("car", 0.44),
            ("car", 0.46),
            ("-", 0.0),
        ];
        // The break at 0.4 starts the hold anew; once on, 0.46 is still enough and 0.44 is not.
        assert_eq!(acted(&text, &frames), ".......+.-..");
    }

    #[test]
    fn nothing_seen_lets_go() {
        let text = format!("{LINE}hold_seconds = 0.0");
        let frames = [("car", 0.9), ("-", 0.0), ("-", 0.0), ("car", 0.9)];
        assert_eq!(acted(&text, &frames), "+-.+");
    }

    #[test]
    fn a_command_runs_once_each_time_its_class_comes() {
        let text =
            "class = \"car\"\ncommand = [\"x\"]\nhold_seconds = 0.0\nat_most_every_seconds = 0.0";
        let frames = [
            ("car", 0.9),
            ("car", 0.9),
            ("bird", 0.9),
            ("car", 0.9),
            ("unknown", 0.0),
        ];
        assert_eq!(acted(text, &frames), "r..r.");
        let every = "command = [\"x\"]\nhold_seconds = 0.0\nat_most_every_seconds = 0.0";
        assert_eq!(acted(every, &frames), "r.rr.");
        let unknown = "class = \"unknown\"\ncommand = [\"x\"]\nhold_seconds = 0.0";
        assert_eq!(acted(unknown, &frames), "....r");
    }

    #[test]
    fn what_comes_too_often_waits_and_acts_if_it_is_still_seen() {
        let text = format!("{LINE}pulse_ms = 50\nhold_seconds = 0.0\nat_most_every_seconds = 0.5");
        let (car, bird) = (("car", 0.9), ("bird", 0.9));
        let frames = [
            car, bird, car, bird, car, car, car, bird, car, bird, bird, bird,
        ];
        assert_eq!(acted(&text, &frames), "p....p......");
        let both =
            format!("{LINE}command = [\"x\"]\nhold_seconds = 0.0\nat_most_every_seconds = 0.5");
        // The level is not held back.
        assert_eq!(acted(&both, &[car, bird, car, car, car, car]), "R-+..r");
    }

    #[test]
    fn a_pulse_ends_in_time_and_a_second_makes_it_longer() {
        let ms = Duration::from_millis;
        let mut line = LineState::default();
        line.pulse(ms(100), ms(50));
        assert!(line.on(ms(149)) && line.until() == Some(ms(150)));
        line.pulse(ms(140), ms(50));
        assert!(line.on(ms(189)));
        assert!(!line.on(ms(190)) && line.until().is_none());
        line.level(true);
        assert!(line.on(ms(500)));
        line.level(false);
        assert!(!line.on(ms(501)));
    }

    proptest! {
        /// Whatever is seen: never more often than allowed, and levels alternate.
        #[test]
        fn the_rate_is_kept_and_levels_alternate(
            frames in proptest::collection::vec((0u64..400, 0usize..4, 0.0f32..1.0), 0..300),
        ) {
            let mut decider = Decider::new(settings(
                "line = { line = 4 }\ncommand = [\"x\"]\nmin_confidence = 0.3\nhold_seconds = 0.1\n\
                 at_most_every_seconds = 1.0",
            ));
            let (mut now, mut last, mut level) = (0, None::<u64>, false);
            for (step, class, confidence) in frames {
                now += step;
                let verdict = verdict(["car", "bird", "cat", "unknown"][class], confidence);
                for action in decider.frame(Duration::from_millis(now), Some(&verdict)) {
                    match action {
                        Action::Level { on } => {
                            // Another class that comes at once may turn it off and on later, never
                            // twice the same.
                            prop_assert_ne!(on, level);
                            level = on;
                        }
                        Action::Run { verdict: run } => {
                            prop_assert!(last.is_none_or(|last| now - last >= 1000));
                            prop_assert_eq!(&run, &verdict);
                            last = Some(now);
                        }
                        Action::Pulse { .. } => prop_assert!(false),
                    }
                }
            }
        }
    }
}
