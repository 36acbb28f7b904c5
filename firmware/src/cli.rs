//! The command line of `lastlayerd`. What it says goes before what the configuration file says.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    CommandFactory, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};

use crate::{
    camera::CameraAddress,
    collect::Wish,
    config::{Config, ConfigError, PLACE},
    log::LogFormat,
    panel,
};

/// Watches a camera, says what it sees, and learns at the press of a button
#[derive(Parser, Clone, Debug)]
#[command(
    name = "lastlayerd",
    version,
    after_help = "Buttons:\n  \
        teach, short   learn what is before the camera as the selected class\n  \
        teach, long    undo the last burst\n  \
        next,  short   select the next class\n  \
        next,  long    add a class\n\n\
        On the keyboard these are t, u, n and a.\n\n\
        A scene, times in seconds from the start, folders inside DIR of folder:DIR:\n  \
        0 show car\n  \
        5 press next\n  \
        5.2 release next\n  \
        6 show truck\n  \
        6 press teach\n  \
        6.2 release teach\n  \
        9 end\n\n\
        RUST_LOG=debug prints every verdict; RUST_LOG=warn only what is wrong.\n\n\
        Examples:\n  \
        lastlayerd --package site.llp --trust site.pub --camera /dev/video0 --panel keyboard\n  \
        lastlayerd --package site.llp --trust site.pub --camera folder:photos --scene story.scene\n  \
        lastlayerd check --config lastlayerd.toml\n  \
        lastlayerd collect --camera /dev/video0 --count 256 --output photos\n  \
        lastlayerd classes rename class-1 scratched"
)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration file; without this and --package it is /etc/lastlayer/lastlayerd.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The package to run
    #[arg(long, global = true, value_name = "FILE")]
    pub package: Option<PathBuf>,
    /// A public key whose packages are run, or a folder of *.pub; in place of the configuration's
    /// [default: /etc/lastlayer/keys]
    #[arg(long, global = true, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// For development: run any package, signed or not, whoever made it
    #[arg(long, global = true)]
    pub unsigned: bool,
    /// For development: take packages that are older than the installed one
    #[arg(long, global = true)]
    pub allow_downgrade: bool,
    /// For development: compute the network with tract's operators alone
    #[arg(long, global = true)]
    pub plain_tract: bool,
    /// Where taught samples and the head are kept; without it they are gone at the end
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// /dev/videoN; rpicam or argus, a CSI camera; pipe:COMMAND that writes MJPEG; or folder:DIR,
    /// photos [default: /dev/video0]
    #[arg(
        long,
        global = true,
        value_parser = OsStringValueParser::new().try_map(CameraAddress::try_from)
    )]
    pub camera: Option<CameraAddress>,
    /// Timed lines `SECONDS show FOLDER`, `press BUTTON`, `release BUTTON`, `end`; needs folder:DIR,
    /// and presses the buttons itself
    #[arg(long, conflicts_with = "panel", value_name = "FILE")]
    pub scene: Option<PathBuf>,
    /// Which buttons and lights there are [default: what the configuration's [panel] says]
    #[arg(long, value_enum)]
    pub panel: Option<PanelKind>,
    /// How verdicts and events are printed [default: text]
    #[arg(long, value_enum)]
    pub log: Option<LogFormat>,
    /// Frames a second [default: 30 or the nearest that the camera has; 10 from a folder]
    #[arg(long, value_parser = positive)]
    pub fps: Option<f64>,
    /// How much a folder camera shakes, 0 (not at all) to 1
    #[arg(long, value_parser = share)]
    pub shake: Option<f32>,
    /// Seed of the shake
    #[arg(long)]
    pub seed: Option<u64>,
    /// Stop after this many frames
    #[arg(long)]
    pub frames: Option<u64>,
    /// Frames that make a burst full [default: 10]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub burst: Option<u32>,
    /// Seconds after which a burst ends even if it is not full [default: 2]
    #[arg(long, value_parser = positive)]
    pub burst_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PanelKind {
    None,
    /// Keys on the terminal that the program runs in, beside what the configuration says.
    Keyboard,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Check configuration, package, camera and panel of this machine, and say what is wrong
    Check,
    /// Save varied frames of the camera, to prune a network by (`lastlayer export --calibrate`)
    Collect(Wish),
    /// Forget everything that was taught here: factory state
    Reset {
        /// Do it; without this it is only said what would be forgotten
        #[arg(long)]
        yes: bool,
    },
    /// Go back to the head before the current one; what was taught since is set aside
    Rollback,
    /// List packages, and go back to the one before
    #[command(subcommand)]
    Packages(PackageCommand),
    /// List, rename and remove classes
    #[command(subcommand)]
    Classes(ClassCommand),
    /// List and remove what was taught here, by bursts (a burst is what one press taught)
    #[command(subcommand)]
    Samples(SampleCommand),
}

#[derive(Subcommand, Clone, Debug)]
pub enum PackageCommand {
    /// The package that runs, the one before, and those that were refused
    List,
    /// Go back to the package before, with what was taught since, at the next start
    Back,
    /// Take refused packages again where they are offered, at the next start
    Retry,
}

#[derive(Subcommand, Clone, Debug)]
pub enum ClassCommand {
    /// The classes in order, with their samples
    List,
    /// Give a class another name; what was taught stays
    Rename { from: String, to: String },
    /// Forget a class and all its samples
    Remove { class: String },
}

#[derive(Subcommand, Clone, Debug)]
pub enum SampleCommand {
    /// The bursts in the order they were taught
    List,
    /// Forget these bursts
    Remove(Bursts),
    /// Keep these bursts and no longer learn from them
    Aside(Bursts),
    /// Learn again from bursts that were set aside
    Use(Bursts),
}

#[derive(clap::Args, Clone, Debug)]
pub struct Bursts {
    /// Numbers of `samples list`, such as 4 or 7-9
    #[arg(required = true, value_name = "BURST", value_parser = numbers)]
    bursts: Vec<std::ops::RangeInclusive<u32>>,
}

impl Bursts {
    pub fn numbers(self) -> Vec<u32> {
        self.bursts.into_iter().flatten().collect()
    }
}

impl Arguments {
    /// Prints help or wrong usage itself and leaves with 0 or 2, as clap does.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self::parse_from(arguments)
    }
}

impl Options {
    /// The configuration file with what the command line says put over it.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = match (&self.config, &self.package) {
            (Some(path), _) => Config::read(path)?,
            (None, None) if std::path::Path::new(PLACE).exists() => Config::read(PLACE.as_ref())?,
            (None, _) => Config::default(),
        };
        let camera = &mut config.camera;
        if let Some(source) = &self.camera {
            camera.source = source.clone();
        }
        camera.fps = self.fps.or(camera.fps);
        camera.shake = self.shake.unwrap_or(camera.shake);
        camera.seed = self.seed.unwrap_or(camera.seed);
        let burst = &mut config.burst;
        burst.frames = self.burst.unwrap_or(burst.frames);
        burst.seconds = self.burst_seconds.unwrap_or(burst.seconds);
        burst.fewest = burst.fewest.min(burst.frames);
        if self.panel == Some(PanelKind::None) {
            config.panel = panel::Settings::default();
        }
        if !self.trust.is_empty() {
            config.trust.keys = self.trust.clone();
        }
        config.trust.unsigned = self.unsigned;
        config.trust.allow_downgrade = self.allow_downgrade;
        config.plain_tract = self.plain_tract;
        config.log = self.log.unwrap_or(config.log);
        config.package = self.package.clone().or(config.package);
        config.state = self.state.clone().or(config.state);
        config.check().map_err(ConfigError::Together)?;
        Ok(config)
    }
}

/// Says what is wrong with the command line, and leaves with 2.
pub fn wrong_usage(text: &str) -> ! {
    let kind = ErrorKind::MissingRequiredArgument;
    Arguments::command().error(kind, text).exit()
}

/// One number, or the first and the last of some.
fn numbers(text: &str) -> Result<std::ops::RangeInclusive<u32>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last && last - first < 100_000 => Ok(first..=last),
        _ => Err("give a number such as 4, or the first and the last such as 7-9".into()),
    }
}

/// Frames a second or seconds.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.01..=1000.0).contains(&value) => Ok(value),
        _ => Err("give a number from 0.01 to 1000".into()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("give a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_numbers_and_ranges() {
        let read = |text: &str| numbers(text).map(Iterator::collect::<Vec<u32>>);
        assert_eq!(read("4"), Ok(vec![4]));
        assert_eq!(read("7-9"), Ok(vec![7, 8, 9]));
        for bad in ["", "-", "9-7", "a", "1-4294967295", "-3"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        Arguments::command().debug_assert();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "package = 'a.llp'\nstate = 's'\n[burst]\nframes = 4").unwrap();
        let read = |more: &[&str]| {
            let path = path.to_str().unwrap();
            let start = ["lastlayerd", "--config", path];
            let arguments = Arguments::read(start.iter().chain(more).map(OsString::from));
            arguments.options.config().unwrap()
        };
        let file = read(&[]);
        assert_eq!(file.package, Some(folder.path().join("a.llp")));
        assert_eq!((file.burst.frames, file.burst.fewest), (4, 3));
        let both = read(&["--package", "b.llp", "--burst", "2"]);
        assert_eq!(both.package, Some("b.llp".into()));
        assert_eq!(both.state, Some(folder.path().join("s")));
        assert_eq!(both.trust, crate::trust::Settings::default());
        let trusting = read(&["--trust", "a.pub", "--trust", "b.pub", "--unsigned"]).trust;
        assert_eq!(trusting.keys, ["a.pub", "b.pub"].map(PathBuf::from));
        assert!(trusting.unsigned && !trusting.allow_downgrade);
        assert_eq!((both.burst.frames, both.burst.fewest), (2, 2));
        assert_eq!(both.burst.seconds, 2.0);
    }

    #[test]
    fn what_the_two_say_together_is_checked_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "[camera]\nformat = 'MJPG'").unwrap();
        for (more, expected) in [
            (
                ["--camera", "folder:x"],
                "camera.format: photos have their own",
            ),
            (["--camera", "rpicam"], "camera.format: a CSI camera"),
        ] {
            let words = ["lastlayerd", "check", "--config", path.to_str().unwrap()];
            let words = words.iter().chain(&more).map(OsString::from);
            let error = Arguments::read(words).options.config().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
