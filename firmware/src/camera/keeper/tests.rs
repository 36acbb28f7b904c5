use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use lastlayer_shared::frame::Frame;

use super::*;

/// What the next call gives.
enum Play {
    Opens,
    Gone,
    Busy,
    Frame,
    Nothing,
    Panic,
}
use Play::*;

/// A device that does what a script says, in the order of calls.
#[derive(Clone)]
struct Device(Arc<Mutex<VecDeque<Play>>>);

impl Device {
    fn call(&self) -> Play {
        self.0.lock().unwrap().pop_front().expect("nobody asks")
    }

    fn frame(&self) -> Result<Option<Capture>, CameraError> {
        match self.call() {
            Frame => Ok(Some(Capture {
                frame: lastlayer_shared::frame::Frame::new(1, 1, vec![0; 3]).unwrap(),
                photo: None,
            })),
            Nothing | Opens => Ok(None),
            Gone => Err(CameraError::NotThere(PathBuf::from("/dev/video0"))),
            Busy => Err(CameraError::Busy(PathBuf::from("/dev/video0"))),
            Panic => panic!("as a driver's library does"),
        }
    }
}

impl FrameSource for Device {
    fn next(&mut self) -> Result<Option<Capture>, CameraError> {
        self.frame()
    }

    fn describe(&self) -> String {
        "the device".into()
    }

    fn broken(&self) -> u64 {
        1
    }
}

fn keeper(script: Vec<Play>, wait: bool) -> Result<Keeper, CameraError> {
    let device = Device(Arc::new(Mutex::new(script.into())));
    let open = move || {
        let opened = device.frame();
        opened.map(|_| Box::new(device.clone()) as Source)
    };
    let policy = Policy {
        again: Some(Backoff::new(DEVICE, DEVICE)),
        wait,
        pace: None,
    };
    Keeper::new(Box::new(open), policy)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn lost(news: &[CameraNews]) -> bool {
    matches!(news, [CameraNews::Lost(reason)] if reason.contains("no camera at"))
}

#[test]
fn a_lost_camera_is_found_again_within_two_seconds_and_told_once() {
    let script = vec![
        Opens, Frame, Nothing, Gone, Gone, Gone, Gone, Opens, Frame, Frame,
    ];
    let mut keeper = keeper(script, false).unwrap();
    assert!(keeper.news().is_empty());
    assert!(matches!(keeper.step(ms(0)), Step::Frame(_)));
    assert_eq!(keeper.news(), [CameraNews::Back("the device".into())]);
    assert!(matches!(keeper.step(ms(100)), Step::Nothing));
    // Unplugged.
    assert!(matches!(keeper.step(ms(200)), Step::Wait(wait) if wait == ms(500)));
    assert!(lost(&keeper.news()));
    assert!(matches!(keeper.step(ms(400)), Step::Wait(wait) if wait == ms(300)));
    for now in [700, 1200, 1700] {
        assert!(matches!(keeper.step(ms(now)), Step::Wait(_)));
        assert!(keeper.news().is_empty());
    }
    // Plugged in at 1.7 s and a bit.
    assert!(matches!(keeper.step(ms(2200)), Step::Nothing));
    assert!(keeper.news().is_empty(), "opened is not yet delivering");
    assert!(matches!(keeper.step(ms(2300)), Step::Frame(_)));
    assert_eq!(keeper.news(), [CameraNews::Back("the device".into())]);
    assert_eq!(keeper.broken(), 2);
}

#[test]
fn at_the_start_an_error_is_an_end_unless_the_camera_is_waited_for() {
    assert!(matches!(
        keeper(vec![Gone], false).err(),
        Some(CameraError::NotThere(_))
    ));
    // Opened, and then no frame.
    let mut without = keeper(vec![Opens, Busy], false).unwrap();
    assert!(matches!(
        without.step(ms(0)),
        Step::End(CameraError::Busy(_))
    ));
    let mut waiting = keeper(vec![Gone, Gone, Busy, Gone, Opens, Frame], true).unwrap();
    assert!(lost(&waiting.news()));
    assert!(matches!(waiting.step(ms(500)), Step::Wait(_)));
    assert!(waiting.news().is_empty());
    // Another reason is told, and the first one not again.
    assert!(matches!(waiting.step(ms(1000)), Step::Wait(_)));
    assert_eq!(waiting.news().len(), 1);
    assert!(matches!(waiting.step(ms(1500)), Step::Wait(_)));
    assert!(waiting.news().is_empty());
    assert!(matches!(waiting.step(ms(2000)), Step::Nothing));
    assert!(matches!(waiting.step(ms(2001)), Step::Frame(_)));
}

#[test]
fn a_panic_of_a_library_is_a_lost_camera() {
    let script = vec![Opens, Frame, Panic, Panic, Opens, Frame];
    let mut keeper = keeper(script, false).unwrap();
    assert!(matches!(keeper.step(ms(0)), Step::Frame(_)));
    assert!(matches!(keeper.step(ms(1)), Step::Wait(_)));
    assert!(matches!(keeper.step(ms(501)), Step::Wait(_)));
    assert!(matches!(keeper.step(ms(1001)), Step::Nothing));
    assert!(matches!(keeper.step(ms(1002)), Step::Frame(_)));
    assert_eq!(keeper.news().len(), 3);
}

#[test]
fn a_folder_that_fails_is_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let png = Frame::new(1, 1, vec![0; 3]).unwrap().to_png().unwrap();
    std::fs::write(&path, png).unwrap();
    let settings = Settings {
        source: CameraAddress::Folder(folder.path().into()),
        fps: Some(4.0),
        wait: true,
        ..Settings::default()
    };
    let mut keeper = Keeper::start(&settings).unwrap();
    assert_eq!(keeper.pace(), Some(ms(250)));
    assert!(matches!(keeper.step(ms(0)), Step::Frame(_)));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(keeper.step(ms(1)), Step::End(_)));
    assert!(
        Keeper::start(&Settings {
            width: 3,
            ..settings
        })
        .is_err()
    );
}
