//! What the program says while it runs: one JSON object a line, or one plain line.

use std::{
    io::{self, ErrorKind, Write},
    time::Duration,
};

use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person: verdicts only when they change.
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
    Learned {
        time: f64,
        class: &'a str,
        samples: usize,
        classes: &'a [String],
        counts: &'a [usize],
        embed_ms: f64,
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

pub struct Log<W> {
    out: W,
    format: LogFormat,
    last_class: Option<String>,
}

impl<W: Write> Log<W> {
    pub fn new(out: W, format: LogFormat) -> Self {
        Self {
            out,
            format,
            last_class: None,
        }
    }

    pub fn write(&mut self, event: &Event<'_>) -> Result<(), LogError> {
        let line = match self.format {
            LogFormat::Json => Some(serde_json::to_string(event).map_err(io::Error::from)?),
            LogFormat::Text => self.text(event),
        };
        if let Some(line) = line {
            writeln!(self.out, "{line}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    pub fn warn(&mut self, now: Duration, warnings: Vec<String>) -> Result<(), LogError> {
        let time = now.as_secs_f64();
        warnings
            .into_iter()
            .try_for_each(|warning| self.write(&Event::Warning { time, warning }))
    }

    fn text(&mut self, event: &Event<'_>) -> Option<String> {
        Some(match event {
            Event::Ready { classes: [], .. } => {
                "ready; no classes yet: hold `next` (key a) to add one, then press `teach`".into()
            }
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
                format!(
                    "ready; classes with their samples: {}; `teach` now teaches {}",
                    list.join(", "),
                    selected.unwrap_or_default()
                )
            }
            Event::State { state, time } => format!("{time:8.2}  {state}"),
            Event::Selected { class, time } => format!("{time:8.2}  `teach` now teaches {class}"),
            Event::Verdict {
                class,
                confidence,
                time,
                ..
            } => {
                if self.last_class.as_deref() == Some(class) {
                    return None;
                }
                self.last_class = Some((*class).into());
                format!("{time:8.2}  {class} ({:.0}%)", confidence * 100.0)
            }
            Event::Learned {
                class,
                samples,
                time,
                train_ms,
                embed_ms,
                ..
            } => format!(
                "{time:8.2}  learned {samples} samples of {class} in {:.0} ms",
                embed_ms + train_ms
            ),
            Event::Undone {
                class,
                samples,
                time,
            } => format!("{time:8.2}  forgot the last {samples} samples of {class}"),
            Event::ClassAdded { class, time } => {
                format!("{time:8.2}  added {class}; `teach` now teaches it")
            }
            Event::Refused { reason, time } => format!("{time:8.2}  refused: {reason}"),
            Event::Camera { text, time, .. } => format!("{time:8.2}  {text}"),
            Event::Warning { warning, time } => format!("{time:8.2}  warning: {warning}"),
            Event::Stopped { frames, dropped } => {
                format!("stopped after {frames} frames, {dropped} dropped")
            }
        })
    }
}
