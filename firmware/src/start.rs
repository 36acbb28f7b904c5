//! From the configuration to a board that watches: opens everything in order, so that whatever is
//! wrong is said before watching starts.

use std::{
    error::Error,
    io::{BufWriter, ErrorKind, Write, stderr, stdout},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use lastlayer_shared::{
    backbone::Backbone,
    error::one_line,
    file::{self, FileError},
    package::{MAX_SIZE, Package},
};

use crate::{
    camera::{CameraAddress, FolderCamera, Keeper},
    cli::{Options, PanelKind, wrong_usage},
    config::{Config, ConfigError},
    feed::{Feed, LiveFeed, SceneFeed},
    log::{Event, Log, start_tracing},
    look::Looker,
    memory::{Memory, MemoryError},
    outputs::{self, Outputs},
    owner,
    panel::{
        ButtonPin, Keyboard, LightPin, Lights, LightsThread, Panel, PanelLink,
        gpio::{self, Listing, Opener},
    },
    scene::Scene,
    service::Service,
    session::{Rules, Session},
    show::Show,
    smoothing::Smoothing,
    stop::Stop,
    storage,
    teachings::Teachings,
    trainer::Trainer,
    trust,
    upkeep::Server,
    watch::Watch,
};

const MAX_SCENE: u64 = 1 << 20;
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

pub fn run(options: &Options, config: Config) -> anyhow::Result<()> {
    let start = Instant::now();
    let Some(package) = &config.package else {
        wrong_usage("which package? Give --package FILE, or a configuration with --config FILE");
    };
    let scene = match (&options.scene, &config.camera.source) {
        (Some(scene), CameraAddress::Folder(folder)) => Some((scene, folder)),
        (Some(_), _) => {
            wrong_usage("a scene shows folders of photos: give --camera folder:DIR with --scene")
        }
        (None, _) => None,
    };
    start_tracing(config.log);
    if let Some(state) = &config.state {
        owner::not_as_root(state)?;
    }
    let (package, id) = open_package(package, &config.trust)?;
    let backbone = Backbone::load(&package.backbone, &package.preprocess).map_err(lasting)?;
    let mut embedder = backbone.embedder().map_err(lasting)?;
    let self_test = package.run_self_test(&mut embedder).map_err(lasting)?;
    let version = package.version;
    let storage = storage::open(config.state.as_deref()).map_err(MemoryError::from);
    let memory = storage.and_then(|storage| {
        Memory::open(storage, "", backbone.id(), backbone.width(), config.memory)
    });
    let mut memory = memory.map_err(|error| match error {
        MemoryError::OtherBackbone | MemoryError::Damaged { .. } | MemoryError::Older => {
            lasting(error).into()
        }
        // Without a folder there is nobody to ask who owns it.
        error => owner::explain(error, config.state.as_deref().unwrap_or(Path::new(""))),
    })?;
    let trust = &config.trust;
    let newer = trust.check_version(memory.installed(), version);
    newer.map_err(lasting)?;
    let mut warnings = trust.warnings();
    if let Err(error) = memory.install(version) {
        // A full disk does not keep a board from watching.
        warnings.push(format!("the package's version is not remembered: {error}"));
    }
    let teachings = Teachings::new(package, id, memory);
    let mut trainer = Trainer::new(
        teachings,
        backbone.width(),
        config.camera.view,
        config.guard,
    );
    let knowledge = trainer.start()?;
    warnings.extend(trainer.warnings());
    // From here on there is something to lose.
    let stop = Stop::on_signals().context("signals cannot be waited for")?;
    let keys = options.panel == Some(PanelKind::Keyboard);
    let mut panel = PanelParts::open(&config, keys, &mut warnings)?;
    warnings.extend(config.panel.strangers(&knowledge.classes));
    warnings.extend(outputs::strangers(&config.outputs, &knowledge.classes));
    let mut feed: Box<dyn Feed> = match scene {
        Some((scene, folder)) => Box::new(scene_feed(scene, folder, &config)?),
        None => {
            let camera = Keeper::start(&config.camera)?;
            Box::new(LiveFeed::start(camera, panel.buttons.take())?)
        }
    };
    let mut log = Log::new(BufWriter::new(stdout()), config.log);
    log.write(&Event::Ready {
        package_version: version,
        backbone: backbone.id(),
        classes: &knowledge.classes,
        samples: &knowledge.counts,
        selected: knowledge.classes.first().map(String::as_str),
        self_test,
        load_ms: start.elapsed().as_secs_f64() * 1e3,
    })?;
    let server = config.state.as_deref().and_then(|folder| {
        let failed = |error| {
            let what = "`lastlayerd classes` and `samples` cannot reach this program";
            warnings.push(format!("{what}: {error}"));
        };
        Server::start(folder).map_err(failed).ok()
    });
    if keys {
        // Nothing can be done where it cannot be said.
        let _ = writeln!(stderr(), "{}", Keyboard::KEYS);
        if config.state.is_none() {
            warnings.push("without --state what is taught is gone when this ends".into());
        }
    }
    log.warn(Duration::ZERO, warnings)?;
    let (jobs, reports) = trainer.spawn(knowledge.clone())?;
    let rules = Rules {
        burst: config.burst,
        long_press: config.panel.long_press(),
    };
    let show = Show::new(
        Smoothing::new(config.verdict),
        panel.lights,
        panel.outputs,
        panel.link,
        Service::of_environment(),
    );
    let mut watch = Watch {
        session: Session::new(rules, knowledge.classes.clone()),
        looker: Looker::new(backbone.preprocess().clone(), config.camera.view, embedder),
        burst: config.burst,
        knowledge,
        jobs,
        reports,
        waiting: None,
        outstanding: false,
        server,
        show,
        patience: config.camera.timeout(),
        log,
        frames: 0,
    };
    watch.run(feed.as_mut(), options.frames, &stop)
}

/// With the hash of its file.
fn open_package(path: &Path, whose: &trust::Settings) -> anyhow::Result<(Package, String)> {
    let bytes = file::read(path, MAX_SIZE).map_err(|error| match &error {
        // A disk may be mended, and a right be given.
        FileError::Read { source, .. } if source.kind() != ErrorKind::NotFound => error.into(),
        _ => anyhow::Error::from(lasting(error)),
    })?;
    let package = trust::open_package(&bytes, whose).map_err(|error| {
        let reason = one_line(&error);
        ConfigError::Unusable(format!("{}: {reason}", path.display()))
    })?;
    Ok((package, file::sha256(&bytes)))
}

/// For what a person has to put right: starting again does not help.
fn lasting(error: impl Error) -> ConfigError {
    ConfigError::Unusable(one_line(&error))
}

fn scene_feed(path: &Path, folder: &Path, config: &Config) -> anyhow::Result<SceneFeed> {
    let place = || format!("{}", path.display());
    let text = String::from_utf8(file::read(path, MAX_SCENE)?).with_context(place)?;
    // Some editors write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let scene: Scene = text.parse().with_context(place)?;
    let camera = FolderCamera::empty(folder, config.camera.shake, config.camera.seed);
    Ok(SceneFeed::new(camera, scene, config.camera.folder_fps()))
}

/// The panel and the outputs: what of them could be had.
struct PanelParts {
    buttons: Option<Panel<ButtonPin>>,
    link: PanelLink,
    lights: LightsThread,
    outputs: Outputs,
    /// Gives the terminal back when it goes.
    _keyboard: Option<Keyboard>,
}

impl PanelParts {
    fn open(config: &Config, keys: bool, warnings: &mut Vec<String>) -> anyhow::Result<Self> {
        let wires = !config.panel.is_empty() || config.outputs.iter().any(|o| o.line.is_some());
        let listing = match wires {
            true => gpio::list(),
            false => Listing::default(),
        };
        let mut opener = Opener::new(&listing);
        let opened = config.panel.open(&mut opener);
        warnings.extend(opened.warnings);
        let chip = config.panel.chip.as_deref();
        let (pins, missing) = outputs::open(&config.outputs, chip, &mut opener);
        warnings.extend(missing);
        let mut buttons = opened.buttons;
        let keyboard = match keys {
            true => {
                let (keyboard, keys) = Keyboard::start(config.panel.long_press())
                    .context("the keyboard cannot be read")?;
                buttons.extend(keys);
                Some(keyboard)
            }
            false => None,
        };
        let panel = config.panel.panel(buttons);
        let lights: Lights<LightPin> = opened.lights;
        let name = config.name.clone().unwrap_or_else(|| {
            let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
            name.trim().to_owned()
        });
        Ok(Self {
            link: panel.link(),
            buttons: Some(panel),
            lights: LightsThread::start(lights)?,
            outputs: Outputs::start(&name, config.outputs.clone(), pins)?,
            _keyboard: keyboard,
        })
    }
}
