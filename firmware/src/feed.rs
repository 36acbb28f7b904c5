//! What happens next: a frame, edges of buttons, and what time it is. Two feeds: the real world,
//! where a camera and a panel run on threads of their own and the newest frame wins; and a scene,
//! where every frame is looked at and time is the frame counter.

mod live;

use std::time::Duration;

use crate::{
    camera::{CameraError, CameraNews, Capture, FolderCamera, FrameSource},
    panel::{ButtonName, Edge, Panel, SharedPin},
    scene::{Entry, Scene, SceneAction},
};

pub use live::LiveFeed;

#[derive(Debug)]
pub struct Moment {
    pub now: Duration,
    pub edges: Vec<Edge>,
    pub capture: Option<Capture>,
    /// What the camera has to say that does not end it.
    pub warnings: Vec<String>,
    /// That it was lost, or is back.
    pub camera: Vec<CameraNews>,
}

pub trait Feed {
    /// Waits for something to happen, a few milliseconds at most in the real world. `None`: it is
    /// over.
    fn next(&mut self) -> Result<Option<Moment>, CameraError>;
    /// Frames that came and were never looked at.
    fn dropped(&self) -> u64;
    /// Frames that came and could not be read.
    fn broken(&self) -> u64;
    /// How long the camera's side has said nothing: neither a frame, nor that it waits for one or
    /// for a lost camera. More than a few seconds beyond the camera's timeout means that a driver
    /// hangs, which only a new start of the program ends; for a watchdog.
    fn silence(&self) -> Duration;
    /// Whether time stands still while a frame is looked at or a burst is learned.
    fn lockstep(&self) -> bool;
}

/// A folder camera and buttons that follow a scene.
pub struct SceneFeed {
    camera: FolderCamera,
    showing: bool,
    entries: std::iter::Peekable<std::vec::IntoIter<Entry>>,
    end: Duration,
    panel: Panel<SharedPin>,
    pins: Vec<(ButtonName, SharedPin)>,
    /// Frames a second of the scene's clock.
    fps: f64,
    frames: u64,
}

impl SceneFeed {
    pub fn new(camera: FolderCamera, scene: Scene, fps: f64) -> Self {
        let mut pins: Vec<(ButtonName, SharedPin)> = Vec::new();
        for entry in &scene.entries {
            if let SceneAction::Press(button) = &entry.action
                && pins.iter().all(|(name, _)| name != button)
            {
                pins.push((button.clone(), SharedPin::released()));
            }
        }
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
            true => self.camera.next()?,
            false => None,
        };
        Ok(Some(Moment {
            now,
            edges,
            capture,
            warnings: self.camera.warnings(),
            camera: Vec::new(),
        }))
    }

    fn dropped(&self) -> u64 {
        0
    }

    fn broken(&self) -> u64 {
        0
    }

    fn silence(&self) -> Duration {
        Duration::ZERO
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
