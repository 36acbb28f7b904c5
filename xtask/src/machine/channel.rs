//! The lines between this program and QEMU: sockets at which QEMU calls when it starts, so that no
//! line is lost before somebody listens.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::qtest::{self, Level, Reply};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Agent,
    Out,
    Err,
    Console,
    Qtest,
    Qmp,
}

impl Source {
    pub const ALL: [Self; 6] = [
        Self::Agent,
        Self::Out,
        Self::Err,
        Self::Console,
        Self::Qtest,
        Self::Qmp,
    ];
    /// Those of which every line is taken as it comes.
    pub const FOLLOWED: [Self; 5] = [
        Self::Agent,
        Self::Out,
        Self::Err,
        Self::Console,
        Self::Qtest,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Out => "out",
            Self::Err => "err",
            Self::Console => "console",
            Self::Qtest => "qtest",
            Self::Qmp => "qmp",
        }
    }

    pub fn path(self, folder: &Path) -> PathBuf {
        folder.join(self.name())
    }
}

/// A line that the machine said.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The agent; an answer has `answer`, an event `event`.
    Agent(Value),
    /// lastlayerd on stdout; a string where it is no JSON.
    Event(Value),
    /// lastlayerd on stderr.
    Error(String),
    Console(String),
    /// A line that the board drives changed.
    Level(Level),
    Reply(Reply),
}

impl Said {
    /// None for a line that says nothing.
    fn parse(source: Source, line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        match source {
            _ if line.is_empty() => None,
            Source::Agent => serde_json::from_str(line).ok().map(Self::Agent),
            Source::Out => Some(Self::Event(
                serde_json::from_str(line).unwrap_or_else(|_| line.into()),
            )),
            Source::Err => Some(Self::Error(line.into())),
            Source::Console | Source::Qmp => Some(Self::Console(line.into())),
            Source::Qtest => qtest::parse(line),
        }
    }
}

pub type Writer = UnixStream;

/// Where QEMU calls.
pub struct Listeners(Vec<(Source, UnixListener)>);

impl Listeners {
    pub fn new(folder: &Path) -> Result<Self> {
        let listen = |source: Source| {
            let listener = UnixListener::bind(source.path(folder))?;
            listener.set_nonblocking(true)?;
            Ok((source, listener))
        };
        Source::ALL
            .into_iter()
            .map(listen)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Waits until QEMU has called at all. `pause` waits a moment, and says when that is in vain.
    pub fn accept(self, time: Duration, mut pause: impl FnMut() -> Result<()>) -> Result<Streams> {
        let end = Instant::now() + time;
        let mut streams = HashMap::new();
        while streams.len() < self.0.len() {
            ensure!(Instant::now() < end, "QEMU does not connect");
            for (source, listener) in &self.0 {
                if let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(false)?;
                    streams.insert(*source, stream);
                }
            }
            pause()?;
        }
        Ok(Streams(streams))
    }
}

/// What QEMU called with.
pub struct Streams(HashMap<Source, UnixStream>);

impl Streams {
    pub fn take(&mut self, source: Source) -> Result<UnixStream> {
        let stream = self.0.remove(&source);
        stream.with_context(|| format!("QEMU has no line {}", source.name()))
    }

    /// The other direction of a line.
    pub fn writer(&self, source: Source) -> Result<Writer> {
        let stream = self.0.get(&source);
        let stream = stream.with_context(|| format!("QEMU has no line {}", source.name()))?;
        Ok(stream.try_clone()?)
    }
}

/// Sends every line that comes, until QEMU ends or nobody listens.
pub fn follow(source: Source, stream: UnixStream, to: Sender<(Instant, Said)>) -> Result<()> {
    let name = format!("machine-{}", source.name());
    let read = move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0) {
            let at = Instant::now();
            if let Some(said) = Said::parse(source, &String::from_utf8_lossy(&line))
                && to.send((at, said)).is_err()
            {
                return;
            }
            line.clear();
        }
    };
    thread::Builder::new().name(name).spawn(read)?;
    Ok(())
}

/// Writes a line.
pub fn tell(stream: &mut Writer, line: &str) -> Result<()> {
    stream
        .write_all(format!("{line}\n").as_bytes())
        .context("QEMU does not take a line; has it ended?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_their_source_makes_them() {
        let event = Said::parse(Source::Out, "{\"event\":\"ready\"}\r\n");
        assert_eq!(
            event,
            Some(Said::Event(serde_json::json!({"event": "ready"})))
        );
        let text = Said::parse(Source::Out, "car 99%\n");
        assert_eq!(text, Some(Said::Event("car 99%".into())));
        let error = Said::parse(Source::Err, "error: no camera\n");
        assert_eq!(error, Some(Said::Error("error: no camera".into())));
        assert_eq!(Said::parse(Source::Agent, "half a li"), None);
        assert_eq!(Said::parse(Source::Console, "\r\n"), None);
        let level = Said::parse(Source::Qtest, "IRQ raise 4\n");
        assert_eq!(
            level,
            Some(Said::Level(Level {
                line: 4,
                high: true
            }))
        );
    }
}
