use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use super::*;
use embedded_hal::digital::{ErrorKind, ErrorType};

/// Remembers every level it was set to.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<bool>>>);

impl Seen {
    fn lit(&self) -> Option<bool> {
        self.0.lock().unwrap().last().copied()
    }

    fn changes(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl ErrorType for Seen {
    type Error = Infallible;
}

impl OutputPin for Seen {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(true);
        Ok(())
    }
}

struct Board {
    lights: Lights<Seen>,
    status: Seen,
    car: Seen,
    bird: Seen,
    now: Duration,
}

impl Board {
    fn new() -> Self {
        let (status, car, bird) = (Seen::default(), Seen::default(), Seen::default());
        let classes = vec![("car".into(), car.clone()), ("bird".into(), bird.clone())];
        Self {
            lights: Lights::new(Some(status.clone()), classes),
            status,
            car,
            bird,
            now: Duration::from_secs(100),
        }
    }

    fn tell(&mut self, tell: Tell) {
        self.lights.tell(self.now, tell);
    }

    /// The status light over the next `seconds`, one sign every 50 ms.
    fn shown(&mut self, seconds: f64) -> String {
        let steps = 0..(seconds / 0.05).round() as u32;
        steps
            .map(|_| {
                self.lights.poll(self.now);
                self.now += Duration::from_millis(50);
                if self.status.lit() == Some(true) {
                    '#'
                } else {
                    '.'
                }
            })
            .collect()
    }
}

fn standing(standing: Standing) -> Tell {
    Tell::Standing(standing)
}

#[test]
fn a_message_is_shown_once_and_then_what_stands() {
    let mut board = Board::new();
    board.tell(standing(Standing::Watching));
    assert_eq!(board.shown(1.0), "#".repeat(20));
    board.tell(Tell::Once(Once::Selected(1)));
    // Told again meanwhile, as every frame does.
    board.tell(standing(Standing::Watching));
    let selected = "..........###.....###..........";
    assert_eq!(board.shown(1.55), selected);
    assert_eq!(board.shown(1.0), "#".repeat(20));
    // Nothing is set that is set already.
    let changes = board.status.changes();
    board.shown(10.0);
    assert_eq!(board.status.changes(), changes);
}

#[test]
fn a_burst_ends_a_message_and_hides_a_fault_and_the_fault_comes_back() {
    let mut board = Board::new();
    board.tell(standing(Standing::Watching));
    board.tell(Tell::Fault(Fault::DiskFull, true));
    board.tell(Tell::Once(Once::Selected(0)));
    board.shown(0.2);
    board.tell(standing(Standing::Collecting));
    assert_eq!(board.shown(0.8), "##..##..##..##..");
    board.tell(standing(Standing::Training));
    assert_eq!(board.shown(0.6), "######......");
    board.tell(standing(Standing::Watching));
    board.tell(Tell::Once(Once::Refused));
    board.shown(Once::Refused.pattern().length().as_secs_f64());
    let over = board.shown(3.0);
    assert!(over.contains('#') && over.contains("...."), "{over}");
    // A lost camera goes before a full disk.
    board.tell(Tell::Fault(Fault::CameraLost, true));
    let longest = Fault::CameraLost.pattern().length().as_secs_f64();
    let lost = board.shown(longest);
    assert_eq!(lost.matches(".#").count(), 2, "{lost}");
    for fault in Fault::ALL {
        board.tell(Tell::Fault(fault, false));
    }
    assert_eq!(board.shown(0.5), "#".repeat(10));
}

#[test]
fn lights_of_classes_show_the_verdict_and_blink_for_what_is_taught() {
    let mut board = Board::new();
    board.tell(standing(Standing::Watching));
    board.tell(Tell::Selected(Some("bird".into())));
    board.tell(Tell::Verdict(Some("car".into())));
    board.shown(0.2);
    assert_eq!(
        (board.car.lit(), board.bird.lit()),
        (Some(true), Some(false))
    );
    board.tell(standing(Standing::Collecting));
    let before = board.bird.changes();
    board.shown(1.0);
    assert_eq!(board.car.lit(), Some(false));
    assert!(board.bird.changes() >= before + 9);
    board.tell(standing(Standing::Watching));
    board.tell(Tell::Verdict(Some("a class without a light".into())));
    board.shown(0.1);
    assert_eq!(
        (board.car.lit(), board.bird.lit()),
        (Some(false), Some(false))
    );
    board.tell(Tell::Verdict(Some("bird".into())));
    board.shown(0.1);
    board.tell(standing(Standing::Stopped));
    assert_eq!(board.shown(1.0), ".".repeat(20));
    assert_eq!(board.bird.lit(), Some(false));
}

struct Broken;

impl ErrorType for Broken {
    type Error = ErrorKind;
}

impl OutputPin for Broken {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        Err(ErrorKind::Other)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        Err(ErrorKind::Other)
    }
}

#[test]
fn a_pin_that_fails_is_said_once() {
    let mut lights = Lights::new(Some(Broken), vec![("car".into(), Broken)]);
    for i in 0..1000 {
        lights.poll(Duration::from_millis(i * 20));
    }
    let warnings = lights.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("status") && warnings[1].contains("car"));
}

#[test]
fn the_thread_follows_and_puts_the_lights_out_at_the_end() {
    let status = Seen::default();
    let lights = Lights::new(Some(status.clone()), Vec::new());
    let mut thread = LightsThread::start(lights).unwrap();
    thread.tell(standing(Standing::Watching));
    thread.tell(Tell::Verdict(None));
    drop(thread);
    assert_eq!(status.lit(), Some(false));
    assert!(status.0.lock().unwrap().contains(&true));
    let mut none = LightsThread::start(Lights::<Seen>::new(None, Vec::new())).unwrap();
    none.tell(standing(Standing::Watching));
    assert_eq!(none.warnings(), [""; 0]);
}
