//! What happens next: a frame, edges of buttons, and what time it is. Two feeds: the real world,
//! where a camera and a panel run on threads of their own and the newest frame wins; and a scene,
//! where every frame is looked at and time is the frame counter.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    camera::{CameraError, Capture, FolderCamera, FrameSource},
    panel::{ButtonName, ButtonPin, Edge, Panel, SharedPin},
    scene::{Entry, Scene, SceneAction},
};

/// How often buttons are looked at.
const POLL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Moment {
    pub now: Duration,
    pub edges: Vec<Edge>,
    pub capture: Option<Capture>,
    /// What the camera has to say that does not end it.
    pub warnings: Vec<String>,
}

pub trait Feed {
    /// Waits for something to happen, a few milliseconds at most in the real world. `None`: it is
    /// over.
    fn next(&mut self) -> Result<Option<Moment>, CameraError>;
    /// Frames that came and were never looked at.
    fn dropped(&self) -> u64;
    /// Whether time stands still while a frame is looked at or a burst is learned.
    fn lockstep(&self) -> bool;
}

/// A camera and a panel that go on by themselves.
pub struct LiveFeed {
    start: Instant,
    latest: Arc<Latest>,
    capturing: JoinHandle<()>,
    edges: Receiver<Edge>,
}

/// Holds the newest frame until somebody takes it.
#[derive(Default)]
struct Latest {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Default)]
struct Slot {
    capture: Option<Result<Capture, CameraError>>,
    dropped: u64,
    warnings: Vec<String>,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // A thread that panicked while it held the slot has left a whole capture or none.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveFeed {
    /// `pace` is the time between two frames for a camera that has no pace of its own.
    pub fn start(
        camera: Box<dyn FrameSource>,
        pace: Option<Duration>,
        panel: Option<Panel<ButtonPin>>,
    ) -> std::io::Result<Self> {
        let start = Instant::now();
        let latest = Arc::new(Latest::default());
        let shared = latest.clone();
        let capturing = thread::Builder::new()
            .name("camera".into())
            .spawn(move || capture_all(camera, pace, &shared))?;
        let (sender, edges) = channel();
        if let Some(panel) = panel {
            thread::Builder::new()
                .name("panel".into())
                .spawn(move || poll_all(panel, start, &sender))?;
        }
        Ok(Self {
            start,
            latest,
            capturing,
            edges,
        })
    }
}

/// Ends when the camera fails or nobody is left to look.
fn capture_all(mut camera: Box<dyn FrameSource>, pace: Option<Duration>, latest: &Arc<Latest>) {
    let mut due = Instant::now();
    while Arc::strong_count(latest) > 1 {
        let capture = camera.next();
        let failed = capture.is_err();
        let mut slot = latest.lock();
        if slot.capture.replace(capture).is_some() {
            slot.dropped += 1;
        }
        slot.warnings.extend(camera.warnings());
        drop(slot);
        latest.changed.notify_one();
        if failed {
            return;
        }
        if let Some(pace) = pace {
            // What was missed, in a suspend for instance, is not caught up with.
            due = (due + pace).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}

fn poll_all(mut panel: Panel<ButtonPin>, start: Instant, edges: &Sender<Edge>) {
    loop {
        for edge in panel.poll(start.elapsed()) {
            if edges.send(edge).is_err() {
                return;
            }
        }
        thread::sleep(POLL);
    }
}

impl Feed for LiveFeed {
    fn next(&mut self) -> Result<Option<Moment>, CameraError> {
        let slot = self.latest.lock();
        let (mut slot, _) = self
            .latest
            .changed
            .wait_timeout_while(slot, POLL * 4, |slot| slot.capture.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        // Asked before the slot is emptied: a thread that ended has left its last word there.
        let ended = self.capturing.is_finished();
        let capture = slot.capture.take().transpose()?;
        if ended && capture.is_none() {
            return Err(CameraError::Ended);
        }
        let warnings = std::mem::take(&mut slot.warnings);
        drop(slot);
        Ok(Some(Moment {
            now: self.start.elapsed(),
            edges: self.edges.try_iter().collect(),
            capture,
            warnings,
        }))
    }

    fn dropped(&self) -> u64 {
        self.latest.lock().dropped
    }

    fn lockstep(&self) -> bool {
        false
    }
}

/// A folder camera and buttons that follow a scene.
pub struct SceneFeed {
    camera: FolderCamera,
    showing: bool,
    entries: std::iter::Peekable<std::vec::IntoIter<Entry>>,
    end: Duration,
    panel: Panel<SharedPin>,
    pins: [(ButtonName, SharedPin); 2],
    /// Frames a second of the scene's clock.
    fps: f64,
    frames: u64,
}

impl SceneFeed {
    pub fn new(camera: FolderCamera, scene: Scene, fps: f64) -> Self {
        let pins = [
            (ButtonName::Teach, SharedPin::released()),
            (ButtonName::Next, SharedPin::released()),
        ];
        Self {
            camera,
            showing: false,
            entries: scene.entries.into_iter().peekable(),
            end: scene.end,
            panel: Panel::new(pins.clone()),
            pins,
            fps,
            frames: 0,
        }
    }

    /// Does what the scene says for this time. Buttons are looked at around every change, so that
    /// a press shorter than a frame is still a press.
    fn follow(&mut self, now: Duration) -> Result<Vec<Edge>, CameraError> {
        let mut edges = Vec::new();
        while let Some(entry) = self.entries.next_if(|entry| entry.at <= now) {
            match entry.action {
                SceneAction::Show(folder) => {
                    self.camera.show(&folder)?;
                    self.showing = true;
                }
                SceneAction::Press(button) => edges.extend(self.set(button, true, entry.at)),
                SceneAction::Release(button) => edges.extend(self.set(button, false, entry.at)),
            }
        }
        Ok(edges)
    }

    fn set(&mut self, button: ButtonName, pressed: bool, at: Duration) -> Vec<Edge> {
        for (name, pin) in &self.pins {
            if *name == button {
                pin.set(pressed);
            }
        }
        // Scenes have no bounce: the level is stable from `at` on.
        let mut edges = self.panel.poll(at);
        edges.extend(self.panel.poll(at + Duration::from_millis(50)));
        edges
    }
}

impl Feed for SceneFeed {
    fn next(&mut self) -> Result<Option<Moment>, CameraError> {
        // Divided, not summed up: frame 3 at 30 a second is at 0.1 s, as scenes write it.
        let now = Duration::from_secs_f64(self.frames as f64 / self.fps);
        if now > self.end {
            return Ok(None);
        }
        self.frames += 1;
        let edges = self.follow(now)?;
        let capture = match self.showing {
            true => Some(self.camera.next()?),
            false => None,
        };
        Ok(Some(Moment {
            now,
            edges,
            capture,
            warnings: self.camera.warnings(),
        }))
    }

    fn dropped(&self) -> u64 {
        0
    }

    fn lockstep(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastlayer_shared::frame::Frame;

    #[test]
    fn at_thirty_frames_a_second_a_scene_is_followed_to_the_frame() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            let png = Frame::new(1, 1, vec![0; 3]).unwrap().to_png().unwrap();
            std::fs::write(folder.path().join(name).join("1.png"), png).unwrap();
        }
        let scene = "0 show a\n0.1 show b\n0.7 show a\n1.1 end".parse().unwrap();
        let camera = FolderCamera::empty(folder.path(), 0.0, 0);
        let mut feed = SceneFeed::new(camera, scene, 30.0);
        let mut shown = String::new();
        while let Some(moment) = feed.next().unwrap() {
            shown.push_str(&moment.capture.unwrap().photo.unwrap()[..1]);
        }
        // Frames 3 to 20 show b, and frame 33 is the last.
        assert_eq!(shown, format!("aaa{}{}", "b".repeat(18), "a".repeat(13)));
    }
}
