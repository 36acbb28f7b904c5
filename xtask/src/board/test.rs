//! A virtual board tried from the outside: classes are taught with its button, its lights say what
//! it sees, a burst is undone, the camera is pulled, the power is cut.
//!
//! lastlayerd is met only through its camera, its lines and its disk. Its log is read to know when a
//! frame was looked at and for the figures that are printed; what it sees is read from the lights.
//! Emulation on a busy machine is slow, so every wait is long, and none is a sleep.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{
    NEXT_LINE, TEACH_LINE,
    lesson::{self, CLASSES, NEW, taught},
    probe::{LIGHTS, LONG, SHORT, STATUS_LINE, configuration, judge, press, settle},
    service::service,
    site::{Site, folder},
};
use crate::{
    image::{Disk, Image},
    machine::Machine,
};

/// A line of the panel that the test takes away.
const OTHER_LINE: u8 = 6;
/// Bursts a class.
const BURSTS: usize = 2;
const REPLUGS: usize = 3;
/// What emulation on a busy machine may take longer than a board.
const SLOWNESS: u32 = 5;
/// As the configuration has it.
const BRIGHTNESS: i64 = 140;

/// Prints every part with the time that it took; an error names the part that failed.
pub fn test(site: &Site) -> Result<()> {
    let begin = Instant::now();
    let image = part("the image", || lesson::image(site))?;
    let disk = Disk::new(&folder().join("test-disk.img"))?;
    let mut machine = part("boot", || Machine::boot(&image, &disk))?;
    part("a configuration that does not fit the board", || {
        misfits(&mut machine)
    })?;
    part("two classes are taught with the button", || {
        teach(&mut machine)
    })?;
    part("the lights tell photos that were never taught", || {
        judge(&mut machine, NEW)
    })?;
    part("what somebody else holds is named", || busy(&mut machine))?;
    part("a long press undoes", || undo(&mut machine))?;
    part("the camera away and back", || camera(&mut machine))?;
    part("one button a class", || class_buttons(&mut machine))?;
    part("as a service under systemd", || as_service(&mut machine))?;
    part(
        "a power cut right after `learned`, and another boot",
        || power(machine, &image, &disk),
    )?;
    println!(
        "the virtual board passed in {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

fn part<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    let done = run().with_context(|| name.to_owned())?;
    println!("board: {name}: {:.1} s", begin.elapsed().as_secs_f64());
    Ok(done)
}

/// A line that is not there and one that is in use are warnings; watching goes on.
fn misfits(machine: &mut Machine) -> Result<()> {
    machine.show(&taught(CLASSES[0]))?;
    let hold = format!("gpioset --mode=signal --background gpiochip0 {OTHER_LINE}=0");
    ensure!(machine.shell(&hold)?.code == 0, "gpioset holds no line");
    machine.start_with(&configuration(&format!(
        "[[output]]\nclass = 'car'\nline = {{ line = {OTHER_LINE} }}\n\
         [[output]]\nclass = 'car'\nline = {{ line = 99 }}\n"
    )))?;
    for part in [
        "is in use by gpioset",
        "has no line 99; its lines are 0 to 7",
    ] {
        machine.wait(&format!("a warning that says {part:?}"), LONG, |machine| {
            let warns = |event: &serde_json::Value| {
                event["event"] == "warning"
                    && event["warning"].as_str().is_some_and(|w| w.contains(part))
            };
            machine.events.find(warns)
        })?;
    }
    machine.wait_event("verdict", LONG)?;
    machine.shell("killall gpioset")?;
    let asked = Instant::now();
    let code = machine.stop()?;
    ensure!(code == 0, "lastlayerd ended with {code}");
    println!(
        "board: it stops {:.1} s after SIGTERM",
        asked.elapsed().as_secs_f64()
    );
    ensure!(
        asked.elapsed() < Duration::from_secs(2) * SLOWNESS,
        "it stops too late"
    );
    machine.events.skip();
    Ok(())
}

fn teach(machine: &mut Machine) -> Result<()> {
    machine.start_with(&configuration(""))?;
    machine.wait_event("ready", LONG)?;
    let first = machine.wait_event("verdict", LONG)?;
    ensure!(
        first["class"] == "unknown",
        "nothing was taught, and the verdict is {first}"
    );
    controlled(machine)?;
    for (number, class) in CLASSES.into_iter().enumerate() {
        machine.show(&taught(class))?;
        if number > 0 {
            press(machine, NEXT_LINE)?;
            let selected = machine.wait_event("selected", SHORT)?;
            ensure!(selected["class"] == class, "{selected}");
        }
        settle(machine)?;
        for _ in 0..BURSTS {
            machine.levels.skip();
            press(machine, TEACH_LINE)?;
            // The status light blinks while a burst is collected.
            for high in [true, false, true, false] {
                machine.wait_level(STATUS_LINE, high, SHORT)?;
            }
            let learned = machine.wait_event("learned", LONG)?;
            ensure!(
                learned["class"] == class && learned["samples"] == 10,
                "{learned}"
            );
        }
    }
    Ok(())
}

/// A second program is told who has the camera.
fn busy(machine: &mut Machine) -> Result<()> {
    let second = machine.shell("lastlayerd check --config /run/lastlayerd.toml")?;
    ensure!(second.code == 1, "check ends with {}", second.code);
    for part in [
        "in use by another program; `fuser -v /dev/video0` says by which",
        "lastlayerd runs on it",
    ] {
        ensure!(second.output.contains(part), "{part:?}: {}", second.output);
    }
    let list = machine.shell("lastlayerd classes list --config /run/lastlayerd.toml")?;
    ensure!(list.code == 0, "classes list: {}", list.output);
    for class in CLASSES {
        let taught = (BURSTS * 10).to_string();
        let line = list.output.lines().find(|line| line.starts_with(class));
        ensure!(line.is_some_and(|l| l.contains(&taught)), "{}", list.output);
    }
    Ok(())
}

fn undo(machine: &mut Machine) -> Result<()> {
    // Birds are taught as what is selected; the long press forgets just that burst.
    press(machine, TEACH_LINE)?;
    machine.wait_event("learned", LONG)?;
    settle(machine)?;
    machine.press_for(TEACH_LINE, Duration::from_millis(2600))?;
    let undone = machine.wait_event("undone", LONG)?;
    ensure!(undone["samples"] == 10, "{undone}");
    let list = machine.shell("lastlayerd samples list --config /run/lastlayerd.toml")?;
    let bursts = list.output.lines().count().saturating_sub(1);
    ensure!(bursts == BURSTS * CLASSES.len(), "{}", list.output);
    judge(machine, 2)
}

/// The camera's control is as the configuration has it.
fn controlled(machine: &mut Machine) -> Result<()> {
    let brightness = machine.shell("v4l2-ctl -d /dev/video0 --get-ctrl brightness")?;
    ensure!(
        brightness.output.trim() == format!("brightness: {BRIGHTNESS}"),
        "the camera's control is not set: {}",
        brightness.output
    );
    Ok(())
}

/// Again and again: it depends on the moment what a program meets.
fn camera(machine: &mut Machine) -> Result<()> {
    for _ in 0..REPLUGS {
        replug(machine)?;
        judge(machine, 1)?;
    }
    Ok(())
}

fn replug(machine: &mut Machine) -> Result<()> {
    machine.events.skip();
    machine.unplug_camera()?;
    let lost = machine.wait_event("camera", LONG)?;
    ensure!(lost["delivers"] == false, "{lost}");
    println!(
        "board: without its camera lastlayerd says: {}",
        lost["text"]
    );
    machine.pass(Duration::from_millis(500))?;
    ensure!(
        LIGHTS.iter().all(|line| !machine.is_high(*line)),
        "a light still says what is seen, though nothing is"
    );
    // It blinks for as long as the camera is away.
    machine.levels.skip();
    for high in [false, true, false, true] {
        machine.wait_level(STATUS_LINE, high, SHORT)?;
    }
    machine.show(&taught(CLASSES[0])).ok();
    machine.plug_camera()?;
    let back = Instant::now();
    let found = machine.wait_event("camera", LONG)?;
    ensure!(found["delivers"] == true, "{found}");
    println!(
        "board: it is watched again {:.1} s after it came back",
        back.elapsed().as_secs_f64()
    );
    ensure!(
        back.elapsed() < Duration::from_secs(2) * SLOWNESS,
        "it is found too late"
    );
    controlled(machine)
}

/// The other layout: each class has a button, and `undo` one of its own.
fn class_buttons(machine: &mut Machine) -> Result<()> {
    let wire = |line: u8| format!("{{ line = {line}, active_low = false, bias = 'as-is' }}");
    let button = |line: u8| format!("button = {}, light", wire(line));
    let mut layout = String::new();
    for line in configuration("").lines() {
        let line = match line.split(' ').next().unwrap_or_default() {
            "teach" => continue,
            "next" => format!("undo = {}", wire(OTHER_LINE)),
            "car" => line.replacen("light", &button(TEACH_LINE), 1),
            "bird" => line.replacen("light", &button(NEXT_LINE), 1),
            _ => line.into(),
        };
        layout += &line;
        layout.push('\n');
    }
    machine.stop()?;
    machine.events.skip();
    machine.show(&taught(CLASSES[1]))?;
    machine.start_with(&layout)?;
    machine.wait_event("ready", LONG)?;
    settle(machine)?;
    press(machine, NEXT_LINE)?;
    let learned = machine.wait_event("learned", LONG)?;
    ensure!(learned["class"] == CLASSES[1], "{learned}");
    press(machine, OTHER_LINE)?;
    let undone = machine.wait_event("undone", LONG)?;
    ensure!(undone["class"] == CLASSES[1], "{undone}");
    machine.stop().map(drop)
}

/// The service has a memory of its own; then the program goes on as it was.
fn as_service(machine: &mut Machine) -> Result<()> {
    service(machine)?;
    machine.events.skip();
    machine.start_with(&configuration(""))?;
    machine.wait_event("ready", LONG)?;
    // A button that is down before the panel is looked at would not count.
    settle(machine)?;
    // As it was before: the second class is selected.
    press(machine, NEXT_LINE)?;
    machine.wait_event("selected", SHORT)?;
    Ok(())
}

/// The power goes in the moment in which the program says that a burst is learned.
fn power(mut machine: Machine, image: &Image, disk: &Disk) -> Result<()> {
    machine.show(&taught(CLASSES[1]))?;
    settle(&mut machine)?;
    machine.events.skip();
    press(&mut machine, TEACH_LINE)?;
    machine.wait_event("learned", LONG)?;
    machine.cut_power()?;

    let mut machine = Machine::boot(image, disk)?;
    println!(
        "board: booted again in {:.1} s",
        machine.boot_time.as_secs_f64()
    );
    machine.show(&taught(CLASSES[0]))?;
    machine.start_with(&configuration(""))?;
    let ready = machine.wait_event("ready", LONG)?;
    let expected = serde_json::json!([BURSTS * 10, (BURSTS + 1) * 10]);
    ensure!(ready["samples"] == expected, "{ready}");
    judge(&mut machine, 5)?;
    let code = machine.stop()?;
    ensure!(code == 0, "lastlayerd ended with {code}");
    machine.shut_down()
}
