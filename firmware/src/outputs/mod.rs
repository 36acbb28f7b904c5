//! What a verdict does: a wire, a command, a webhook. Told the steady verdict of every frame, it
//! never makes watching wait: wires have a thread, and so has everything that is run, behind a queue
//! that drops when it is full.
//!
//! A command and a webhook get the verdict as one JSON object (`Message`); docs/wiring.md has it.

mod address;
mod decide;
mod lines;
mod program;
mod run;
pub mod settings;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use embedded_hal::digital::OutputPin;
use lastlayer_shared::verdict::Verdict;
use serde::Serialize;

pub use decide::{Action, Decider};
pub use settings::{Settings, SettingsError, check};

use crate::panel::{LightPin, gpio::Opener};
use crate::rarely::Rarely;
use lines::{Lines, Wire};
use run::{QUEUE, Queue, Runner};

/// How long what is still running or waiting at the end may take.
const PATIENCE: Duration = Duration::from_millis(600);
/// How long it takes to be killed.
const KILLING: Duration = Duration::from_millis(300);

/// What a command and a webhook are told.
#[derive(Debug, Serialize)]
struct Message<'a> {
    /// The board's name.
    board: &'a str,
    /// Which `[[output]]` it is, from 1.
    output: usize,
    /// Counts what was sent since the program started, from 1; a gap is what was dropped.
    sequence: u64,
    /// A class, or `unknown`.
    class: &'a str,
    /// 0 to 1.
    confidence: f32,
    /// Frames watched before this one.
    frame: u64,
    /// Seconds since the program started.
    time: f64,
    /// Seconds since 1970 by the board's clock; wrong where nobody sets it.
    clock: f64,
}

struct Output {
    decider: Decider,
    /// Its place among the wires.
    wire: Option<usize>,
    queue: Option<Queue>,
}

pub struct Outputs {
    board: String,
    outputs: Vec<Output>,
    lines: Option<Lines>,
    sequence: u64,
    warnings: Receiver<String>,
    warn: Sender<String>,
    stop: Arc<AtomicBool>,
    /// Nothing is ever sent: it is closed when the last thread that runs something has ended.
    running: Receiver<()>,
}

/// Asks for the lines of outputs, `chip` being the panel's. One a place in `settings`, `None` where
/// there is no line or it could not be had, and a warning for each of the latter and for each
/// command that cannot be run.
pub fn open(
    settings: &[Settings],
    chip: Option<&str>,
    opener: &mut Opener<'_>,
) -> (Vec<Option<LightPin>>, Vec<String>) {
    let mut warnings = Vec::new();
    let pins = settings.iter().enumerate().map(|(place, settings)| {
        let line = settings.line.as_ref()?;
        let key = settings::key(place, settings);
        let chip = line.chip.as_deref().or(chip);
        let pin = opener.light(&key, chip, &line.line, line.active_low);
        pin.map_err(|error| warnings.push(format!("{key}: {error}")))
            .ok()
    });
    let pins = pins.collect();
    warnings.extend(programs(settings));
    (pins, warnings)
}

/// What is wrong with the outputs, in plain words, without touching a line or running anything.
pub fn problems(settings: &[Settings], chip: Option<&str>, opener: &mut Opener<'_>) -> Vec<String> {
    if let Err(error) = check(settings) {
        return vec![error.to_string()];
    }
    let problem = |(place, settings): (usize, &Settings)| {
        let line = settings.line.as_ref()?;
        let key = settings::key(place, settings);
        let chip = line.chip.as_deref().or(chip);
        let error = opener.place(&key, chip, &line.line, true).err()?;
        Some(format!("{key}: {error}"))
    };
    let lines = settings.iter().enumerate().filter_map(problem);
    lines.chain(programs(settings)).collect()
}

/// Commands whose programs are not there or may not be run.
fn programs(settings: &[Settings]) -> impl Iterator<Item = String> {
    settings.iter().enumerate().filter_map(|(place, settings)| {
        let problem = program::problem(settings.command.as_ref()?.first()?)?;
        Some(format!("{}: {problem}", settings::key(place, settings)))
    })
}

/// The keys of the outputs for this class.
pub fn naming(settings: &[Settings], class: &str) -> Vec<String> {
    let outputs = settings.iter().enumerate();
    let naming = outputs.filter(|(_, output)| output.class.as_deref() == Some(class));
    naming.map(|(i, output)| settings::key(i, output)).collect()
}

/// Classes that outputs name and the board does not have; they may come or be renamed.
pub fn strangers(settings: &[Settings], classes: &[String]) -> Vec<String> {
    let strange = |(place, output): (usize, &Settings)| {
        let class = output.class.as_ref()?;
        let known = class == lastlayer_shared::verdict::UNKNOWN || classes.contains(class);
        let key = settings::key(place, output);
        (!known).then(|| {
            format!(
                "{key}: the board has no such class yet; the output begins to work when it has one"
            )
        })
    };
    settings.iter().enumerate().filter_map(strange).collect()
}

impl Outputs {
    /// `pins` has one a place in `settings`, as `open` gives them; the settings have passed `check`.
    /// `board` is the name that messages bear.
    pub fn start<P: OutputPin + Send + 'static>(
        board: &str,
        settings: Vec<Settings>,
        pins: Vec<Option<P>>,
    ) -> io::Result<Self> {
        let (warn, warnings) = channel();
        let (alive, running) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut wires = Vec::new();
        let mut outputs = Vec::new();
        let pins = pins.into_iter().chain(std::iter::repeat_with(|| None));
        for ((place, settings), pin) in settings.into_iter().enumerate().zip(pins) {
            let name = settings::key(place, &settings);
            let wire = pin.map(|pin| {
                wires.push((name.clone(), pin));
                wires.len() - 1
            });
            let queue = match settings.runs() {
                true => Some(start_runner(name, &settings, &stop, &warn, &alive)?),
                false => None,
            };
            outputs.push(Output {
                decider: Decider::new(settings),
                wire,
                queue,
            });
        }
        let lines = match wires.is_empty() {
            true => None,
            false => Some(Lines::start(wires, warn.clone())?),
        };
        Ok(Self {
            board: board.into(),
            outputs,
            lines,
            sequence: 0,
            warnings,
            warn,
            stop,
            running,
        })
    }

    /// What the steady verdict of this frame does; never waits.
    pub fn frame(&mut self, now: Duration, frame: u64, verdict: &Verdict) {
        self.told(now, frame, Some(verdict));
    }

    /// Nothing is seen (the camera is lost): lines that follow a verdict go off.
    pub fn nothing_seen(&mut self, now: Duration) {
        self.told(now, 0, None);
    }

    /// What went wrong since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        self.warnings.try_iter().collect()
    }

    fn told(&mut self, now: Duration, frame: u64, verdict: Option<&Verdict>) {
        for (place, output) in self.outputs.iter_mut().enumerate() {
            for action in output.decider.frame(now, verdict) {
                let wire = match action {
                    Action::Level { on } => Wire::Level(on),
                    Action::Pulse { length } => Wire::Pulse(length),
                    Action::Run { verdict } => {
                        self.sequence += 1;
                        let message = Message {
                            board: &self.board,
                            output: place + 1,
                            sequence: self.sequence,
                            class: &verdict.class,
                            confidence: verdict.confidence,
                            frame,
                            time: now.as_secs_f64(),
                            clock: clock(),
                        };
                        let message = serde_json::to_string(&message);
                        if let (Some(queue), Ok(message)) = (&mut output.queue, message)
                            && let Some(warning) = queue.offer(now, message)
                        {
                            // We hold the other end.
                            let _ = self.warn.send(warning);
                        }
                        continue;
                    }
                };
                if let (Some(lines), Some(place)) = (&self.lines, output.wire) {
                    lines.tell(place, wire);
                }
            }
        }
    }
}

/// What waits is still run and lines go off; what takes too long is killed.
impl Drop for Outputs {
    fn drop(&mut self) {
        self.lines = None;
        self.outputs.clear();
        for patience in [PATIENCE, KILLING] {
            match self.running.recv_timeout(patience) {
                Err(RecvTimeoutError::Timeout) => self.stop.store(true, Ordering::Relaxed),
                _ => return,
            }
        }
    }
}

fn start_runner(
    name: String,
    settings: &Settings,
    stop: &Arc<AtomicBool>,
    warn: &Sender<String>,
    alive: &Sender<()>,
) -> io::Result<Queue> {
    let (sender, messages) = sync_channel(QUEUE);
    let runner = Runner::new(name.clone(), settings, stop.clone());
    let (warn, alive) = (warn.clone(), alive.clone());
    let thread = thread::Builder::new().name("output".into());
    thread.spawn(move || {
        runner.follow(&messages, &warn);
        drop(alive);
    })?;
    Ok(Queue {
        name,
        sender,
        rarely: Rarely::default(),
    })
}

fn clock() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // Before 1970 there were no boards.
    since.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests;
