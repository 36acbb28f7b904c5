//! The one state machine of the board.
//!
//! ```text
//!            teach down             released, burst full         done
//! watching ------------> collecting ----------------> training --------> watching
//!    ^                       |  held long: undo ----------^  |
//!    |                       | too few frames                | failed
//!    +------- refusing <-----+-------------------------------+
//! ```
//!
//! A button of a class collects for that class and needs no release; a button `undo` undoes at
//! once. It takes edges of buttons, frames, and results of training, and gives
//! actions; it does no work itself and knows no clock: every call says what time it is.

use std::{sync::Arc, time::Duration};

use crate::{
    burst::{self, Burst, Shot, Skipped},
    panel::{ButtonName, Edge},
};

/// A button held for this long means its second function, where the panel says nothing else.
pub const LONG_PRESS: Duration = Duration::from_millis(2000);
/// How long a refusal is shown.
const REFUSING: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub burst: burst::Settings,
    /// A button held for this long means its second function.
    pub long_press: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Watching,
    Collecting,
    Training,
    Refusing,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Watching => "watching",
            State::Collecting => "collecting",
            State::Training => "training",
            State::Refusing => "refusing",
        }
    }
}

/// What the session wants done.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Learn these frames as this class, which was called so in that edition of the classes.
    Learn {
        class: String,
        edition: usize,
        shots: Vec<Shot>,
    },
    /// Forget the burst that was learned last.
    Undo,
    /// Add a class to the list; it becomes the selected one.
    AddClass,
    /// Another class is selected now: its place in the list, and its name.
    Selected { index: usize, class: String },
    /// What was asked for was not done.
    Refused { reason: Refusal },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no class yet; hold `next` to add one")]
    NoClass,
    #[error(
        "there is no class for the button `{0}`; add it, or give the button another class in the \
         settings (`lastlayerd classes list` shows those there are)"
    )]
    NoClassOfButton(ButtonName),
    #[error("only {frames} of at least {fewest} frames could be used; {}", advice(.skipped))]
    TooFewFrames {
        frames: usize,
        fewest: usize,
        skipped: Skipped,
    },
    #[error("the camera is lost, and nothing was learned; see what was said about it")]
    CameraLost,
    #[error("the end came while the button was held, and nothing was learned; release it earlier")]
    Held,
    #[error("`undo` was pressed meanwhile, and the burst was dropped")]
    Undone,
    #[error("the last press is still being learned; press again in a moment")]
    Busy,
    /// Training gave up, for this reason.
    #[error("{0}")]
    Failed(String),
}

fn advice(skipped: &Skipped) -> &'static str {
    match skipped {
        Skipped {
            still: 0,
            blurred: 0,
        } => "no more came in time: press again, or make burst.seconds longer",
        Skipped { still, blurred } if still >= blurred => {
            "nothing moved: move the object a little and press again"
        }
        _ => "the others were blurred: move more slowly, or give more light, and press again",
    }
}

pub struct Session {
    rules: Rules,
    state: State,
    /// Classes there are, and how often any of them was renamed or removed.
    classes: Arc<Vec<String>>,
    edition: usize,
    selected: usize,
    /// When each button went down, while it is held.
    teach_down: Option<Duration>,
    next_down: Option<Duration>,
    burst_start: Duration,
    /// What is being taught: selected when the burst began.
    burst_class: Option<String>,
    burst_edition: usize,
    /// Crops, not frames: a burst of a large camera's frames would not fit a small board.
    burst: Burst,
    camera_lost: bool,
    /// While `Refusing`.
    refused_at: Duration,
}

impl Session {
    pub fn new(rules: Rules, classes: Arc<Vec<String>>) -> Self {
        Self {
            rules,
            state: State::Watching,
            classes,
            edition: 0,
            selected: 0,
            teach_down: None,
            next_down: None,
            burst_start: Duration::ZERO,
            burst_class: None,
            burst_edition: 0,
            burst: Burst::default(),
            camera_lost: false,
            refused_at: Duration::ZERO,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The class that a press teaches; `None` while there is none.
    pub fn selected(&self) -> Option<&str> {
        self.classes.get(self.selected).map(String::as_str)
    }

    /// What is being collected, while it is.
    pub fn collecting(&self) -> Option<&str> {
        match self.state {
            State::Collecting => self.burst_class.as_deref(),
            _ => None,
        }
    }

    pub fn edge(&mut self, edge: Edge) -> Vec<Action> {
        // A button may have become long held since the last tick, however slow the frames are.
        let mut actions = self.tick(edge.at);
        actions.extend(self.pressed_or_released(edge));
        actions
    }

    fn pressed_or_released(&mut self, edge: Edge) -> Option<Action> {
        match (&edge.button, edge.down) {
            (ButtonName::Teach, true) => {
                self.teach_down = Some(edge.at);
                let class = self.selected().map(Into::into);
                self.begin(class, edge.at)
            }
            (ButtonName::Teach, false) => {
                self.teach_down = None;
                None
            }
            (ButtonName::Next, true) => {
                self.next_down = Some(edge.at);
                None
            }
            (ButtonName::Next, false) => {
                self.next_down.take()?;
                self.select_next()
            }
            (ButtonName::Undo, true) => self.undo_pressed(edge.at),
            (ButtonName::Class(_) | ButtonName::OfClass(_), true) => {
                match self.class_of(&edge.button) {
                    Some(class) => self.begin(Some(class), edge.at),
                    None => Some(Action::Refused {
                        reason: Refusal::NoClassOfButton(edge.button),
                    }),
                }
            }
            (ButtonName::Undo | ButtonName::Class(_) | ButtonName::OfClass(_), false) => None,
        }
    }

    /// The class that a button of one teaches, where there is one now.
    fn class_of(&self, button: &ButtonName) -> Option<String> {
        let class = match button {
            ButtonName::Class(index) => self.classes.get(*index),
            ButtonName::OfClass(name) => self.classes.iter().find(|class| ***class == **name),
            _ => None,
        };
        class.cloned()
    }

    /// Starts a burst, where none runs and nothing is being learned.
    fn begin(&mut self, class: Option<String>, now: Duration) -> Option<Action> {
        match self.state {
            State::Watching | State::Refusing => {
                self.state = State::Collecting;
                self.burst_start = now;
                self.burst_class = class;
                self.burst_edition = self.edition;
                self.burst = Burst::default();
                None
            }
            // The burst that runs goes on; a second press within it means nothing.
            State::Collecting => None,
            State::Training => Some(Action::Refused {
                reason: Refusal::Busy,
            }),
        }
    }

    fn select_next(&mut self) -> Option<Action> {
        if self.classes.is_empty() {
            return None;
        }
        self.selected = (self.selected + 1) % self.classes.len();
        Some(Action::Selected {
            index: self.selected,
            class: self.classes[self.selected].clone(),
        })
    }

    fn undo_pressed(&mut self, now: Duration) -> Option<Action> {
        let reason = match self.state {
            State::Watching | State::Refusing => {
                self.state = State::Training;
                return Some(Action::Undo);
            }
            State::Collecting => {
                self.burst = Burst::default();
                self.refuse(now);
                Refusal::Undone
            }
            State::Training => Refusal::Busy,
        };
        Some(Action::Refused { reason })
    }

    /// A frame came while `collecting`.
    pub fn frame(&mut self, shot: Shot) {
        if self.state == State::Collecting {
            self.burst.offer(&self.rules.burst, shot);
        }
    }

    /// Nothing comes while the camera is lost: a burst ends with what it has.
    pub fn camera(&mut self, lost: bool) {
        self.camera_lost = lost;
    }

    /// Call it after every frame and at least every few milliseconds.
    pub fn tick(&mut self, now: Duration) -> Vec<Action> {
        let long = self.rules.long_press;
        let held =
            |since: Option<Duration>| since.is_some_and(|since| now.saturating_sub(since) >= long);
        let mut actions = Vec::new();
        if self.state == State::Refusing && now.saturating_sub(self.refused_at) >= REFUSING {
            self.state = State::Watching;
        }
        if self.state == State::Collecting {
            if held(self.teach_down) {
                self.burst = Burst::default();
                self.teach_down = None;
                self.state = State::Training;
                actions.push(Action::Undo);
            } else if self.teach_down.is_none() && self.burst_over(now) {
                actions.push(self.end_burst(now));
            }
        }
        if held(self.next_down) && matches!(self.state, State::Watching | State::Refusing) {
            self.next_down = None;
            self.state = State::Training;
            actions.push(Action::AddClass);
        }
        actions
    }

    fn burst_over(&self, now: Duration) -> bool {
        let late = now.saturating_sub(self.burst_start) >= self.rules.burst.longest();
        self.burst.full(&self.rules.burst) || late || self.camera_lost
    }

    fn end_burst(&mut self, now: Duration) -> Action {
        let (shots, skipped) = std::mem::take(&mut self.burst).finish();
        let fewest = self.rules.burst.fewest as usize;
        let reason = match self.burst_class.take() {
            None => Refusal::NoClass,
            Some(_) if shots.len() < fewest && self.camera_lost => Refusal::CameraLost,
            Some(_) if shots.len() < fewest => Refusal::TooFewFrames {
                frames: shots.len(),
                fewest,
                skipped,
            },
            Some(class) => {
                self.state = State::Training;
                return Action::Learn {
                    class,
                    edition: self.burst_edition,
                    shots,
                };
            }
        };
        self.refuse(now);
        Action::Refused { reason }
    }

    fn refuse(&mut self, now: Duration) {
        self.state = State::Refusing;
        self.refused_at = now;
    }

    /// Nothing comes any more: a burst whose button was released ends as after its longest time, one
    /// whose button is still held (it may mean undo) is refused.
    pub fn stop(&mut self, now: Duration) -> Vec<Action> {
        if self.state != State::Collecting {
            return Vec::new();
        }
        match self.teach_down {
            None => vec![self.end_burst(now)],
            Some(_) => {
                self.burst = Burst::default();
                self.refuse(now);
                let reason = Refusal::Held;
                vec![Action::Refused { reason }]
            }
        }
    }

    /// The classes are these now; the selected one stays selected while it is there. A class that
    /// is being taught is known by its name in the edition that was current when its burst began.
    pub fn classes_are(&mut self, classes: Arc<Vec<String>>, edition: usize) {
        self.edition = edition;
        let selected = self
            .selected()
            .and_then(|name| classes.iter().position(|class| class == name));
        let last = classes.len().saturating_sub(1);
        self.selected = selected.unwrap_or(self.selected.min(last));
        self.classes = classes;
    }

    /// What was asked for is done.
    pub fn finished(&mut self) {
        if self.state == State::Training {
            self.state = State::Watching;
        }
    }

    /// Selects a class, by name.
    pub fn select(&mut self, name: &str) {
        if let Some(place) = self.classes.iter().position(|class| class == name) {
            self.selected = place;
        }
    }

    /// Training gave up; what was taught before stays.
    pub fn failed(&mut self, now: Duration, reason: String) -> Action {
        self.refuse(now);
        Action::Refused {
            reason: Refusal::Failed(reason),
        }
    }
}

#[cfg(test)]
mod scripts;
#[cfg(test)]
mod tests;
