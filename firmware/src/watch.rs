//! The main loop: frames become verdicts, presses become bursts, and a new head is live on the
//! next frame.

use std::{
    io::Write,
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use lastlayer_shared::{frame::Frame, verdict::Verdict};

use crate::{
    burst::{self, Shot},
    camera::{CameraNews, Capture},
    feed::Feed,
    log::{Event, Log},
    look::{Looker, Waiting},
    panel::blink::Once,
    session::{Action, Session, State},
    show::Show,
    slots::Proof,
    stop::Stop,
    trainer::{Finding, Job, Knowledge, Outcome, Report},
    upkeep::{Request, Server},
};

/// What a camera's side may be silent beyond its timeout before it counts as hanging.
const SILENCE: Duration = Duration::from_secs(5);

/// Whatever ended it, it may do so again with this package.
#[derive(Debug, thiserror::Error)]
#[error("the training thread has ended; start lastlayerd again")]
pub struct TrainerEnded;

pub struct Watch<'a, W: Write> {
    pub session: Session,
    pub looker: Looker,
    pub burst: burst::Settings,
    pub knowledge: Knowledge,
    pub jobs: Sender<Job>,
    pub reports: Receiver<Report>,
    /// A burst that becomes the panel's job when all of it was looked at.
    pub waiting: Option<Waiting>,
    /// The panel's job was sent, and its report has not come yet.
    pub outstanding: bool,
    pub server: Option<Server>,
    pub show: Show,
    /// Of the smoothing's settings.
    pub unfamiliar_below: f32,
    /// The camera's timeout.
    pub patience: Duration,
    pub log: Log<W>,
    pub frames: u64,
    pub proof: &'a mut Proof,
}

impl<W: Write> Watch<'_, W> {
    /// Watches until the feed ends, `most` frames were looked at, or `stop` is asked.
    pub fn run(
        &mut self,
        feed: &mut dyn Feed,
        most: Option<u64>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        let mut now = Duration::ZERO;
        let can_tell = self.knowledge.head.is_some();
        self.show.knows(can_tell);
        self.show
            .doing(self.session.state(), self.session.selected());
        self.show.ready();
        let ended = self.follow(feed, most, stop, &mut now);
        self.show.stopping();
        ended.and(self.finish(now))?;
        self.log.write(&Event::Stopped {
            frames: self.frames,
            dropped: feed.dropped(),
            broken: feed.broken(),
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
        result = result.and(self.catch_up(true));
        while self.outstanding {
            result = result.and(self.collect_reports(true, now));
        }
        result.and(Ok(self.log.warn(now, self.show.warnings())?))
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
            self.log.warn(moment.now, self.show.warnings())?;
            for news in moment.camera {
                self.camera(&news, moment.now)?;
            }
            let start = Instant::now();
            let capture = moment.capture.as_ref();
            let crop = capture.map(|capture| self.looker.crop(&capture.frame));
            let crop = crop.transpose()?;
            let before = self.session.state();
            let mut actions = Vec::new();
            for edge in moment.edges {
                let at = edge.at;
                actions.extend(self.session.edge(edge));
                actions.extend(self.session.tick(at));
            }
            self.act_all(actions, moment.now)?;
            self.log_state(before, moment.now)?;
            if let (Some(capture), Some(crop)) = (capture, crop) {
                // Where time stands still there is enough of it.
                let wait = self.session.collecting().is_some()
                    && !feed.lockstep()
                    && self.looker.should_wait(&self.burst);
                let embedding = match wait {
                    true => None,
                    false => self.look(capture, &crop, start, moment.now)?,
                };
                self.session.frame(Shot { crop, embedding });
            }
            let before = self.session.state();
            let actions = self.session.tick(moment.now);
            self.act_all(actions, moment.now)?;
            self.log_state(before, moment.now)?;
            self.catch_up(feed.lockstep())?;
            self.hear_requests();
            self.collect_reports(feed.lockstep(), moment.now)?;
            let alive = feed.silence() < self.patience + SILENCE;
            if !alive {
                // A camera that hangs may get the program killed; no package is to blame.
                self.proof.is_innocent();
            }
            self.show.turn(moment.now, alive);
        }
        Ok(())
    }

    fn camera(&mut self, news: &CameraNews, now: Duration) -> anyhow::Result<()> {
        let delivers = matches!(news, CameraNews::Back(_));
        self.session.camera(!delivers);
        self.show.camera(now, !delivers);
        self.log.write(&Event::Camera {
            time: now.as_secs_f64(),
            delivers,
            text: news.to_string(),
        })?;
        Ok(())
    }

    /// What is asked through the socket goes to the trainer, which owns what was taught.
    fn hear_requests(&mut self) {
        for (request, answer) in self.server.iter().flat_map(|s| s.requests.try_iter()) {
            if let Some(slots) = &mut self.proof.slots {
                if request == Request::Reset {
                    // What cannot go now goes when the package has proved itself.
                    let _ = slots.forget_spare();
                }
                if let Some(reply) = slots.answer(&request) {
                    let _ = answer.send(reply.map_err(|error| error.to_string()));
                    continue;
                }
            }
            // Where the trainer has ended, the answer's channel closes, and that is an answer.
            let _ = self.jobs.send(Job::Upkeep(request, answer));
        }
    }

    /// The package that runs has watched for a while.
    fn prove(&mut self, now: Duration) -> anyhow::Result<()> {
        let time = now.as_secs_f64();
        match self.proof.watched(now) {
            None => {}
            Some((version, Ok(()))) => self.log.write(&Event::Package {
                time,
                step: "proved",
                text: &format!("version {version} has proved itself"),
            })?,
            Some((version, Err(error))) => {
                let warning =
                    format!("that version {version} has proved itself is not remembered: {error}");
                self.log.write(&Event::Warning { time, warning })?;
            }
        }
        Ok(())
    }

    /// Looks at what is left of a burst, or at the next frame of it, and hands it on when all of it
    /// was looked at.
    fn catch_up(&mut self, all: bool) -> anyhow::Result<()> {
        let Some(mut burst) = self.waiting.take() else {
            return Ok(());
        };
        if !self.looker.catch_up(&mut burst, all)? {
            self.waiting = Some(burst);
            return Ok(());
        }
        self.send(Job::Learn {
            class: burst.class.clone(),
            edition: burst.edition,
            burst: burst.seen(),
        })
    }

    fn send(&mut self, job: Job) -> anyhow::Result<()> {
        self.jobs.send(job).map_err(|_| TrainerEnded)?;
        self.outstanding = true;
        Ok(())
    }

    /// Says what is seen; the frame's embedding, where it has one. `start` is when the frame came.
    fn look(
        &mut self,
        capture: &Capture,
        crop: &Frame,
        start: Instant,
        now: Duration,
    ) -> anyhow::Result<Option<Vec<f32>>> {
        let Some(sight) = self.looker.embed(crop)? else {
            self.log.warn(now, Vec::from_iter(self.looker.odd(now)))?;
            return Ok(None);
        };
        let classes = &self.knowledge.classes;
        let judgement = self.knowledge.judge(&sight);
        let judgement = judgement.filter(|said| said.is_known(self.unfamiliar_below));
        let answers = judgement.as_ref().map(|said| said.answers.as_slice());
        let verdict = Verdict::best(answers, classes);
        let shown = self.show.frame(now, self.frames, answers, classes);
        let event = Event::Verdict {
            frame: self.frames,
            time: now.as_secs_f64(),
            photo: capture.photo.as_deref(),
            class: &verdict.class,
            confidence: verdict.confidence,
            ms: start.elapsed().as_secs_f64() * 1e3,
        };
        self.frames += 1;
        self.log.write(&event)?;
        if let Some(Verdict { class, confidence }) = &shown {
            self.log.write(&Event::Shown {
                time: now.as_secs_f64(),
                class,
                confidence: *confidence,
            })?;
        }
        self.prove(now)?;
        Ok(Some(sight.embedding))
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
            Action::Learn {
                class,
                edition,
                shots,
            } => {
                self.waiting = Some(Waiting::new(class, edition, shots));
                return Ok(());
            }
            Action::Undo => Job::Undo,
            Action::AddClass => Job::AddClass,
            Action::Selected { class, index } => {
                self.show.once(Once::Selected(index));
                let class = class.as_str();
                return Ok(self.log.write(&Event::Selected { time, class })?);
            }
            Action::Refused { reason } => {
                self.show.once(Once::Refused);
                let reason = reason.to_string();
                return Ok(self.log.write(&Event::Refused { time, reason })?);
            }
        };
        self.send(job)
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
        let report = report.inspect_err(|_| self.outstanding = false);
        self.report(report.map_err(|_| TrainerEnded)?, now)
    }

    fn report(&mut self, report: Report, now: Duration) -> anyhow::Result<()> {
        let Report {
            of_panel,
            result,
            knowledge,
            warnings,
        } = report;
        self.log.warn(now, warnings)?;
        self.knowledge = knowledge;
        if let (Ok(Outcome::Tuned(_)), Some(tuned)) = (&result, &self.knowledge.tuned) {
            self.looker.look_with(tuned.backbone.embedder()?);
        }
        let before = self.session.state();
        let selected = self.session.selected().map(str::to_owned);
        let edition = self.knowledge.edition;
        self.session
            .classes_are(self.knowledge.classes.clone(), edition);
        let can_tell = self.knowledge.head.is_some();
        self.show.knows(can_tell);
        let time = now.as_secs_f64();
        let classes = &self.knowledge.classes;
        if of_panel {
            self.outstanding = false;
            if result.is_ok() {
                self.session.finished();
            }
        }
        if let Ok(Outcome::ClassAdded { class }) = &result {
            self.session.select(class);
        } else if selected.as_deref() != self.session.selected()
            && let Some(class) = self.session.selected()
        {
            // The selected class was removed or renamed, or is the first that there is.
            let place = classes.iter().position(|c| c == class).unwrap_or_default();
            self.show.once(Once::Selected(place));
            self.log.write(&Event::Selected { time, class })?;
        }
        match &result {
            Ok(outcome) => {
                if !matches!(outcome, Outcome::Tuned(_)) {
                    self.show.disk_full(false);
                }
                match outcome {
                    Outcome::Learned {
                        costs: Some(class), ..
                    } => {
                        self.show.once(Once::Costly(*class));
                    }
                    Outcome::Learned { crowded: true, .. } => self.show.once(Once::Crowded),
                    Outcome::Learned { .. } => self.show.once(Once::Learned),
                    Outcome::Undone { .. } => self.show.once(Once::Undone),
                    Outcome::ClassAdded { .. } => self.show.once(Once::ClassAdded),
                    Outcome::Kept { .. } | Outcome::Tuned(_) => {}
                }
                self.log.write(&match outcome {
                    Outcome::Learned {
                        class,
                        samples,
                        checked,
                        store_ms,
                        train_ms,
                        ..
                    } => Event::Learned {
                        time,
                        class,
                        samples: *samples,
                        checked: *checked,
                        classes,
                        counts: &self.knowledge.counts,
                        store_ms: *store_ms,
                        train_ms: *train_ms,
                    },
                    Outcome::Undone { class, samples } => Event::Undone {
                        time,
                        class,
                        samples: *samples,
                    },
                    Outcome::ClassAdded { class } => Event::ClassAdded { time, class },
                    Outcome::Tuned(tried) => Event::Tuned {
                        time,
                        better: self.knowledge.tuned.is_some(),
                        samples: tried.samples,
                        passes: match tried.finding {
                            Finding::Better { passes, .. } => passes,
                            _ => 0,
                        },
                        seconds: tried.seconds,
                        text: tried.to_string(),
                    },
                    Outcome::Kept { change } => Event::Kept {
                        time,
                        change,
                        classes,
                        counts: &self.knowledge.counts,
                    },
                })?;
            }
            // Whoever asked from outside was told.
            Err(_) if !of_panel => {}
            Err(error) => {
                if error.disk_is_full() {
                    self.show.disk_full(true);
                }
                let action = self.session.failed(now, error.to_string());
                self.act(action, now)?;
            }
        }
        self.log_state(before, now)
    }

    fn log_state(&mut self, before: State, now: Duration) -> anyhow::Result<()> {
        let after = self.session.state();
        let class = self.session.collecting().or(self.session.selected());
        self.show.doing(after, class);
        if after != before {
            self.log.write(&Event::State {
                time: now.as_secs_f64(),
                state: after.name(),
            })?;
        }
        Ok(())
    }
}
