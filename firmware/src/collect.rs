//! `lastlayerd collect`: saves frames that differ from one another, for `lastlayer export --calibrate`.
//!
//! They are what the view shows, upright and not cut to the network's square, so that a network of any
//! size can be pruned by them. What a folder holds already counts: after a pulled plug the same command
//! goes on.

use std::{
    collections::HashSet,
    fs,
    io::{Write, stdout},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use lastlayer_shared::{
    error::one_line,
    file::{self, Readers},
    frame::Frame,
    preprocess::{INPUT_SIZES, picture},
};

use crate::{
    camera::{CameraNews, Keeper, Settings as CameraSettings, Step},
    config::Config,
    light::{Blocks, Light},
    log::LogError,
    stop::Stop,
};

/// The shorter side of what is saved, at most: twice the largest that a network takes.
const SHORTER_SIDE: u32 = 2 * *INPUT_SIZES.end();
/// How long nothing new may come before that is said.
const QUIET: Duration = Duration::from_secs(60);
/// Names are `frame-` and so many digits at least.
const DIGITS: usize = 5;

#[derive(clap::Args, Clone, Debug)]
pub struct Wish {
    /// Photos that the folder shall hold in the end; 256 are good for a place that hardly changes
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// The folder, which is made where it is not there; photos that an earlier call saved there count
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Seconds from one photo to the next, at least; 300 spread 256 over a day. Not for folder:DIR
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS", value_parser = seconds)]
    every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=86_400.0).contains(&value) => Ok(value),
        _ => Err("give a number from 0 to 86400".into()),
    }
}

pub fn run(config: &Config, wish: &Wish) -> anyhow::Result<()> {
    let stop = Stop::on_signals().context("signals cannot be waited for")?;
    let count = wish.count as usize;
    let mut album = Album::open(&wish.output, config.burst.change)?;
    if album.saved() < count {
        fill(&mut album, wish, &config.camera, &stop)?;
    }
    let (saved, copies) = (album.saved(), album.copies);
    let folder = wish.output.display();
    let passed_over = format!("{copies} frames passed over, which were like one of them");
    if saved >= count {
        return say(&format!("{saved} photos in {folder}; {passed_over}"));
    }
    say(&format!(
        "{saved} of {count} photos in {folder}; {passed_over}. The same command goes on from here"
    ))
}

/// Until there are enough, the camera has no more, or somebody wants it to stop.
fn fill(
    album: &mut Album,
    wish: &Wish,
    camera: &CameraSettings,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut keeper = Keeper::start(camera)?;
    let start = Instant::now();
    // Photos of a folder come round again. They are not of now: no time lies between them.
    let mut seen = HashSet::new();
    let every = Duration::from_secs_f64(wish.every);
    let (mut next, mut quiet_at) = (Duration::ZERO, QUIET);
    while album.saved() < wish.count as usize && !stop.asked() {
        let now = start.elapsed();
        let step = keeper.step(now);
        for news in keeper.news() {
            match news {
                CameraNews::Back(_) => say(&news.to_string())?,
                CameraNews::Lost(_) => warn(&news.to_string()),
            }
        }
        keeper.warnings().iter().for_each(|text| warn(text));
        if now > quiet_at {
            quiet_at = now + QUIET;
            say(&format!(
                "nothing new was before the camera for a minute; {} of {} photos",
                album.saved(),
                wish.count
            ))?;
        }
        let capture = match step {
            Step::Frame(capture) => capture,
            Step::Nothing => continue,
            Step::Wait(time) => {
                thread::sleep(time.min(Duration::from_millis(100)));
                continue;
            }
            Step::End(error) => return Err(error.into()),
        };
        match capture.photo {
            Some(photo) if !seen.insert(photo.clone()) => return Ok(()),
            Some(_) => {}
            None if now < next => continue,
            None => {}
        }
        let shown = picture(&capture.frame, &camera.view, SHORTER_SIDE)?;
        if let Some(name) = album.offer(&shown)? {
            (next, quiet_at) = (now + every, now + QUIET);
            say(&format!("{name}, {} of {}", album.saved(), wish.count))?;
        }
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(stdout(), "{text}").map_err(LogError::from)?)
}

fn warn(text: &str) {
    // Nothing can be done about a warning that nobody can be told of.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// The folder, and what the photos in it look like.
struct Album {
    folder: PathBuf,
    /// Less is a near-copy, as in a burst.
    change: f32,
    saved: Vec<Blocks>,
    next: u32,
    copies: usize,
}

impl Album {
    fn open(folder: &Path, change: f32) -> anyhow::Result<Self> {
        let at = || format!("the folder {} cannot be used", folder.display());
        fs::create_dir_all(folder).with_context(at)?;
        file::remove_leftovers(folder).with_context(at)?;
        let mut album = Self {
            folder: folder.into(),
            change,
            saved: Vec::new(),
            next: 1,
            copies: 0,
        };
        for path in file::list(folder).with_context(at)? {
            let Some(number) = number(&path) else {
                continue;
            };
            album.next = album.next.max(number.saturating_add(1));
            match Frame::open(&path) {
                Ok(frame) => album.saved.push(Light::of(&frame).blocks()),
                Err(error) => warn(&format!("{}; it does not count", one_line(&error))),
            }
        }
        Ok(album)
    }

    fn saved(&self) -> usize {
        self.saved.len()
    }

    /// Saves a picture unless it is like one that is there: its name.
    fn offer(&mut self, picture: &Frame) -> anyhow::Result<Option<String>> {
        let blocks = Light::of(picture).blocks();
        let alike = |saved: &Blocks| blocks.change(saved) < self.change;
        if self.saved.iter().any(alike) {
            self.copies += 1;
            return Ok(None);
        }
        let name = format!("frame-{:0DIGITS$}.jpg", self.next);
        // People may be on it.
        file::create(
            &self.folder.join(&name),
            &picture.to_jpeg()?,
            Readers::Owner,
        )?;
        self.saved.push(blocks);
        self.next = self.next.saturating_add(1);
        Ok(Some(name))
    }
}

/// Of a photo that this program saved.
fn number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("frame-")?.strip_suffix(".jpg")?;
    let are_digits = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(value: u8) -> Frame {
        Frame::new(32, 24, vec![value; 32 * 24 * 3]).unwrap()
    }

    #[test]
    fn only_what_is_new_is_saved_and_a_later_call_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/b");
        let mut album = Album::open(&place, 4.0).unwrap();
        let names: Vec<_> = [10, 12, 100, 11, 200]
            .map(|value| album.offer(&grey(value)).unwrap())
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(
            names,
            ["frame-00001.jpg", "frame-00002.jpg", "frame-00003.jpg"]
        );
        assert_eq!((album.saved(), album.copies), (3, 2));
        fs::remove_file(place.join("frame-00002.jpg")).unwrap();
        fs::write(place.join("frame-00007.jpg"), b"broken").unwrap();
        fs::write(place.join("mine.jpg"), b"mine").unwrap();
        let mut album = Album::open(&place, 4.0).unwrap();
        assert_eq!(album.saved(), 2);
        assert_eq!(album.offer(&grey(201)).unwrap(), None);
        let name = album.offer(&grey(100)).unwrap();
        assert_eq!(name.as_deref(), Some("frame-00008.jpg"));
        assert_eq!(fs::read(place.join("mine.jpg")).unwrap(), b"mine");
        // A file stands where the folder should be.
        assert!(Album::open(&place.join("mine.jpg"), 4.0).is_err());
    }

    #[test]
    fn names_of_others_are_left_alone() {
        let of = |name: &str| number(Path::new(name));
        assert_eq!(of("x/frame-00012.jpg"), Some(12));
        for name in [
            "frame-12.jpg",
            "frame-00012.png",
            "frame-0001x.jpg",
            "frame-99999999999.jpg",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
