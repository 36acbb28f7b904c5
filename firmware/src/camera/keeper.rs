//! Keeps a camera: opens it, and opens it again when it is lost, for as long as the program runs.
//! What is decided here is decided by the time that is passed in, so that tests need no clock.
//!
//! Until the first frame has come an error is an end, so that whoever starts the program sees at
//! once what is wrong; `wait = true` is for services, whose camera may come later. From the first
//! frame on nothing that a camera does ends watching. A folder of photos is no such camera: nothing
//! comes back by itself there, and every error is an end.

use std::{fmt, time::Duration};

use lastlayer_shared::contain::caught;

use super::{
    Backoff, CameraAddress, CameraError, Capture, ChildCamera, FolderCamera, FrameSource, Settings,
    V4l2Camera,
};

/// How often a device is looked for: replugged, it is back within two seconds.
const DEVICE: Duration = Duration::from_millis(500);
/// A program that dies at once must not be started all the time.
const CHILD: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Reasons that one outage is told with; a camera that fails in ever new words must not fill the log.
const MOST_TOLD: usize = 8;

pub type Source = Box<dyn FrameSource>;
type Open = Box<dyn FnMut() -> Result<Source, CameraError> + Send>;

/// What became of the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraNews {
    /// No frames come, for this reason; it is tried again and again. Once a reason.
    Lost(String),
    /// The first frame came, at the start or after an outage: which camera, and what it gives.
    Back(String),
}

impl fmt::Display for CameraNews {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(reason) => write!(out, "no camera: {reason}. It is tried again"),
            Self::Back(camera) => write!(out, "watching {camera}"),
        }
    }
}

/// What is done about errors.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How a lost camera is tried again; `None`: an error is an end.
    pub again: Option<Backoff>,
    /// Errors before the first frame are no end either.
    pub wait: bool,
    /// Time between two frames of a source that has no pace of its own.
    pub pace: Option<Duration>,
}

#[derive(Debug)]
pub enum Step {
    Frame(Capture),
    /// Ask again; the camera was waited for already.
    Nothing,
    /// Ask again after this time.
    Wait(Duration),
    /// It is over.
    End(CameraError),
}

pub struct Keeper {
    open: Open,
    policy: Policy,
    source: Option<Source>,
    /// When a lost source is opened again.
    again_at: Duration,
    /// The source that there is has given a frame.
    delivers: bool,
    /// Some source has given a frame.
    proved: bool,
    told: Vec<String>,
    news: Vec<CameraNews>,
    warnings: Vec<String>,
    /// Broken frames of the sources that are gone.
    broken: u64,
}

impl Keeper {
    /// Checks the settings and opens the camera: an error says what is wrong with either, but for
    /// a camera that is waited for.
    pub fn start(settings: &Settings) -> Result<Self, CameraError> {
        settings.check()?;
        let pace = Duration::from_secs_f64(1.0 / settings.folder_fps());
        let (again, pace) = match settings.source {
            CameraAddress::Folder(_) => (None, Some(pace)),
            CameraAddress::V4l2(_) => (Some(Backoff::new(DEVICE, DEVICE)), None),
            _ => (Some(Backoff::new(CHILD.0, CHILD.1)), None),
        };
        let policy = Policy {
            wait: settings.wait && again.is_some(),
            again,
            pace,
        };
        let settings = settings.clone();
        Self::new(Box::new(move || open(&settings)), policy)
    }

    /// With a way of its own to open a source.
    pub fn new(open: Open, policy: Policy) -> Result<Self, CameraError> {
        let mut keeper = Self {
            open,
            policy,
            source: None,
            again_at: Duration::ZERO,
            delivers: false,
            proved: false,
            told: Vec::new(),
            news: Vec::new(),
            warnings: Vec::new(),
            broken: 0,
        };
        match keeper.open_source(Duration::ZERO) {
            Step::End(error) => Err(error),
            _ => Ok(keeper),
        }
    }

    pub fn pace(&self) -> Option<Duration> {
        self.policy.pace
    }

    /// The next frame, or what to do until there is one.
    pub fn step(&mut self, now: Duration) -> Step {
        let Some(source) = &mut self.source else {
            return match now < self.again_at {
                true => Step::Wait(self.again_at - now),
                false => self.open_source(now),
            };
        };
        // Drivers' libraries may panic.
        let next = caught(|| source.next()).unwrap_or(Err(CameraError::Panicked));
        self.warnings.extend(source.warnings());
        match next {
            Ok(None) => Step::Nothing,
            Ok(Some(capture)) => {
                if !self.delivers {
                    let description = source.describe();
                    (self.delivers, self.proved) = (true, true);
                    self.told.clear();
                    if let Some(again) = &mut self.policy.again {
                        again.running(now);
                    }
                    self.news.push(CameraNews::Back(description));
                }
                Step::Frame(capture)
            }
            Err(error) => {
                self.close();
                self.failed(error, now)
            }
        }
    }

    fn open_source(&mut self, now: Duration) -> Step {
        let open = &mut self.open;
        match caught(open).unwrap_or(Err(CameraError::Panicked)) {
            Ok(source) => {
                self.source = Some(source);
                Step::Nothing
            }
            Err(error) => self.failed(error, now),
        }
    }

    fn failed(&mut self, error: CameraError, now: Duration) -> Step {
        let wait = self.proved || self.policy.wait;
        let Some(again) = self.policy.again.as_mut().filter(|_| wait) else {
            return Step::End(error);
        };
        self.again_at = again.next(now);
        let reason = error.to_string();
        if self.told.len() < MOST_TOLD && !self.told.contains(&reason) {
            self.told.push(reason.clone());
            self.news.push(CameraNews::Lost(reason));
        }
        Step::Wait(self.again_at.saturating_sub(now))
    }

    fn close(&mut self) {
        self.delivers = false;
        if let Some(source) = self.source.take() {
            self.broken += source.broken();
            // What cannot be closed is as good as closed.
            let _ = caught(|| drop(source));
        }
    }

    /// What became of the camera since the last call.
    pub fn news(&mut self) -> Vec<CameraNews> {
        std::mem::take(&mut self.news)
    }

    /// What it has to say that does not end it, since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Frames that came and could not be read.
    pub fn broken(&self) -> u64 {
        self.broken + self.source.as_ref().map_or(0, |source| source.broken())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

fn open(settings: &Settings) -> Result<Source, CameraError> {
    Ok(match &settings.source {
        CameraAddress::V4l2(device) => Box::new(V4l2Camera::open(device, settings)?),
        CameraAddress::Folder(folder) => {
            Box::new(FolderCamera::open(folder, settings.shake, settings.seed)?)
        }
        CameraAddress::Pipe(command) => Box::new(ChildCamera::pipe(command, settings)?),
        CameraAddress::Rpicam(camera) => Box::new(ChildCamera::rpicam(*camera, settings)?),
        CameraAddress::Argus(camera) => Box::new(ChildCamera::argus(*camera, settings)?),
    })
}

#[cfg(test)]
mod tests;
