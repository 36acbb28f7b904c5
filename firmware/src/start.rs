//! From the configuration to a board that watches: opens everything in order, so that whatever is
//! wrong is said before watching starts.

use std::{
    io::{BufWriter, ErrorKind, Stdout, Write, stderr, stdout},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use lastlayer_shared::{
    backbone::BackboneError,
    error::one_line,
    file::{self, FileError},
    package::MAX_SIZE,
};

use crate::{
    camera::{CameraAddress, FolderCamera, Keeper},
    cli::{Options, PanelKind, wrong_usage},
    config::{Config, ConfigError},
    examiner::{Examiner, Opened},
    feed::{Feed, LiveFeed, SceneFeed},
    heap,
    log::{Event, Log, start_tracing},
    look::Looker,
    memory::{Memory, MemoryError},
    outputs::{self, Outputs},
    owner,
    panel::{
        ButtonPin, Keyboard, LightPin, Lights, LightsThread, Panel, PanelLink,
        blink::Once,
        gpio::{self, Listing, Opener},
    },
    scene::Scene,
    service::Service,
    session::{Rules, Session},
    show::Show,
    slots::{self, Examiner as _, Offer, Proof, Running, SettleError, Slots},
    smoothing::Smoothing,
    stop::Stop,
    storage,
    teachings::Teachings,
    trainer::{self, TrainError, Trainer, Tuner},
    upkeep::Server,
    watch::{TrainerEnded, Watch},
};

const WHICH: &str = "which package? Give --package FILE, or a configuration with --config FILE";
const MAX_SCENE: u64 = 1 << 20;
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

pub fn run(options: &Options, config: Config) -> anyhow::Result<()> {
    let began = Instant::now();
    if config.package.is_none() && config.state.is_none() {
        wrong_usage(WHICH);
    }
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
    // From here on there is something to lose.
    let stop = Stop::on_signals().context("signals cannot be waited for")?;
    let mut log = Log::new(BufWriter::new(stdout()), config.log);
    let mut warnings = config.trust.warnings();
    let keys = options.panel == Some(PanelKind::Keyboard);
    let panel = PanelParts::open(&config, keys, &mut warnings)?;
    let mut examiner = Examiner::new(
        &config.trust,
        config.update,
        config.operators(),
        &mut log,
        &stop,
    );
    let found = match &config.state {
        None => open_package(&config, &mut examiner),
        Some(state) => installed(&config, state, &mut examiner),
    };
    let refused = examiner.refused;
    if let Some(error) = examiner.failed {
        return Err(error.into());
    }
    let Some((running, slots)) = found? else {
        return Ok(());
    };
    let mut proof = Proof::new(slots, config.update.seconds);
    let start = Start {
        began,
        options,
        config: &config,
        scene,
        stop: &stop,
        panel,
        log,
        warnings,
        refused,
    };
    let ended = start.watch(running, &mut proof);
    // Whatever else ends it (a camera that is gone, a log that nobody reads), a package does not.
    let guilty = |error: &anyhow::Error| {
        error.is::<TrainError>() || error.is::<TrainerEnded>() || error.is::<BackboneError>()
    };
    if !ended.as_ref().is_err_and(guilty) {
        proof.is_innocent();
    }
    ended
}

/// What was opened before the package.
struct Start<'a> {
    began: Instant,
    options: &'a Options,
    config: &'a Config,
    scene: Option<(&'a PathBuf, &'a PathBuf)>,
    stop: &'a Stop,
    panel: PanelParts,
    log: Log<BufWriter<Stdout>>,
    warnings: Vec<String>,
    /// Another package runs than the one that should.
    refused: bool,
}

impl Start<'_> {
    /// Opens the rest, and watches until it ends.
    fn watch(self, running: Running<Opened>, proof: &mut Proof) -> anyhow::Result<()> {
        let Self {
            began,
            options,
            config,
            scene,
            stop,
            mut panel,
            mut log,
            mut warnings,
            refused,
        } = self;
        let Running { network, memory } = running;
        let Opened {
            version,
            starting,
            backbone,
            embedder,
            self_test,
        } = network;
        let teachings = Teachings::new(starting, memory);
        let trainer = Trainer::new(
            teachings,
            backbone.layout().clone(),
            config.camera.view,
            config.guard,
        );
        // A scene is the same on every machine, however long one takes for it.
        let tuner = match scene {
            None => {
                let source = source(config, proof.slots.as_ref());
                Tuner::new(config.tuning, source, config.operators())
            }
            Some(_) => None,
        };
        let mut trainer = trainer.tuning(tuner);
        let knowledge = trainer.start()?;
        warnings.extend(trainer.warnings());
        warnings.extend(config.panel.strangers(&knowledge.classes));
        warnings.extend(outputs::strangers(&config.outputs, &knowledge.classes));
        let mut feed: Box<dyn Feed> = match scene {
            Some((scene, folder)) => Box::new(scene_feed(scene, folder, config)?),
            None => {
                let camera = Keeper::start(&config.camera)?;
                Box::new(LiveFeed::start(camera, panel.buttons.take())?)
            }
        };
        log.write(&Event::Ready {
            package_version: version,
            backbone: backbone.id(),
            classes: &knowledge.classes,
            samples: &knowledge.counts,
            selected: knowledge.classes.first().map(String::as_str),
            self_test,
            load_ms: began.elapsed().as_secs_f64() * 1e3,
        })?;
        let server = config.state.as_deref().and_then(|folder| {
            let failed = |error| {
                let what = "`lastlayerd classes` and `samples` cannot reach this program";
                warnings.push(format!("{what}: {error}"));
            };
            Server::start(folder).map_err(failed).ok()
        });
        if options.panel == Some(PanelKind::Keyboard) {
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
            Smoothing::new(config.verdict.clone()),
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
            unfamiliar_below: config.verdict.unfamiliar_below,
            patience: config.camera.timeout(),
            log,
            frames: 0,
            proof,
        };
        // The runner has what it needs of it, also when another network comes in its place.
        drop(backbone);
        heap::give_back();
        if refused {
            watch.show.once(Once::PackageRefused);
        }
        watch.run(feed.as_mut(), options.frames, stop)
    }
}

type Examined<'a> = Examiner<'a, BufWriter<Stdout>>;
/// `None`: it was ended before anything could be watched.
type Found = Option<(Running<Opened>, Option<Slots>)>;

/// Without a state folder the package that is named is the one that runs.
fn open_package(config: &Config, examiner: &mut Examined<'_>) -> anyhow::Result<Found> {
    let path = config.package.as_deref().context(WHICH)?;
    let bytes = read_package(path)?;
    let opened = examiner.verify(&bytes, None);
    let opened = opened.and_then(|(_, package)| examiner.load(package));
    let network =
        opened.map_err(|why| ConfigError::Unusable(format!("{}: {why}", path.display())))?;
    drop(bytes);
    let (id, width) = (network.backbone.id(), network.backbone.width());
    let storage = storage::open(None).map_err(MemoryError::from)?;
    let memory = Memory::open(storage, "", id, width, config.memory)?;
    Ok(Some((Running { network, memory }, None)))
}

/// With a state folder the package that is named is an offer: what is installed runs.
fn installed(config: &Config, state: &Path, examiner: &mut Examined<'_>) -> anyhow::Result<Found> {
    let unusable = |error: MemoryError| match error {
        MemoryError::OtherBackbone | MemoryError::Damaged { .. } | MemoryError::Older => {
            ConfigError::Unusable(one_line(&error)).into()
        }
        error => owner::explain(error, state),
    };
    let storage = storage::open(Some(state)).map_err(MemoryError::from);
    let slots = storage.and_then(|storage| Slots::open(storage, config.memory));
    let mut slots = slots.map_err(unusable)?;
    let offer = match &config.package {
        None => None,
        Some(path) => Some(Offer {
            name: path.display().to_string(),
            file: match read_package(path) {
                Ok(bytes) => Ok(bytes),
                Err(error) if slots.running().is_none() && slots.damage().is_none() => {
                    return Err(error);
                }
                Err(error) => Err(one_line(error.as_ref())),
            },
        }),
    };
    match slots::settle(&mut slots, offer, examiner) {
        Ok(running) => Ok(Some((running, Some(slots)))),
        Err(SettleError::Memory(error)) => Err(unusable(error)),
        Err(error @ (SettleError::Nothing | SettleError::Unusable(_))) => {
            Err(ConfigError::Unusable(one_line(&error)).into())
        }
        // As it was asked to.
        Err(SettleError::Stopped) => Ok(None),
    }
}

/// Where the package that runs is read again.
fn source(config: &Config, slots: Option<&Slots>) -> trainer::Source {
    let gone = || "its file is not there any more".to_string();
    match (slots, config.package.clone()) {
        (Some(slots), _) => {
            let read = slots.reader();
            Box::new(move || read().map_err(|error| one_line(&error))?.ok_or_else(gone))
        }
        (None, Some(path)) => {
            Box::new(move || file::read(&path, MAX_SIZE).map_err(|error| one_line(&error)))
        }
        (None, None) => Box::new(move || Err(gone())),
    }
}

fn read_package(path: &Path) -> anyhow::Result<Vec<u8>> {
    file::read(path, MAX_SIZE).map_err(|error| match &error {
        // A disk may be mended, and a right be given.
        FileError::Read { source, .. } if source.kind() != ErrorKind::NotFound => error.into(),
        // Starting again does not help.
        _ => ConfigError::Unusable(one_line(&error)).into(),
    })
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
