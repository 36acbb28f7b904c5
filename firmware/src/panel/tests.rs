use super::*;
use embedded_hal::digital::{ErrorKind, ErrorType};
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn bounces_are_one_press() {
    let pin = SharedPin::released();
    let mut panel = Panel::new([(ButtonName::Teach, pin.clone())]);
    let mut edges = Vec::new();
    // Bounces for 12 ms, rests, bounces again on release.
    for (at, down) in [
        (0, true),
        (4, false),
        (8, true),
        (12, false),
        (16, true),
        (200, false),
        (203, true),
        (206, false),
    ] {
        for t in (at..).step_by(1).take(4) {
            pin.set(down);
            edges.extend(panel.poll(ms(t)));
        }
        if at == 16 || at == 206 {
            (at + 4..at + 60).for_each(|t| edges.extend(panel.poll(ms(t))));
        }
    }
    let seen: Vec<(bool, Duration)> = edges.iter().map(|e| (e.down, e.at)).collect();
    assert_eq!(seen, [(true, ms(16)), (false, ms(206))]);
}

/// Polls every millisecond.
fn follow<P: InputPin>(panel: &mut Panel<P>, from: u64, to: u64) -> Vec<(ButtonName, bool, u64)> {
    let edges = (from..to).flat_map(|t| panel.poll(ms(t)));
    edges
        .map(|e| (e.button, e.down, e.at.as_millis() as u64))
        .collect()
}

#[test]
fn the_debounce_time_can_be_set() {
    let pin = SharedPin::released();
    let mut panel = Panel::new([(ButtonName::Next, pin.clone())]).with_debounce(ms(100));
    pin.set(true);
    assert_eq!(follow(&mut panel, 0, 90), []);
    pin.set(false);
    assert_eq!(follow(&mut panel, 90, 200), []);
    pin.set(true);
    assert_eq!(
        follow(&mut panel, 200, 301),
        [(ButtonName::Next, true, 200)]
    );
}

#[test]
fn a_button_that_is_down_at_the_start_counts_after_its_release() {
    let pin = SharedPin::released();
    pin.set(true);
    let mut panel = Panel::new([(ButtonName::Teach, pin.clone())]).after_release();
    let link = panel.link();
    assert_eq!(follow(&mut panel, 0, 5000), []);
    let warnings = link.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("`teach` is down already"),
        "{warnings:?}"
    );
    pin.set(false);
    assert_eq!(follow(&mut panel, 5000, 5100), []);
    pin.set(true);
    assert_eq!(
        follow(&mut panel, 5100, 5200),
        [(ButtonName::Teach, true, 5100)]
    );
    assert_eq!(link.warnings(), [""; 0]);
}

struct Broken;

impl ErrorType for Broken {
    type Error = ErrorKind;
}

impl InputPin for Broken {
    fn is_high(&mut self) -> Result<bool, ErrorKind> {
        Err(ErrorKind::Other)
    }

    fn is_low(&mut self) -> Result<bool, ErrorKind> {
        Err(ErrorKind::Other)
    }
}

#[test]
fn a_pin_that_cannot_be_read_is_named_once_and_is_not_pressed() {
    let mut panel = Panel::new([(ButtonName::Undo, Broken)]);
    assert_eq!(follow(&mut panel, 0, 1000), []);
    let warnings = panel.link().warnings();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("`undo` cannot be read"),
        "{warnings:?}"
    );
}

#[test]
fn a_name_of_a_button_is_read_as_it_is_written() {
    for name in [
        ButtonName::Teach,
        ButtonName::Next,
        ButtonName::Undo,
        ButtonName::Class(0),
        ButtonName::Class(11),
    ] {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    assert!("class-0".parse::<ButtonName>().is_err());
}

proptest! {
    #[test]
    fn edges_alternate_whatever_the_contact_does(levels in proptest::collection::vec(any::<bool>(), 0..300), trusting: bool) {
        let pin = SharedPin::released();
        let mut panel = Panel::new([(ButtonName::Next, pin.clone())]);
        if !trusting {
            panel = panel.after_release();
        }
        let mut down = false;
        for (t, level) in levels.into_iter().enumerate() {
            pin.set(level);
            for edge in panel.poll(ms(t as u64 * 7)) {
                prop_assert_ne!(edge.down, down);
                down = edge.down;
            }
        }
    }
}
