//! What the program says while it runs: one JSON object a line on its standard output, or plain
//! lines through `tracing` on its standard error, where `RUST_LOG` chooses how much.

use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
    time::Duration,
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing::Level;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// What `RUST_LOG` knows this program by.
const TARGET: &str = "lastlayerd";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For a person: verdicts only when they change.
    #[default]
    Text,
    /// One JSON object a line, every verdict.
    Json,
}

/// In JSON `event` names the variant.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event<'a> {
    Ready {
        package_version: u64,
        backbone: &'a str,
        classes: &'a [String],
        samples: &'a [usize],
        /// The class that `teach` teaches at first.
        #[serde(skip_serializing_if = "Option::is_none")]
        selected: Option<&'a str>,
        /// The self-test's largest relative difference.
        self_test: f64,
        load_ms: f64,
    },
    /// What became of a package: `installed`, `refused`, `back`, `proved`, and while that goes on
    /// `moving` and `note`.
    Package {
        /// Seconds since the start; by the scene's clock for `proved` where there is a scene.
        time: f64,
        step: &'static str,
        text: &'a str,
    },
    State {
        time: f64,
        state: &'static str,
    },
    Selected {
        time: f64,
        class: &'a str,
    },
    Verdict {
        /// Counts watched frames from 0.
        frame: u64,
        /// Seconds since the start, by the scene's clock where there is a scene.
        time: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        photo: Option<&'a str>,
        class: &'a str,
        confidence: f32,
        /// Frame in to verdict out, milliseconds.
        ms: f64,
    },
    /// The steady verdict, when it changes: what lights and outputs follow.
    Shown {
        time: f64,
        class: &'a str,
        confidence: f32,
    },
    Learned {
        time: f64,
        class: &'a str,
        samples: usize,
        /// What it costs other classes could be judged.
        checked: bool,
        classes: &'a [String],
        counts: &'a [usize],
        store_ms: f64,
        train_ms: f64,
    },
    Undone {
        time: f64,
        class: &'a str,
        samples: usize,
    },
    ClassAdded {
        time: f64,
        class: &'a str,
    },
    /// Classes or samples were changed from outside the panel.
    Kept {
        time: f64,
        change: &'a str,
        classes: &'a [String],
        counts: &'a [usize],
    },
    /// The network's last layer was retrained on the samples, and is used from now on where they found
    /// it better.
    Tuned {
        time: f64,
        better: bool,
        samples: usize,
        /// How often it saw every sample; 0 where it is not used.
        passes: usize,
        seconds: f64,
        /// For a person.
        text: String,
    },
    Refused {
        time: f64,
        reason: String,
    },
    /// The camera delivers, at the start or again; or it is lost, and is tried again.
    Camera {
        time: f64,
        delivers: bool,
        text: String,
    },
    /// Something is not as it should be, and watching goes on.
    Warning {
        time: f64,
        warning: String,
    },
    Stopped {
        frames: u64,
        /// Frames that came while another was looked at.
        dropped: u64,
        /// Frames that came and could not be read.
        broken: u64,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("the log cannot be written: {0}")]
pub struct LogError(#[from] io::Error);

impl LogError {
    /// The reader has gone, as in `lastlayerd ... | head`.
    pub fn nobody_reads(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

/// Plain lines on standard error, as much as `RUST_LOG` asks for. Call it once.
pub fn start_tracing(format: LogFormat) {
    // With JSON all that happens is on standard output already.
    let usual = match format {
        LogFormat::Text => LevelFilter::INFO,
        LogFormat::Json => LevelFilter::ERROR,
    };
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = filter(&asked);
    let wrong = filter.is_none() && !asked.is_empty();
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(usual));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time();
    // Somebody else's is as good.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
    if wrong {
        tracing::warn!(
            target: TARGET,
            "RUST_LOG={asked:?} is no filter and is passed over; give a level such as debug, or \
             {TARGET}=debug"
        );
    }
}

/// `None` where it is none, or lets nothing of ours through without saying `off`: any word is the
/// name of some module to `Targets`.
fn filter(asked: &str) -> Option<Targets> {
    // Nothing asked for: for `Targets` that is everything there is.
    if asked.is_empty() {
        return None;
    }
    let filter: Targets = asked.parse().ok()?;
    let silent = !filter.would_enable(TARGET, &Level::ERROR);
    (!silent || asked.contains("off")).then_some(filter)
}

pub struct Log<W> {
    /// For JSON.
    out: W,
    format: LogFormat,
}

impl<W: Write> Log<W> {
    pub fn new(out: W, format: LogFormat) -> Self {
        Self { out, format }
    }

    pub fn write(&mut self, event: &Event<'_>) -> Result<(), LogError> {
        match self.format {
            LogFormat::Json => {
                let line = serde_json::to_string(event).map_err(io::Error::from)?;
                writeln!(self.out, "{line}")?;
                self.out.flush()?;
            }
            LogFormat::Text => match event.level() {
                Level::DEBUG => tracing::debug!(target: TARGET, "{event}"),
                Level::WARN => tracing::warn!(target: TARGET, "{event}"),
                _ => tracing::info!(target: TARGET, "{event}"),
            },
        }
        Ok(())
    }

    pub fn warn(&mut self, now: Duration, warnings: Vec<String>) -> Result<(), LogError> {
        let time = now.as_secs_f64();
        warnings
            .into_iter()
            .try_for_each(|warning| self.write(&Event::Warning { time, warning }))
    }
}

impl Event<'_> {
    fn level(&self) -> Level {
        match self {
            Event::Verdict { .. } => Level::DEBUG,
            Event::Warning { .. }
            | Event::Package {
                step: "refused" | "back" | "note",
                ..
            }
            | Event::Camera {
                delivers: false, ..
            } => Level::WARN,
            _ => Level::INFO,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Ready { classes: [], .. } => write!(
                out,
                "ready; no classes yet: hold `next` (key a) to add one, then press `teach`"
            ),
            Event::Ready {
                classes,
                samples,
                selected,
                ..
            } => {
                let list: Vec<String> = classes
                    .iter()
                    .zip(*samples)
                    .map(|(c, n)| format!("{c} ({n})"))
                    .collect();
                write!(
                    out,
                    "ready; classes with their samples: {}; `teach` now teaches {}",
                    list.join(", "),
                    selected.unwrap_or_default()
                )
            }
            Event::Package { time, step, text } => {
                write!(out, "{time:8.2}  package {step}: {text}")
            }
            Event::State { state, time } => write!(out, "{time:8.2}  {state}"),
            Event::Selected { class, time } => {
                write!(out, "{time:8.2}  `teach` now teaches {class}")
            }
            Event::Verdict {
                frame,
                class,
                confidence,
                time,
                ..
            } => write!(
                out,
                "{time:8.2}  frame {frame}: {class} ({:.0}%)",
                confidence * 100.0
            ),
            Event::Shown {
                class,
                confidence,
                time,
            } => write!(out, "{time:8.2}  {class} ({:.0}%)", confidence * 100.0),
            Event::Learned {
                class,
                samples,
                checked,
                time,
                train_ms,
                store_ms,
                ..
            } => write!(
                out,
                "{time:8.2}  learned {samples} samples of {class} in {:.0} ms{}",
                store_ms + train_ms,
                match checked {
                    true => "",
                    false =>
                        "; what it costs others cannot be judged before a class has two bursts",
                }
            ),
            Event::Undone {
                class,
                samples,
                time,
            } => write!(
                out,
                "{time:8.2}  forgot the last {samples} samples of {class}"
            ),
            Event::ClassAdded { class, time } => {
                write!(out, "{time:8.2}  added {class}; `teach` now teaches it")
            }
            Event::Kept { change, time, .. } => write!(out, "{time:8.2}  {change}"),
            Event::Tuned { text, time, .. } => write!(out, "{time:8.2}  {text}"),
            Event::Refused { reason, time } => write!(out, "{time:8.2}  refused: {reason}"),
            Event::Camera { text, time, .. } => write!(out, "{time:8.2}  {text}"),
            Event::Warning { warning, time } => write!(out, "{time:8.2}  {warning}"),
            Event::Stopped {
                frames,
                dropped,
                broken,
            } => write!(
                out,
                "stopped after {frames} frames, {dropped} dropped, {broken} broken"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_silences_by_mistake_is_none() {
        for good in [
            "debug",
            "warn",
            "lastlayerd=debug",
            "off",
            "ureq=debug,info",
        ] {
            assert!(filter(good).is_some(), "{good}");
        }
        for bad in ["", "verbose", "daemon=debug", "debug=debug=debug", "5!"] {
            assert!(filter(bad).is_none(), "{bad}");
        }
    }
}
