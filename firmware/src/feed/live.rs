//! The real world: a camera and a panel on threads of their own. The newest frame wins over older
//! ones, and a camera that is lost is waited for while buttons go on.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{Feed, Moment};
use crate::{
    camera::{CameraError, CameraNews, Capture, Keeper, Step},
    panel::{ButtonPin, Edge, Panel},
};

/// How often buttons are looked at.
const POLL: Duration = Duration::from_millis(5);
/// How often a camera's thread that waits says that it is there.
const BEAT: Duration = Duration::from_millis(100);
/// What a camera may take to be let go of at the end.
const LET_GO: Duration = Duration::from_millis(700);

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
    /// Nobody looks any more.
    stop: AtomicBool,
}

#[derive(Default)]
struct Slot {
    capture: Option<Result<Capture, CameraError>>,
    dropped: u64,
    broken: u64,
    warnings: Vec<String>,
    news: Vec<CameraNews>,
    /// When the camera's thread last said something, since the start.
    heard: Duration,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // A thread that panicked while it held the slot has left a whole capture or none.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl LiveFeed {
    pub fn start(camera: Keeper, panel: Option<Panel<ButtonPin>>) -> std::io::Result<Self> {
        let start = Instant::now();
        let latest = Arc::new(Latest::default());
        let shared = latest.clone();
        let capturing = thread::Builder::new()
            .name("camera".into())
            .spawn(move || capture_all(camera, start, &shared))?;
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

impl Drop for LiveFeed {
    /// Lets go of the camera: a child process must not outlive this program. A driver that hangs
    /// is left behind.
    fn drop(&mut self) {
        self.latest.stop.store(true, Ordering::Relaxed);
        let start = Instant::now();
        while !self.capturing.is_finished() && start.elapsed() < LET_GO {
            thread::sleep(POLL);
        }
    }
}

/// Ends when the camera fails for good or nobody is left to look.
fn capture_all(mut camera: Keeper, start: Instant, latest: &Latest) {
    let pace = camera.pace();
    let mut due = Instant::now();
    while !latest.stopped() {
        let step = camera.step(start.elapsed());
        let mut slot = latest.lock();
        slot.heard = start.elapsed();
        slot.warnings.extend(camera.warnings());
        slot.news.extend(camera.news());
        slot.broken = camera.broken();
        let (capture, wait, end) = match step {
            Step::Frame(capture) => (Some(Ok(capture)), None, false),
            Step::Nothing => (None, None, false),
            Step::Wait(time) => (None, Some(time), false),
            Step::End(error) => (Some(Err(error)), None, true),
        };
        if let Some(capture) = capture {
            if slot.capture.replace(capture).is_some() {
                slot.dropped += 1;
            }
            if let Some(pace) = pace {
                // What was missed, in a suspend for instance, is not caught up with.
                due = (due + pace).max(Instant::now());
            }
        }
        drop(slot);
        latest.changed.notify_one();
        if end {
            return;
        }
        let wait = wait.unwrap_or_else(|| due.saturating_duration_since(Instant::now()));
        // A camera that comes only every minute, or is tried again so rarely, is no dead one; and
        // whoever wants an end need not wait for it.
        let until = Instant::now() + wait;
        while !latest.stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(BEAT));
            latest.lock().heard = start.elapsed();
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
        let camera = std::mem::take(&mut slot.news);
        drop(slot);
        Ok(Some(Moment {
            now: self.start.elapsed(),
            edges: self.edges.try_iter().collect(),
            capture,
            warnings,
            camera,
        }))
    }

    fn dropped(&self) -> u64 {
        self.latest.lock().dropped
    }

    fn broken(&self) -> u64 {
        self.latest.lock().broken
    }

    fn silence(&self) -> Duration {
        let heard = self.latest.lock().heard;
        self.start.elapsed().saturating_sub(heard)
    }

    fn lockstep(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{Backoff, FrameSource, Policy};
    use lastlayer_shared::frame::Frame;

    /// Gives one frame, then fails; opened again, it waits for good.
    struct Short(u32);

    impl FrameSource for Short {
        fn next(&mut self) -> Result<Option<Capture>, CameraError> {
            self.0 += 1;
            match self.0 {
                1 => Ok(Some(Capture {
                    frame: Frame::new(1, 1, vec![0; 3]).unwrap(),
                    photo: None,
                })),
                _ => Err(CameraError::Ended),
            }
        }

        fn describe(&self) -> String {
            "a short camera".into()
        }
    }

    #[test]
    fn a_live_feed_goes_on_without_its_camera_and_says_so() {
        let mut opened = 0;
        let open = move || {
            opened += 1;
            match opened {
                1 => Ok(Box::new(Short(0)) as Box<dyn FrameSource>),
                _ => Err(CameraError::NotThere("/dev/video0".into())),
            }
        };
        let policy = Policy {
            // It is not tried again while this test runs.
            again: Some(Backoff::new(
                Duration::from_secs(600),
                Duration::from_secs(600),
            )),
            wait: false,
            pace: None,
        };
        let keeper = Keeper::new(Box::new(open), policy).unwrap();
        let mut feed = LiveFeed::start(keeper, None).unwrap();
        let (mut frames, mut news) = (0, Vec::new());
        while news.len() < 2 {
            let moment = feed.next().unwrap().unwrap();
            frames += u32::from(moment.capture.is_some());
            news.extend(moment.camera);
        }
        assert_eq!(news[0], CameraNews::Back("a short camera".into()));
        assert!(matches!(news[1], CameraNews::Lost(_)));
        for _ in 0..20 {
            frames += u32::from(feed.next().unwrap().unwrap().capture.is_some());
        }
        assert_eq!(frames, 1);
        assert!(feed.silence() < Duration::from_secs(10));
        drop(feed);
    }
}
