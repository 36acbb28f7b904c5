//! From options to a board that watches: opens everything in order, so that whatever is wrong is
//! said before watching starts.

use std::{
    io::{BufWriter, Write, stderr, stdout},
    time::{Duration, Instant},
};

use anyhow::Context;
use lastlayer_shared::{
    backbone::Backbone,
    file,
    package::{MAX_SIZE, Package},
};

use crate::{
    camera::{CameraAddress, FolderCamera, FrameSource, V4l2Camera},
    cli::{Options, PanelKind, wrong_usage},
    config::Config,
    feed::{Feed, LiveFeed, SceneFeed},
    log::{Event, Log, start_tracing},
    memory::Memory,
    panel::{Keyboard, Panel},
    scene::Scene,
    service::Service,
    session::{Rules, Session},
    stop::Stop,
    teachings::Teachings,
    trainer::Trainer,
    upkeep::Server,
    watch::Watch,
};

const MAX_SCENE: u64 = 1 << 20;

pub fn run(options: &Options, config: Config) -> anyhow::Result<()> {
    let start = Instant::now();
    let Some(package) = &config.package else {
        wrong_usage("which package? Give --package FILE, or a configuration with --config FILE");
    };
    let Some(camera) = &options.camera else {
        wrong_usage("which camera? Give --camera, or a configuration with --config FILE");
    };
    if options.scene.is_some() && !matches!(camera, CameraAddress::Folder(_)) {
        wrong_usage("a scene shows folders of photos: give --camera folder:DIR with --scene");
    }
    start_tracing(config.log);
    let bytes = file::read(package, MAX_SIZE)?;
    let package = Package::from_bytes(&bytes).with_context(|| format!("{}", package.display()))?;
    let backbone = Backbone::load(&package.backbone, &package.preprocess)?;
    let mut embedder = backbone.embedder()?;
    let self_test = package.run_self_test(&mut embedder)?;
    let version = package.version;
    let memory = Memory::open(config.state.as_deref(), backbone.id(), backbone.width())?;
    let folder = memory.folder().map(ToOwned::to_owned);
    let teachings = Teachings::new(package, file::sha256(&bytes), memory);
    let mut trainer = Trainer::new(teachings, backbone.width());
    let knowledge = trainer.start()?;
    // From here on there is something to lose.
    let stop = Stop::on_signals().context("signals cannot be waited for")?;
    let (mut feed, _keyboard) = feed(options, camera)?;
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
    let mut warnings = trainer.warnings();
    let server = folder.and_then(|folder| {
        Server::start(&folder)
            .map_err(|error| {
                warnings.push(format!(
                    "`lastlayerd classes` and `samples` cannot reach this program: {error}"
                ));
            })
            .ok()
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
        long_press: Duration::from_secs(2),
    };
    let service = Service::of_environment();
    service.ready();
    let mut watch = Watch {
        session: Session::new(rules, knowledge.classes.clone()),
        preprocess: backbone.preprocess().clone(),
        embedder,
        knowledge,
        jobs,
        reports,
        outstanding: false,
        server,
        service,
        log,
        frames: 0,
    };
    watch.run(feed.as_mut(), options.frames, &stop)
}

/// The feed, and the keyboard that must outlive it.
fn feed(
    options: &Options,
    camera: &CameraAddress,
) -> anyhow::Result<(Box<dyn Feed>, Option<Keyboard>)> {
    if let (Some(path), CameraAddress::Folder(folder)) = (&options.scene, camera) {
        let place = || format!("{}", path.display());
        let text = String::from_utf8(file::read(path, MAX_SCENE)?).with_context(place)?;
        // Some editors write a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let scene: Scene = text.parse().with_context(place)?;
        let camera = FolderCamera::empty(folder, options.shake, options.seed);
        let feed = SceneFeed::new(camera, scene, options.fps);
        return Ok((Box::new(feed), None));
    }
    let (camera, pace): (Box<dyn FrameSource>, _) = match camera {
        CameraAddress::Folder(folder) => (
            Box::new(FolderCamera::open(folder, options.shake, options.seed)?),
            Some(Duration::from_secs_f64(1.0 / options.fps)),
        ),
        CameraAddress::V4l2(device) => (Box::new(V4l2Camera::open(device)?), None),
    };
    let (keyboard, panel) = match options.panel {
        Some(PanelKind::Keyboard) => {
            let (keyboard, pins) = Keyboard::start().context("the keyboard cannot be read")?;
            (Some(keyboard), Some(Panel::new(pins)))
        }
        _ => (None, None),
    };
    Ok((Box::new(LiveFeed::start(camera, pace, panel)?), keyboard))
}
