//! The command line of `lastlayerd`.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    CommandFactory, Parser, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
    error::ErrorKind,
};

use crate::{
    camera::{CameraAddress, Settings},
    log::LogFormat,
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
        Examples:\n  \
        lastlayerd --package site.llp --camera /dev/video0 --panel keyboard --state ~/taught\n  \
        lastlayerd --package site.llp --camera folder:photos --scene story.scene --log json"
)]
pub struct Options {
    /// The package to run
    #[arg(long)]
    pub package: PathBuf,
    /// /dev/videoN; rpicam or argus, a CSI camera; pipe:COMMAND that writes MJPEG; or folder:DIR, photos
    #[arg(long, value_parser = OsStringValueParser::new().try_map(CameraAddress::try_from))]
    pub camera: CameraAddress,
    /// Where taught samples and the head are kept; without it they are gone at the end
    #[arg(long)]
    pub state: Option<PathBuf>,
    /// Timed lines `SECONDS show FOLDER`, `press BUTTON`, `release BUTTON`, `end`; needs folder:DIR,
    /// and presses the buttons itself
    #[arg(long, conflicts_with = "panel")]
    pub scene: Option<PathBuf>,
    /// Where the buttons are
    #[arg(long, value_enum, default_value_t = PanelKind::None)]
    pub panel: PanelKind,
    /// How verdicts and events are printed
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log: LogFormat,
    /// Frames a second that a folder camera gives
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub fps: f64,
    /// How much a folder camera shakes, 0 (not at all) to 1
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub shake: f32,
    /// Seed of the shake
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Stop after this many frames
    #[arg(long)]
    pub frames: Option<u64>,
    /// Frames that make a burst full
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub burst: u32,
    /// Seconds after which a burst ends even if it is not full
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub burst_seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PanelKind {
    None,
    /// Keys on the terminal that the program runs in.
    Keyboard,
}

impl Options {
    /// Prints help or wrong usage itself and leaves with 0 or 2, as clap does.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let options = Self::parse_from(arguments);
        if options.scene.is_some() && !matches!(options.camera, CameraAddress::Folder(_)) {
            let text = "a scene shows folders of photos: give --camera folder:DIR with --scene";
            Self::command()
                .error(ErrorKind::ArgumentConflict, text)
                .exit();
        }
        options
    }

    pub fn camera_settings(&self) -> Settings {
        Settings::from_options(self.camera.clone(), self.fps, self.shake, self.seed)
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
