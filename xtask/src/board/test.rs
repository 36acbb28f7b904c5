//! A virtual board tried from the outside: it boots, its camera shows photos and lastlayerd judges
//! them, its lines are pressed and watched, the camera is pulled, the power is cut.
//!
//! Emulation on a busy machine is slow, so every wait is long; none is a sleep.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::site::{Site, folder};
use crate::{
    image::{Disk, Image},
    machine::Machine,
};

const RUN: &str = "--package /site.llp --camera /dev/video0 --state /data/state --log json";
/// Loading a package and looking at frames under emulation.
const LONG: Duration = Duration::from_secs(240);
const SHORT: Duration = Duration::from_secs(60);

/// Prints every part with the time that it took; an error names the part that failed.
pub fn test(site: &Site) -> Result<()> {
    let begin = Instant::now();
    let (image, photos) = part("the image", || site.image_and_names())?;
    ensure!(photos.len() > 1, "two folders of photos are needed");
    let disk = Disk::new(&folder().join("test-disk.img"))?;
    let mut machine = part("boot", || Machine::boot(&image, &disk))?;
    let own = site.package.is_none() && site.photos.is_none();
    let shown: Vec<&str> = match own {
        true => vec!["car", "bird"],
        false => photos.iter().map(String::as_str).take(2).collect(),
    };
    part("lastlayerd judges what is before the camera", || {
        judges(&mut machine, &shown, own)
    })?;
    part("lines pressed from outside, and driven from inside", || {
        lines(&mut machine)
    })?;
    part("the camera away and back", || {
        camera(&mut machine, shown[0])
    })?;
    part("a power cut and another boot", || {
        power(machine, &image, &disk)
    })?;
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

/// `known` where the photos' names are classes of the package.
fn judges(machine: &mut Machine, shown: &[&str], known: bool) -> Result<()> {
    machine.show(shown[0])?;
    machine.start(RUN)?;
    machine.wait_event("ready", LONG)?;
    let mut last = None;
    for photos in shown {
        machine.show(photos)?;
        let verdict = match known {
            true => machine.wait_verdict(photos, LONG)?,
            false => machine.wait_event("verdict", LONG)?,
        };
        println!("board: {photos} is before the camera, and the verdict is {verdict}");
        last = Some(verdict);
    }
    let (from, start) = (frame(last.as_ref())?, Instant::now());
    let later = machine.wait("five more verdicts", LONG, |machine| {
        machine
            .events
            .find(|event| event["frame"].as_u64() >= Some(from + 5))
    })?;
    let frames = (frame(Some(&later))? - from) as f64;
    println!(
        "board: {:.2} frames a second under emulation",
        frames / start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn frame(verdict: Option<&Value>) -> Result<u64> {
    let number = verdict.and_then(|verdict| verdict["frame"].as_u64());
    number.context("a verdict has no frame number")
}

/// Debian's gpiod stands in for lastlayerd's panel.
fn lines(machine: &mut Machine) -> Result<()> {
    for line in [super::TEACH_LINE, super::NEXT_LINE] {
        for high in [true, false] {
            machine.set_line(line, high)?;
            let seen = machine.shell(&format!("gpioget gpiochip0 {line}"))?;
            let wanted = if high { "1\n" } else { "0\n" };
            ensure!(
                seen.output == wanted,
                "line {line} is {high}, and gpioget says {seen:?}"
            );
        }
    }
    for line in [4, 7] {
        for high in [true, false] {
            let level = u8::from(high);
            let done = machine.shell(&format!("gpioset gpiochip0 {line}={level}"))?;
            ensure!(done.code == 0, "gpioset: {}", done.output);
            machine.wait_level(line, high, SHORT)?;
            ensure!(machine.is_high(line) == high, "line {line} is not {high}");
        }
    }
    Ok(())
}

/// Today lastlayerd ends with a message when its camera goes.
fn camera(machine: &mut Machine, photos: &str) -> Result<()> {
    machine.unplug_camera()?;
    let error = machine.wait_error("error: ", LONG)?;
    println!("board: without its camera lastlayerd says: {error}");
    let code = machine.wait_end(LONG)?;
    ensure!(code == 1, "lastlayerd ended with {code} and not with 1");
    let left = machine.shell("ls /dev/video*")?;
    ensure!(left.code != 0, "the camera is still there: {}", left.output);

    machine.plug_camera()?;
    machine.show(photos)?;
    machine.events.skip();
    machine.start(RUN)?;
    machine.wait_event("ready", LONG)?;
    machine.wait_event("verdict", LONG)?;
    Ok(())
}

/// What was written and synced is there after a power cut; lastlayerd starts on what it left.
fn power(mut machine: Machine, image: &Image, disk: &Disk) -> Result<()> {
    let written = machine.shell("echo kept > /data/note && sync /data/note")?;
    ensure!(
        written.code == 0,
        "the disk cannot be written: {}",
        written.output
    );
    machine.cut_power()?;

    let mut machine = Machine::boot(image, disk)?;
    println!(
        "board: booted again in {:.1} s",
        machine.boot_time.as_secs_f64()
    );
    let note = machine.shell("cat /data/note")?;
    if note.output != "kept\n" {
        bail!("the disk lost what was synced: {note:?}");
    }
    machine.start(RUN)?;
    machine.wait_event("ready", LONG)?;
    machine.stop()?;
    machine.shut_down()
}
