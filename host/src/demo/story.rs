//! The article's story as a scene: cars and trucks are shown to a board that knows cars; then it is
//! taught trucks by pressing its button; then it is shown the same cars and trucks again.

use std::{fmt::Write as _, path::Path};

use serde::Deserialize;

/// Frames a second of the scene's clock. A tenth of a second a frame keeps times short to write.
pub const FPS: u32 = 10;
/// The most frames of one press.
pub const MOST_BURST: usize = 10;
/// The fewest: the board learns nothing from fewer.
pub const LEAST_BURST: usize = 3;

/// Frames of a press of `next`.
const STEP: usize = 2;

/// The camera's folder with the test photos, a folder for each class.
pub const TEST: &str = "test";
/// The camera's folder with the photos to teach, a folder for each press, numbered from 0.
pub const TEACH: &str = "teach";

/// What the scene script depends on.
pub struct Story<'a> {
    /// Known from the start.
    pub old: &'a str,
    /// Taught.
    pub new: &'a str,
    /// How often `next` is pressed until `new` is selected.
    pub steps: usize,
    /// Photos in `test/OLD`.
    pub old_photos: usize,
    /// Photos in `test/NEW`.
    pub new_photos: usize,
    /// Presses: folders `teach/0`, `teach/1`, ...
    pub presses: usize,
    /// Photos in each of them, at least `LEAST_BURST`. The board's `--burst` must be this: a burst
    /// that is not full when its folder has been shown goes on with what is shown next.
    pub burst: usize,
}

impl Story<'_> {
    /// Frames that the board looks at.
    pub fn frames(&self) -> usize {
        let tests = 2 * (self.old_photos + self.new_photos);
        tests + STEP * self.steps + self.presses * self.burst
    }

    /// The board's configuration: a burst holds every photo that is shown meanwhile. They are of
    /// different things, so that one is no blurred or second picture of another.
    pub fn board(&self) -> String {
        let frames = self.burst;
        format!(
            "# Photos stand for frames here, each of another thing: all of them are taken.\n\
             [burst]\nframes = {frames}\nfewest = 1\nsharpness = 0.0\nchange = 0.0\n"
        )
    }

    /// The scene script, in which every test photo is before the camera for one frame of `FPS`
    /// before teaching and for one after it.
    pub fn scene(&self) -> String {
        let mut scene = String::from("# Made by `lastlayer demo`.\n");
        let mut frame = 0;
        let mut line = |frame: usize, what: &str| {
            let tenths = frame * 10 / FPS as usize;
            // Writing to a String cannot fail.
            let _ = writeln!(scene, "{}.{} {what}", tenths / 10, tenths % 10);
        };
        let tests = [(self.old, self.old_photos), (self.new, self.new_photos)];
        for (class, photos) in tests {
            line(frame, &format!("show {TEST}/{class}"));
            frame += photos;
        }
        // Meanwhile test photos would come again and be counted twice.
        line(frame, &format!("show {TEACH}/0"));
        for _ in 0..self.steps {
            line(frame, "press next");
            line(frame + 1, "release next");
            frame += STEP;
        }
        for number in 0..self.presses {
            line(frame, &format!("show {TEACH}/{number}"));
            line(frame, "press teach");
            line(frame + 2, "release teach");
            frame += self.burst;
        }
        for (class, photos) in tests {
            line(frame, &format!("show {TEST}/{class}"));
            frame += photos;
        }
        line(frame - 1, "end");
        scene
    }
}

/// One line that `lastlayerd --log json` prints; events that the story does not need are `Other`.
/// Times are in milliseconds, a confidence is 0..=1.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Ready {
        load_ms: f64,
    },
    Verdict {
        photo: Option<String>,
        class: String,
        confidence: f32,
        ms: f64,
    },
    Learned {
        samples: usize,
        store_ms: f64,
        train_ms: f64,
    },
    Refused {
        reason: String,
    },
    #[serde(other)]
    Other,
}

/// A verdict about a test photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Relative to the camera's folder.
    pub photo: String,
    /// What it shows.
    pub truth: String,
    /// A class or `unknown`.
    pub said: String,
    /// 0..=1.
    pub confidence: f32,
}

impl Seen {
    /// Whether it was recognised.
    pub fn right(&self) -> bool {
        self.truth == self.said
    }
}

/// What came of the story.
#[derive(Debug, Default)]
pub struct Told {
    /// Test photos before anything was learned.
    pub before: Vec<Seen>,
    /// Test photos after the first press was learned.
    pub after: Vec<Seen>,
    /// Samples learned.
    pub taught: usize,
    /// Why presses were refused.
    pub refused: Vec<String>,
    /// Milliseconds from the start to the first frame.
    pub load_ms: f64,
    /// Milliseconds, one a frame.
    pub frame_ms: Vec<f64>,
    /// Milliseconds, one a press.
    pub store_ms: Vec<f64>,
    /// Milliseconds, one a press.
    pub train_ms: Vec<f64>,
}

impl Told {
    /// In the order in which the board says them.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::Verdict {
                photo: Some(photo),
                class,
                confidence,
                ms,
            } => {
                self.frame_ms.push(ms);
                let mut parts = Path::new(&photo).iter().map(|part| part.to_string_lossy());
                if let (Some(TEST), Some(truth)) = (parts.next().as_deref(), parts.next()) {
                    let seen = Seen {
                        truth: truth.into_owned(),
                        said: class,
                        confidence,
                        photo,
                    };
                    match self.taught {
                        0 => self.before.push(seen),
                        _ => self.after.push(seen),
                    }
                }
            }
            Event::Learned {
                samples,
                store_ms,
                train_ms,
            } => {
                self.taught += samples;
                self.store_ms.push(store_ms);
                self.train_ms.push(train_ms);
            }
            Event::Refused { reason } => self.refused.push(reason),
            Event::Ready { load_ms } => self.load_ms = load_ms,
            Event::Verdict { photo: None, .. } | Event::Other => {}
        }
    }
}

/// Share of right answers among photos of `class`, 0..=1; `None` where there are none.
pub fn accuracy(seen: &[Seen], class: &str) -> Option<f64> {
    let of: Vec<&Seen> = seen.iter().filter(|seen| seen.truth == class).collect();
    let right = of.iter().filter(|seen| seen.right()).count();
    (!of.is_empty()).then(|| right as f64 / of.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scene_shows_every_photo_once_and_is_valid() {
        let story = Story {
            old: "car",
            new: "truck",
            steps: 2,
            old_photos: 5,
            new_photos: 4,
            presses: 2,
            burst: 7,
        };
        let scene = story.scene();
        let parsed: lastlayer_firmware::scene::Scene = scene.parse().unwrap();
        assert_eq!(scene.matches("press teach").count(), 2);
        // 9 test frames, 4 for `next`, 14 taught, 9 test frames; the last one is frame 35.
        assert_eq!(story.frames(), 36);
        assert_eq!(parsed.end, std::time::Duration::from_millis(3500));
    }

    #[test]
    fn verdicts_before_and_after_learning_are_told_apart() {
        let lines = [
            r#"{"event":"ready","load_ms":12.5,"classes":["car"]}"#,
            r#"{"event":"verdict","frame":0,"time":0.0,"photo":"test/truck/1.png","class":"car","confidence":0.9,"ms":8.0}"#,
            r#"{"event":"verdict","frame":1,"time":0.1,"photo":"teach/0/1.png","class":"car","confidence":0.9,"ms":9.0}"#,
            r#"{"event":"learned","class":"truck","samples":10,"store_ms":80.0,"train_ms":4.0}"#,
            r#"{"event":"state","time":0.2,"state":"watching"}"#,
            r#"{"event":"verdict","frame":2,"time":0.3,"photo":"test/truck/1.png","class":"truck","confidence":0.8,"ms":10.0}"#,
        ];
        let mut told = Told::default();
        for line in lines {
            told.add(serde_json::from_str(line).unwrap());
        }
        assert_eq!(
            (told.before.len(), told.after.len(), told.taught),
            (1, 1, 10)
        );
        assert_eq!(accuracy(&told.before, "truck"), Some(0.0));
        assert_eq!(accuracy(&told.after, "truck"), Some(1.0));
        assert_eq!(accuracy(&told.after, "car"), None);
        assert_eq!(told.frame_ms, [8.0, 9.0, 10.0]);
    }
}
