use std::{
    convert::Infallible,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::*;
use embedded_hal::digital::ErrorType;

#[derive(Clone, Default)]
struct Pin(Arc<Mutex<Vec<Change>>>);

/// A level, and when it was set.
type Change = (bool, Instant);

impl Pin {
    fn set(&mut self, on: bool) -> Result<(), Infallible> {
        self.0.lock().unwrap().push((on, Instant::now()));
        Ok(())
    }

    fn levels(&self) -> Vec<bool> {
        self.0.lock().unwrap().iter().map(|(on, _)| *on).collect()
    }
}

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true)
    }
}

fn settings(text: &str) -> Settings {
    let settings = toml::from_str(text).unwrap();
    check(std::slice::from_ref(&settings)).unwrap();
    settings
}

fn verdict(class: &str) -> Verdict {
    Verdict {
        class: class.into(),
        confidence: 0.75,
    }
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn a_command_is_told_the_verdict_as_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let text = format!(
        "class = \"car\"\nhold_seconds = 0.2\ncommand = [\"sh\", \"-c\", \"cat > '{}'\"]",
        file.display()
    );
    let mut outputs = Outputs::start::<Pin>("board-7", vec![settings(&text)], Vec::new()).unwrap();
    outputs.frame(at(1.0), 10, &verdict("car"));
    outputs.frame(at(1.25), 11, &verdict("car"));
    // What waits is still run.
    drop(outputs);
    let told: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let clock = told["clock"].as_f64().unwrap();
    let expected = serde_json::json!({
        "board": "board-7", "output": 1, "sequence": 1, "class": "car", "confidence": 0.75,
        "frame": 11, "time": 1.25, "clock": clock,
    });
    assert_eq!(told, expected);
    assert!(clock > 1.6e9);
    let document = include_str!("../../../docs/wiring.md");
    for key in expected.as_object().unwrap().keys() {
        assert!(
            document.contains(&format!("\"{key}\":")),
            "docs/wiring.md lacks {key}"
        );
    }
}

#[test]
fn a_command_that_does_not_end_holds_up_nobody_for_long() {
    let slow = settings(
        "command = [\"sleep\", \"1000\"]\nhold_seconds = 0.0\ntimeout_seconds = 600.0\nat_most_every_seconds = 0.0",
    );
    let start = Instant::now();
    let mut outputs = Outputs::start::<Pin>("b", vec![slow], Vec::new()).unwrap();
    for frame in 0..100 {
        let class = ["car", "bird"][frame % 2];
        outputs.frame(at(frame as f64), frame as u64, &verdict(class));
    }
    let watching = start.elapsed();
    assert!(watching < Duration::from_secs(2), "{watching:?}");
    let warnings = outputs.warnings();
    assert!(warnings[0].contains("is dropped"), "{warnings:?}");
    drop(outputs);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn lines_follow_their_classes_and_are_off_at_the_end() {
    let (follows, pulses, unwired) = (Pin::default(), Pin::default(), None);
    let outputs = vec![
        settings("class = \"car\"\nhold_seconds = 0.0\nline = { line = 1 }"),
        settings("class = \"car\"\nhold_seconds = 0.0\nline = { line = 2 }\npulse_ms = 50"),
        settings("class = \"car\"\nhold_seconds = 0.0\nline = { line = 3 }"),
    ];
    let pins = vec![Some(follows.clone()), Some(pulses.clone()), unwired];
    let mut outputs = Outputs::start("b", outputs, pins).unwrap();
    outputs.frame(at(0.0), 0, &verdict("car"));
    // Waits for the thread, not for a time.
    let start = Instant::now();
    while pulses.levels() != [false, true, false] {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            pulses.levels()
        );
        thread::yield_now();
    }
    let times = pulses.0.lock().unwrap().clone();
    let pulse = times[2].1 - times[1].1;
    assert!(pulse >= Duration::from_millis(45), "{pulse:?}");
    assert_eq!(follows.levels(), [false, true]);
    outputs.nothing_seen(at(1.0));
    outputs.frame(at(2.0), 1, &verdict("car"));
    drop(outputs);
    let levels = follows.levels();
    assert_eq!(levels.last(), Some(&false));
    assert_eq!(pulses.levels().last(), Some(&false));
}

#[test]
fn classes_that_are_not_there_are_named() {
    let outputs = [
        settings("class = \"car\"\ncommand = [\"x\"]"),
        settings("class = \"unknown\"\ncommand = [\"x\"]"),
        settings("command = [\"x\"]"),
    ];
    let strange = strangers(&outputs, &["bird".into()]);
    assert_eq!(strange.len(), 1);
    assert!(strange[0].starts_with("output 1 (car): "));
}

#[test]
fn commands_that_are_not_there_are_said_before_a_class_comes() {
    let outputs = [
        settings("command = [\"sh\"]"),
        settings("class = \"car\"\ncommand = [\"no-such-program-anywhere\"]"),
    ];
    let listing = crate::panel::gpio::Listing::default();
    let problems = problems(&outputs, None, &mut Opener::new(&listing));
    let (_, warnings) = open(&outputs, None, &mut Opener::new(&listing));
    assert_eq!(problems, warnings);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("output 2 (car): there is no program"));
}
