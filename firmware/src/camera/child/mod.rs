//! A camera behind a child process that writes frames to its standard output: the CSI cameras of
//! both boards, and whatever a site has a command for.
//!
//! A thread reads on all the time and keeps the newest whole frame only, so that frames in the pipe
//! never get old, however slowly they are looked at. Frames are decoded by who asks for them.

mod launch;
mod mjpeg;
mod process;

use std::{
    ffi::OsString,
    io::{self, Read},
    process::ChildStdout,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{CameraError, Capture, FrameSource, PixelFormat, SLICE, Settings, broken::Broken};
use launch::Launch;
pub use mjpeg::{Mjpeg, TooMuch};
use process::Process;

/// The first frame may take longer: sensors are started and exposure is found.
const FIRST: Duration = Duration::from_secs(15);
/// Read at once; more than a pipe holds would be read in several pieces anyway.
const CHUNK: usize = 1 << 16;
/// No camera is quicker. What is (a file, `/dev/zero`) is slowed down: reading it at full speed
/// would take a whole core.
const QUICKEST: Duration = Duration::from_millis(4);

pub struct ChildCamera {
    launch: Launch,
    process: Process,
    frames: Arc<Frames>,
    timeout: Duration,
    /// When the last good frame came, or the child was started.
    last: Instant,
    delivered: bool,
    broken: Broken,
}

/// What the reading thread has for who asks.
#[derive(Default)]
struct Frames {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Default)]
struct Slot {
    newest: Option<Vec<u8>>,
    /// Nothing more comes.
    end: Option<End>,
    /// JPEGs that began and had no end.
    torn: u64,
}

enum End {
    Closed,
    Rubbish,
}

impl Frames {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // A thread that panicked while it held the slot has left a whole frame or none.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChildCamera {
    /// A command for `sh -c`.
    pub fn pipe(command: &OsString, settings: &Settings) -> Result<Self, CameraError> {
        Self::start(Launch::pipe(command, settings), settings)
    }

    /// A Raspberry Pi's CSI camera, counted from 0.
    pub fn rpicam(camera: u32, settings: &Settings) -> Result<Self, CameraError> {
        Self::start(Launch::rpicam(camera, settings), settings)
    }

    /// A Jetson's CSI camera, counted from 0.
    pub fn argus(camera: u32, settings: &Settings) -> Result<Self, CameraError> {
        Self::start(Launch::argus(camera, settings), settings)
    }

    fn start(launch: Launch, settings: &Settings) -> Result<Self, CameraError> {
        let (process, stdout) = Process::start(&launch)?;
        let frames = Arc::new(Frames::default());
        let shared = frames.clone();
        let length = launch.format.frame_length(launch.width, launch.height);
        thread::Builder::new()
            .name("camera-pipe".into())
            .spawn(move || {
                let end = read_all(stdout, length, &shared);
                shared.lock().end = Some(end);
                shared.changed.notify_one();
            })
            .map_err(|source| CameraError::Start {
                program: launch.name.clone(),
                source,
                advice: "close other programs",
            })?;
        Ok(Self {
            launch,
            process,
            frames,
            timeout: settings.timeout(),
            last: Instant::now(),
            delivered: false,
            broken: Broken::default(),
        })
    }

    fn ended(&mut self, end: &End) -> CameraError {
        let camera = self.launch.name.clone();
        match end {
            End::Rubbish => CameraError::Rubbish {
                camera,
                megabytes: mjpeg::MOST >> 20,
            },
            End::Closed => {
                let status = self.process.status();
                let said = self.process.said();
                CameraError::ChildEnded {
                    camera,
                    status,
                    said,
                }
            }
        }
    }

    fn waited_too_long(&self) -> Result<(), CameraError> {
        let most = match self.delivered {
            true => self.timeout,
            false => self.timeout.max(FIRST),
        };
        if self.last.elapsed() < most {
            return Ok(());
        }
        let (camera, seconds) = (self.launch.name.clone(), most.as_secs_f64());
        Err(match self.broken.reason() {
            None => CameraError::ChildStalled {
                camera,
                seconds,
                said: self.process.said(),
            },
            Some(reason) => CameraError::OnlyBroken {
                camera,
                seconds,
                reason: reason.into(),
            },
        })
    }
}

impl FrameSource for ChildCamera {
    fn next(&mut self) -> Result<Option<Capture>, CameraError> {
        let slot = self.frames.lock();
        let nothing = |slot: &mut Slot| slot.newest.is_none() && slot.end.is_none();
        let (mut slot, _) = self
            .frames
            .changed
            .wait_timeout_while(slot, SLICE, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        let newest = slot.newest.take();
        let torn = std::mem::take(&mut slot.torn);
        // The last frame is looked at before the end is.
        let end = match newest {
            None => slot.end.take(),
            Some(_) => None,
        };
        drop(slot);
        for _ in 0..torn {
            self.broken.note("the JPEG is cut short");
        }
        if let Some(end) = end {
            return Err(self.ended(&end));
        }
        let Some(bytes) = newest else {
            // Somebody that it started may hold its pipe open for ever.
            if self.process.ended() {
                return Err(self.ended(&End::Closed));
            }
            return self.waited_too_long().map(|()| None);
        };
        let Launch {
            width,
            height,
            format,
            ..
        } = self.launch;
        match format.decode(width, height, format.shortest_row(width), &bytes) {
            Ok(frame) => {
                self.broken.good();
                (self.last, self.delivered) = (Instant::now(), true);
                Ok(Some(Capture { frame, photo: None }))
            }
            Err(error) => {
                self.broken.note(error);
                self.waited_too_long().map(|()| None)
            }
        }
    }

    fn describe(&self) -> String {
        let Launch {
            width,
            height,
            format,
            ..
        } = self.launch;
        match format {
            PixelFormat::Mjpeg => format!("{}: {}", self.launch.name, format.name()),
            _ => format!("{}: {width}x{height} {}", self.launch.name, format.name()),
        }
    }

    fn warnings(&mut self) -> Vec<String> {
        self.broken.warnings()
    }

    fn broken(&self) -> u64 {
        self.broken.count()
    }
}

/// Until the child closes its output or nobody is left to look. `length` is that of a frame; `None`
/// for JPEGs, which say themselves where they end.
fn read_all(mut stdout: ChildStdout, length: Option<usize>, frames: &Arc<Frames>) -> End {
    let mut chunk = vec![0; length.map_or(CHUNK, |length| length.clamp(1, CHUNK))];
    let (mut mjpeg, mut raw) = (Mjpeg::default(), Vec::new());
    let mut torn = 0;
    while Arc::strong_count(frames) > 1 {
        // Never beyond a frame's end: what follows is read when it is its turn.
        let most = length.map_or(CHUNK, |length| (length - raw.len()).min(chunk.len()));
        let read = match stdout.read(&mut chunk[..most]) {
            Ok(0) => return End::Closed,
            Ok(read) => &chunk[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return End::Closed,
        };
        match length {
            Some(length) => {
                raw.extend(read);
                if raw.len() == length {
                    deliver(frames, std::mem::take(&mut raw));
                }
            }
            None => {
                let mut newest = None;
                let pushed = mjpeg.push(read, |jpeg| newest = Some(jpeg));
                // Counted first: whoever takes the frame knows of those before it.
                frames.lock().torn += mjpeg.torn() - torn;
                torn = mjpeg.torn();
                if let Some(newest) = newest {
                    deliver(frames, newest);
                }
                if pushed.is_err() {
                    return End::Rubbish;
                }
            }
        }
    }
    End::Closed
}

/// The newest wins.
fn deliver(frames: &Frames, frame: Vec<u8>) {
    let mut slot = frames.lock();
    let behind = slot.newest.replace(frame).is_some();
    drop(slot);
    frames.changed.notify_one();
    if behind {
        thread::sleep(QUICKEST);
    }
}

#[cfg(test)]
mod tests;
