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
//! It takes edges of buttons, crops of frames, and results of training, and gives actions; it does
//! no work itself and knows no clock: every call says what time it is.

use std::time::Duration;

use lastlayer_shared::frame::Frame;

use crate::panel::{ButtonName, Edge};

/// A button held for this long means its second function.
pub const LONG_PRESS: Duration = Duration::from_millis(2000);
/// How long a refusal is shown.
const REFUSING: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug)]
pub struct BurstRules {
    /// Frames that make a burst full, at least 1.
    pub full: usize,
    /// A burst ends after this time, full or not.
    pub longest: Duration,
    /// Fewer than this are refused.
    pub fewest: usize,
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
    /// Learn these crops as this class (index into the class list).
    Learn { class: usize, crops: Vec<Frame> },
    /// Forget the burst that was learned last.
    Undo,
    /// Add a class to the list; it becomes the selected one.
    AddClass,
    /// Another class is selected now.
    Selected { class: usize },
    /// What was asked for was not done.
    Refused { reason: Refusal },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no class yet; hold `next` to add one")]
    NoClass,
    #[error("only {frames} of at least {fewest} frames came; hold still and press again")]
    TooFewFrames { frames: usize, fewest: usize },
    #[error("the end came while the button was held, and nothing was learned; release it earlier")]
    Held,
    #[error("the last press is still being learned; press again in a moment")]
    Busy,
    /// Training gave up, for this reason.
    #[error("{0}")]
    Failed(String),
}

pub struct Session {
    rules: BurstRules,
    state: State,
    /// Classes there are.
    classes: usize,
    selected: usize,
    /// When each button went down, while it is held.
    teach_down: Option<Duration>,
    next_down: Option<Duration>,
    burst_start: Duration,
    /// Crops, not frames: a burst of a large camera's frames would not fit a small board.
    burst: Vec<Frame>,
    /// While `Refusing`.
    refused_at: Duration,
}

impl Session {
    pub fn new(rules: BurstRules, classes: usize) -> Self {
        Self {
            rules,
            state: State::Watching,
            classes,
            selected: 0,
            teach_down: None,
            next_down: None,
            burst_start: Duration::ZERO,
            burst: Vec::new(),
            refused_at: Duration::ZERO,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Index of the class that a press teaches; `None` while there is none.
    pub fn selected(&self) -> Option<usize> {
        (self.selected < self.classes).then_some(self.selected)
    }

    pub fn edge(&mut self, edge: Edge) -> Vec<Action> {
        // A button may have become long held since the last tick, however slow the frames are.
        let mut actions = self.tick(edge.at);
        actions.extend(self.pressed_or_released(edge));
        actions
    }

    fn pressed_or_released(&mut self, edge: Edge) -> Vec<Action> {
        match (edge.button, edge.down) {
            (ButtonName::Teach, true) => self.teach_pressed(edge.at),
            (ButtonName::Teach, false) => {
                self.teach_down = None;
                Vec::new()
            }
            (ButtonName::Next, true) => {
                self.next_down = Some(edge.at);
                Vec::new()
            }
            // Layouts with these buttons follow with their panel.
            (ButtonName::Undo | ButtonName::Class(_), _) => Vec::new(),
            (ButtonName::Next, false) => match self.next_down.take() {
                Some(_) if self.classes > 0 && self.state != State::Collecting => {
                    self.selected = (self.selected + 1) % self.classes;
                    vec![Action::Selected {
                        class: self.selected,
                    }]
                }
                _ => Vec::new(),
            },
        }
    }

    fn teach_pressed(&mut self, now: Duration) -> Vec<Action> {
        self.teach_down = Some(now);
        match self.state {
            State::Watching | State::Refusing => {
                self.state = State::Collecting;
                self.burst_start = now;
                self.burst.clear();
                Vec::new()
            }
            // The burst that runs goes on; a second press within it means nothing.
            State::Collecting => Vec::new(),
            State::Training => vec![Action::Refused {
                reason: Refusal::Busy,
            }],
        }
    }

    /// A frame came, and this is its crop; kept while a burst is collected.
    pub fn frame(&mut self, crop: &Frame) {
        if self.state == State::Collecting && self.burst.len() < self.rules.full {
            self.burst.push(crop.clone());
        }
    }

    /// Call it after every frame and at least every few milliseconds.
    pub fn tick(&mut self, now: Duration) -> Vec<Action> {
        let held = |since: Option<Duration>| {
            since.is_some_and(|since| now.saturating_sub(since) >= LONG_PRESS)
        };
        let mut actions = Vec::new();
        if self.state == State::Refusing && now.saturating_sub(self.refused_at) >= REFUSING {
            self.state = State::Watching;
        }
        if self.state == State::Collecting {
            if held(self.teach_down) {
                self.burst.clear();
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
        let late = now.saturating_sub(self.burst_start) >= self.rules.longest;
        self.burst.len() >= self.rules.full || late
    }

    fn end_burst(&mut self, now: Duration) -> Action {
        let crops = std::mem::take(&mut self.burst);
        let reason = match self.selected() {
            None => Refusal::NoClass,
            Some(_) if crops.len() < self.rules.fewest => Refusal::TooFewFrames {
                frames: crops.len(),
                fewest: self.rules.fewest,
            },
            Some(class) => {
                self.state = State::Training;
                return Action::Learn { class, crops };
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
                self.burst.clear();
                self.refuse(now);
                let reason = Refusal::Held;
                vec![Action::Refused { reason }]
            }
        }
    }

    /// Training is over and there are `classes` now.
    pub fn finished(&mut self, classes: usize, select_last: bool) {
        self.classes = classes;
        if select_last || self.selected >= classes {
            self.selected = classes.saturating_sub(1);
        }
        if self.state == State::Training {
            self.state = State::Watching;
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
mod tests;
