//! The main loop: frames become verdicts, presses become bursts, and a new head is live on the
//! next frame.

use std::{
    io::{BufWriter, Write, stderr, stdout},
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use anyhow::Context;
use lastlayer_shared::{
    backbone::{Backbone, Embedder},
    file,
    frame::Frame,
    package::{MAX_SIZE, Package},
    preprocess::Preprocess,
    verdict::Verdict,
    view::View,
};

use crate::{
    camera::{CameraAddress, CameraNews, Capture, FolderCamera, Keeper},
    cli::{Options, PanelKind},
    feed::{Feed, LiveFeed, SceneFeed},
    log::{Event, Log},
    memory::Memory,
    panel::{Keyboard, Panel},
    scene::Scene,
    session::{Action, BurstRules, Session, State},
    stop::Stop,
    trainer::{Job, Knowledge, Outcome, Report, Trainer},
};

/// Fewer frames than this teach nothing that lasts.
const FEWEST_FRAMES: usize = 3;
const MAX_SCENE: u64 = 1 << 20;
const TRAINER_ENDED: &str = "the training thread has ended; start lastlayerd again";

pub fn run(options: &Options) -> anyhow::Result<()> {
    let start = Instant::now();
    let bytes = file::read(&options.package, MAX_SIZE)?;
    let package =
        Package::from_bytes(&bytes).with_context(|| format!("{}", options.package.display()))?;
    let backbone = Backbone::load(&package.backbone, &package.preprocess)?;
    let mut embedder = backbone.embedder()?;
    let self_test = package.run_self_test(&mut embedder)?;
    let memory = Memory::open(options.state.as_deref(), backbone.id(), backbone.width())?;
    let version = package.version;
    let view = options.camera_settings().view;
    let id = file::sha256(&bytes);
    let mut trainer = Trainer::new(package, id, backbone.embedder()?, memory, view);
    let knowledge = trainer.start()?;
    // From here on there is something to lose.
    let stop = Stop::on_signals().context("signals cannot be waited for")?;
    // Whatever is wrong with the camera or the scene is said before watching starts.
    let (mut feed, _keyboard) = feed(options)?;
    let mut log = Log::new(BufWriter::new(stdout()), options.log);
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
    if options.panel == PanelKind::Keyboard {
        // Nothing can be done where it cannot be said.
        let _ = writeln!(stderr(), "{}", Keyboard::KEYS);
        if options.state.is_none() {
            warnings.push("without --state what is taught is gone when this ends".into());
        }
    }
    log.warn(Duration::ZERO, warnings)?;
    let (jobs, reports) = trainer.spawn(knowledge.clone())?;
    let full = options.burst as usize;
    let rules = BurstRules {
        full,
        longest: Duration::from_secs_f64(options.burst_seconds),
        fewest: FEWEST_FRAMES.min(full),
    };
    let mut watch = Watch {
        session: Session::new(rules, knowledge.classes.len()),
        preprocess: backbone.preprocess().clone(),
        view,
        embedder,
        knowledge,
        jobs,
        reports,
        outstanding: false,
        log,
        frames: 0,
    };
    watch.run(feed.as_mut(), options.frames, &stop)
}

/// The feed, and the keyboard that must outlive it.
fn feed(options: &Options) -> anyhow::Result<(Box<dyn Feed>, Option<Keyboard>)> {
    if let (Some(path), CameraAddress::Folder(folder)) = (&options.scene, &options.camera) {
        let place = || format!("{}", path.display());
        let text = String::from_utf8(file::read(path, MAX_SCENE)?).with_context(place)?;
        // Some editors write a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let scene: Scene = text.parse().with_context(place)?;
        let camera = FolderCamera::empty(folder, options.shake, options.seed);
        let feed = SceneFeed::new(camera, scene, options.fps);
        return Ok((Box::new(feed), None));
    }
    let camera = Keeper::start(&options.camera_settings())?;
    let (keyboard, panel) = match options.panel {
        PanelKind::None => (None, None),
        PanelKind::Keyboard => {
            let (keyboard, pins) = Keyboard::start().context("the keyboard cannot be read")?;
            (Some(keyboard), Some(Panel::new(pins)))
        }
    };
    Ok((Box::new(LiveFeed::start(camera, panel)?), keyboard))
}

struct Watch<W: Write> {
    session: Session,
    preprocess: Preprocess,
    view: View,
    embedder: Embedder,
    knowledge: Knowledge,
    jobs: Sender<Job>,
    reports: Receiver<Report>,
    /// A job was sent, and its report has not come yet.
    outstanding: bool,
    log: Log<W>,
    frames: u64,
}

impl<W: Write> Watch<W> {
    /// Watches until the feed ends, `most` frames were looked at, or `stop` is asked.
    fn run(&mut self, feed: &mut dyn Feed, most: Option<u64>, stop: &Stop) -> anyhow::Result<()> {
        let mut now = Duration::ZERO;
        let ended = self.follow(feed, most, stop, &mut now);
        ended.and(self.finish(now))?;
        self.log.write(&Event::Stopped {
            frames: self.frames,
            dropped: feed.dropped(),
        })?;
        Ok(())
    }

    /// What was shown for teaching is still learned, however watching ended, and also where the log
    /// can no longer be written.
    fn finish(&mut self, now: Duration) -> anyhow::Result<()> {
        let before = self.session.state();
        let actions = self.session.stop(now);
        let mut result = self.act_all(actions, now);
        result = result.and(self.log_state(before, now));
        while self.outstanding {
            result = result.and(self.collect_reports(true, now));
        }
        result
    }

    fn follow(
        &mut self,
        feed: &mut dyn Feed,
        most: Option<u64>,
        stop: &Stop,
        now: &mut Duration,
    ) -> anyhow::Result<()> {
        while !stop.asked() && most.is_none_or(|most| self.frames < most) {
            let Some(moment) = feed.next()? else {
                break;
            };
            *now = moment.now;
            self.log.warn(moment.now, moment.warnings)?;
            for news in moment.camera {
                self.log.write(&Event::Camera {
                    time: moment.now.as_secs_f64(),
                    delivers: matches!(news, CameraNews::Back(_)),
                    text: news.to_string(),
                })?;
            }
            let start = Instant::now();
            let capture = moment.capture.as_ref();
            let crop = capture.map(|capture| self.preprocess.crop(&capture.frame, &self.view));
            let crop = crop.transpose()?;
            let before = self.session.state();
            let mut actions = Vec::new();
            for edge in moment.edges {
                actions.extend(self.session.edge(edge));
                actions.extend(self.session.tick(edge.at));
            }
            if let Some(crop) = &crop {
                self.session.frame(crop);
            }
            actions.extend(self.session.tick(moment.now));
            self.act_all(actions, moment.now)?;
            self.log_state(before, moment.now)?;
            if let (Some(capture), Some(crop)) = (capture, &crop) {
                self.look(capture, crop, start, moment.now)?;
            }
            self.collect_reports(feed.lockstep(), moment.now)?;
        }
        Ok(())
    }

    /// `start` is when the frame came.
    fn look(
        &mut self,
        capture: &Capture,
        crop: &Frame,
        start: Instant,
        now: Duration,
    ) -> anyhow::Result<()> {
        let embedding = self.embedder.embed_crop(crop)?;
        let verdict = Verdict::of(
            self.knowledge.head.as_deref(),
            &embedding,
            &self.knowledge.classes,
        );
        let event = Event::Verdict {
            frame: self.frames,
            time: now.as_secs_f64(),
            photo: capture.photo.as_deref(),
            class: &verdict.class,
            confidence: verdict.confidence,
            ms: start.elapsed().as_secs_f64() * 1e3,
        };
        self.frames += 1;
        Ok(self.log.write(&event)?)
    }

    /// Every one of them, also where the log of an earlier one could not be written.
    fn act_all(&mut self, actions: Vec<Action>, now: Duration) -> anyhow::Result<()> {
        let mut result = Ok(());
        for action in actions {
            result = result.and(self.act(action, now));
        }
        result
    }

    fn act(&mut self, action: Action, now: Duration) -> anyhow::Result<()> {
        let time = now.as_secs_f64();
        let job = match action {
            Action::Learn { class, crops } => Job::Learn { class, crops },
            Action::Undo => Job::Undo,
            Action::AddClass => Job::AddClass,
            Action::Selected { class } => {
                let class = self.knowledge.classes.get(class).map_or("", String::as_str);
                return Ok(self.log.write(&Event::Selected { time, class })?);
            }
            Action::Refused { reason } => {
                let reason = reason.to_string();
                return Ok(self.log.write(&Event::Refused { time, reason })?);
            }
        };
        self.jobs.send(job).ok().context(TRAINER_ENDED)?;
        self.outstanding = true;
        Ok(())
    }

    /// Takes what the trainer has done; waits for it where time stands still meanwhile.
    fn collect_reports(&mut self, wait: bool, now: Duration) -> anyhow::Result<()> {
        let report = match wait && self.outstanding {
            true => self.reports.recv().map_err(|_| TryRecvError::Disconnected),
            false => self.reports.try_recv(),
        };
        if let Err(TryRecvError::Empty) = report {
            return Ok(());
        }
        self.outstanding = false;
        let report = report.ok().context(TRAINER_ENDED)?;
        let Report {
            result,
            knowledge,
            warnings,
        } = report;
        self.log.warn(now, warnings)?;
        self.knowledge = knowledge;
        let before = self.session.state();
        let time = now.as_secs_f64();
        let classes = &self.knowledge.classes;
        let added = matches!(result, Ok(Outcome::ClassAdded { .. }));
        match &result {
            Ok(outcome) => {
                self.session.finished(classes.len(), added);
                self.log.write(&match outcome {
                    Outcome::Learned {
                        class,
                        samples,
                        embed_ms,
                        train_ms,
                    } => Event::Learned {
                        time,
                        class,
                        samples: *samples,
                        classes,
                        counts: &self.knowledge.counts,
                        embed_ms: *embed_ms,
                        train_ms: *train_ms,
                    },
                    Outcome::Undone { class, samples } => Event::Undone {
                        time,
                        class,
                        samples: *samples,
                    },
                    Outcome::ClassAdded { class } => Event::ClassAdded { time, class },
                })?;
            }
            Err(error) => {
                let action = self.session.failed(now, error.to_string());
                self.act(action, now)?;
            }
        }
        self.log_state(before, now)
    }

    fn log_state(&mut self, before: State, now: Duration) -> anyhow::Result<()> {
        let after = self.session.state();
        if after != before {
            self.log.write(&Event::State {
                time: now.as_secs_f64(),
                state: after.name(),
            })?;
        }
        Ok(())
    }
}
