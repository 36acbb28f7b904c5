//! How the test of the virtual board looks at it: presses of its buttons, photos before its camera,
//! and its lights.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{
    CONFIGURATION,
    lesson::{CLASSES, new},
};
use crate::machine::Machine;

/// In the order of `CLASSES`.
pub const LIGHTS: [u8; 2] = [4, 5];
/// As the configuration has it.
pub const STATUS_LINE: u8 = 2;
/// Of new photos, the share in percent whose class the lights must show.
const LEAST_RIGHT: usize = 90;
/// Frames that a change of the picture may take until the lights show it: one that was on its way,
/// and those over which verdicts are smoothed.
const SETTLING: u64 = 6;
/// Loading a package, and looking at frames, under emulation.
pub const LONG: Duration = Duration::from_secs(240);
pub const SHORT: Duration = Duration::from_secs(60);

/// With JSON for a log, and more tables at the end.
pub fn configuration(more: &str) -> String {
    format!("log = 'json'\n{CONFIGURATION}{more}")
}

/// Short, for the program; longer than its debouncing also where emulation is slow.
pub fn press(machine: &mut Machine, line: u8) -> Result<()> {
    machine.press_for(line, Duration::from_millis(300))
}

/// Until frames that came before now no longer matter.
pub fn settle(machine: &mut Machine) -> Result<()> {
    machine.events.skip();
    let first = machine.wait_event("verdict", LONG)?;
    let first = first["frame"].as_u64().context("a verdict has no frame")?;
    machine.wait("later verdicts", LONG, |machine| {
        machine
            .events
            .find(|event| event["frame"].as_u64() >= Some(first + SETTLING))
    })?;
    // The lights have a thread of their own.
    machine.pass(Duration::from_millis(200))
}

/// Shows photos that were never taught, and reads the lights.
pub fn judge(machine: &mut Machine, count: usize) -> Result<()> {
    let (mut right, begin, from) = (0, Instant::now(), frames(machine));
    for number in 0..count {
        for (place, class) in CLASSES.into_iter().enumerate() {
            machine.show_one(&new(class), number)?;
            settle(machine)?;
            let lit = LIGHTS.map(|line| machine.is_high(line));
            let mut wanted = [false; 2];
            wanted[place] = true;
            right += usize::from(lit == wanted);
        }
    }
    let all = count * CLASSES.len();
    println!(
        "board: the lights were right on {right} of {all} new photos; {:.1} frames a second",
        (frames(machine) - from) as f64 / begin.elapsed().as_secs_f64()
    );
    ensure!(
        right * 100 >= all * LEAST_RIGHT,
        "the lights were right on {right} of {all} photos only"
    );
    Ok(())
}

fn frames(machine: &Machine) -> usize {
    let verdicts = machine.events.all().iter();
    verdicts
        .filter(|(_, event)| event["event"] == "verdict")
        .count()
}
