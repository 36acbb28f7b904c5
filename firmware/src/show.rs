//! What the board shows and does for those around it: the steady verdict, lights, outputs, and the
//! line in `systemctl status`. Told by the main loop, it never makes it wait.

use std::time::Duration;

use lastlayer_shared::{
    head::Answer,
    verdict::{UNKNOWN, Verdict},
};

use crate::{
    outputs::Outputs,
    panel::{
        LightsThread, PanelLink, Tell,
        blink::{Fault, Once, Standing},
    },
    service::Service,
    session::State,
    smoothing::Smoothing,
};

/// A verdict is of now for this long, and for four times what a frame takes.
const STALE: Duration = Duration::from_secs(1);

pub struct Show {
    smoothing: Smoothing,
    lights: LightsThread,
    outputs: Outputs,
    link: PanelLink,
    service: Service,
    /// Two classes have samples, so that something can be told apart.
    taught: bool,
    camera_lost: bool,
    /// A frame was looked at.
    began: bool,
    /// When the last frame was looked at, how long it took to come, and whether what it showed is
    /// too old to be shown.
    last: Option<Duration>,
    between: Duration,
    stale: bool,
    /// As the lights were told last.
    standing: Option<Standing>,
    class: Option<String>,
}

impl Show {
    pub fn new(
        smoothing: Smoothing,
        lights: LightsThread,
        outputs: Outputs,
        link: PanelLink,
        service: Service,
    ) -> Self {
        Self {
            smoothing,
            lights,
            outputs,
            link,
            service,
            taught: false,
            camera_lost: false,
            began: false,
            last: None,
            between: Duration::ZERO,
            stale: false,
            standing: None,
            class: None,
        }
    }

    pub fn ready(&self) {
        self.service.ready();
    }

    /// What the board knows changed, or is new. `can_tell`: two classes have samples.
    pub fn knows(&mut self, can_tell: bool) {
        self.smoothing.reset();
        self.taught = can_tell;
    }

    /// What the board is doing, and the class that it teaches or would teach.
    pub fn doing(&mut self, state: State, class: Option<&str>) {
        let standing = match state {
            // Nothing was seen yet.
            State::Watching if !self.began => Standing::Starting,
            // A refusal is told once, by `once`.
            State::Watching | State::Refusing if self.taught => Standing::Watching,
            State::Watching | State::Refusing => Standing::Untaught,
            State::Collecting => Standing::Collecting,
            State::Training => Standing::Training,
        };
        // Called every turn: the lights' thread is woken where something changed.
        if self.standing == Some(standing) && self.class.as_deref() == class {
            return;
        }
        (self.standing, self.class) = (Some(standing), class.map(Into::into));
        self.lights.tell(Tell::Selected(self.class.clone()));
        self.lights.tell(Tell::Standing(standing));
    }

    pub fn once(&mut self, once: Once) {
        self.lights.tell(Tell::Once(once));
    }

    pub fn disk_full(&mut self, full: bool) {
        self.lights.tell(Tell::Fault(Fault::DiskFull, full));
    }

    /// Where the camera is lost nothing is seen: no light and no output may say otherwise.
    pub fn camera(&mut self, now: Duration, lost: bool) {
        self.camera_lost = lost;
        self.lights.tell(Tell::Fault(Fault::CameraLost, lost));
        if lost {
            // How long it is away says nothing about how slow it is.
            self.last = None;
            self.sees_nothing(now);
            self.service.status("the camera is lost".into());
        }
    }

    fn sees_nothing(&mut self, now: Duration) {
        self.smoothing.reset();
        self.lights.tell(Tell::Verdict(None));
        self.outputs.nothing_seen(now);
    }

    /// A frame's answers, one a class, and its number: the steady verdict where it changed.
    pub fn frame(
        &mut self,
        now: Duration,
        frame: u64,
        answers: Option<&[Answer]>,
        classes: &[String],
    ) -> Option<Verdict> {
        // Taken before the camera was lost, and looked at after.
        if self.camera_lost {
            return None;
        }
        // Also where it was late: a camera may be as slow as that.
        if let Some(last) = self.last {
            self.between = now.saturating_sub(last);
        }
        (self.began, self.last, self.stale) = (true, Some(now), false);
        let steady = self.smoothing.frame(now, answers);
        let verdict = steady.verdict(classes);
        let seen = (verdict.class != UNKNOWN).then(|| verdict.class.clone());
        self.lights.tell(Tell::Verdict(seen));
        self.outputs.frame(now, frame, &verdict);
        if !steady.changed {
            return None;
        }
        self.service.status(format!("sees {}", verdict.class));
        Some(verdict)
    }

    /// Call it every turn of the main loop. `alive`: the camera's side does what it should.
    pub fn turn(&mut self, now: Duration, alive: bool) {
        // A camera that stalls is called lost after its timeout; what it showed last is old sooner.
        let longest = STALE.max(self.between * 4);
        let late = self
            .last
            .is_some_and(|last| now.saturating_sub(last) > longest);
        if late && !self.stale {
            self.stale = true;
            self.sees_nothing(now);
        }
        self.service.turn(now, alive);
    }

    pub fn stopping(&mut self) {
        self.service.stopping();
    }

    /// What went wrong since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        let mut warnings = self.lights.warnings();
        warnings.extend(self.outputs.warnings());
        warnings.extend(self.link.warnings());
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        panel::{LightPin, Lights},
        smoothing::Settings,
    };

    /// Of a board without lights and outputs.
    fn show() -> Show {
        Show::new(
            Smoothing::new(Settings::default()),
            LightsThread::start(Lights::<LightPin>::new(None, Vec::new())).unwrap(),
            Outputs::start::<LightPin>("board", Vec::new(), Vec::new()).unwrap(),
            PanelLink::default(),
            Service::default(),
        )
    }

    /// Frames so many seconds apart, each of them sure of a car: how often the steady verdict is
    /// said, and how often it was taken back before the next frame came.
    fn watch(apart: f64, frames: u32) -> (usize, usize) {
        let mut show = show();
        let sure = [(0, 0.98), (1, 0.02)].map(|(class, confidence)| Answer { class, confidence });
        let classes = ["car", "bird"].map(String::from);
        let (mut said, mut stale) = (0, 0);
        for frame in 0..frames {
            let now = Duration::from_secs_f64(f64::from(frame) * apart);
            said += usize::from(show.frame(now, 0, Some(&sure), &classes).is_some());
            let next = now + Duration::from_secs_f64(apart * 0.99);
            show.turn(next, true);
            stale += usize::from(show.stale);
        }
        (said, stale)
    }

    #[test]
    fn a_slow_camera_has_a_steady_verdict_too() {
        assert_eq!(watch(0.1, 50), (1, 0));
        // How slow it is is known from the second frame on.
        let (said, stale) = watch(2.0, 20);
        assert!((1..=2).contains(&said) && stale == 1, "{said} {stale}");
    }

    #[test]
    fn what_was_seen_is_not_shown_for_long_when_nothing_more_comes() {
        let mut show = show();
        for frame in 0..10 {
            show.frame(Duration::from_millis(frame * 100), frame, None, &[]);
        }
        show.turn(Duration::from_millis(1800), true);
        assert!(!show.stale);
        show.turn(Duration::from_millis(2000), true);
        assert!(show.stale);
    }
}
