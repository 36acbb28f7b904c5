//! A whole board under QEMU. The program on it is met as on a real one: through its camera, its
//! lines, its disk, and the power.
//!
//! Whatever happens, nothing is left running: QEMU ends with this value, and with this process.
//! Everything waits for a bounded time. What the machine says is kept with the time at which it
//! came; every kind of line has a journal of its own, in which looking for one passes over those
//! before it.

mod agent;
mod channel;
mod journal;
mod qemu;
mod qmp;
mod qtest;

use std::{
    collections::BTreeMap,
    path::Path,
    process::Child,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::image::{Disk, Image};
pub use agent::Done;
use channel::{Listeners, Said, Source, follow};
pub use journal::Journal;
use qtest::Lines;
pub use qtest::{Level, Reply};

/// From QEMU's start to a guest that answers; a machine with other work takes its time.
const BOOT: Duration = Duration::from_secs(180);
/// QEMU itself.
const CONNECT: Duration = Duration::from_secs(20);
/// An answer of QEMU's.
const ANSWER: Duration = Duration::from_secs(20);
/// Of each journal, in an error.
const LAST_LINES: usize = 5;

/// A running board.
pub struct Machine {
    qemu: Child,
    /// Sockets; goes with the machine.
    _folder: tempfile::TempDir,
    said: Receiver<(Instant, Said)>,
    lines: Lines,
    agent: channel::Writer,
    answers: Journal<Value>,
    qtest_replies: Journal<Reply>,
    /// Events of the agent: `ready`, `ended` with `code`, `no-camera`.
    pub agent_events: Journal<Value>,
    /// What lastlayerd printed on stdout: objects where it was JSON, strings where not.
    pub events: Journal<Value>,
    /// What lastlayerd printed on stderr, line by line.
    pub errors: Journal<String>,
    /// The kernel's console.
    pub console: Journal<String>,
    /// Changes of output lines.
    pub levels: Journal<Level>,
    /// From QEMU's start to a guest that answers.
    pub boot_time: Duration,
}

impl Machine {
    /// Boots an image with a disk at `/data`, and waits until the guest answers.
    pub fn boot(image: &Image, disk: &Disk) -> Result<Self> {
        let begin = Instant::now();
        let folder = tempfile::Builder::new().prefix("board-").tempdir()?;
        let listeners = Listeners::new(folder.path())?;
        let mut qemu = Guarded(Some(qemu::start(image, disk, folder.path())?));
        let (send, said) = channel();
        let mut streams = listeners.accept(CONNECT, || qemu.pause(folder.path()))?;
        let (agent, path) = (
            streams.writer(Source::Agent)?,
            qmp::find_gpio(streams.take(Source::Qmp)?, ANSWER)?,
        );
        let lines = Lines::new(streams.writer(Source::Qtest)?, path);
        for source in Source::FOLLOWED {
            follow(source, streams.take(source)?, Sender::clone(&send))?;
        }
        let mut machine = Self {
            qemu: qemu.release()?,
            _folder: folder,
            said,
            lines,
            agent,
            answers: Journal::default(),
            qtest_replies: Journal::default(),
            agent_events: Journal::default(),
            events: Journal::default(),
            errors: Journal::default(),
            console: Journal::default(),
            levels: Journal::default(),
            boot_time: Duration::ZERO,
        };
        machine.watch_lines()?;
        machine.wait("the guest", BOOT, |machine| {
            machine.agent_events.find(|event| event["event"] == "ready")
        })?;
        machine.boot_time = begin.elapsed();
        Ok(machine)
    }

    /// Takes the next thing that the machine says into its journal, and gives it. None when it says
    /// nothing for this time. An error when QEMU has ended.
    pub fn listen(&mut self, time: Duration) -> Result<Option<Said>> {
        let (at, said) = match self.said.recv_timeout(time) {
            Ok(said) => said,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("QEMU has ended{}", self.last_words()),
        };
        match said.clone() {
            Said::Agent(value) if value.get("answer").is_some() => self.answers.add(at, value),
            Said::Agent(value) => self.agent_events.add(at, value),
            Said::Event(value) => self.events.add(at, value),
            Said::Error(line) => self.errors.add(at, line),
            Said::Console(line) => self.console.add(at, line),
            Said::Level(level) => self.levels.add(at, level),
            Said::Reply(reply) => self.qtest_replies.add(at, reply),
        }
        Ok(Some(said))
    }

    /// Listens until `find` finds something. An error names `what` after `time`, with what the
    /// machine said last.
    pub fn wait<T>(
        &mut self,
        what: &str,
        time: Duration,
        mut find: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + time;
        loop {
            if let Some(found) = find(self) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "waited {} s for {what}{}",
                time.as_secs(),
                self.last_words()
            );
            self.listen(left)?;
        }
    }

    /// Listens for a set time, whatever comes.
    pub fn pass(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.listen(left)?;
        }
    }

    /// The next event of lastlayerd with this name.
    pub fn wait_event(&mut self, name: &str, time: Duration) -> Result<Value> {
        self.wait(&format!("the event {name:?}"), time, |machine| {
            machine.events.find(|event| event["event"] == name)
        })
    }

    /// The next verdict for a class.
    pub fn wait_verdict(&mut self, class: &str, time: Duration) -> Result<Value> {
        self.wait(&format!("a verdict {class:?}"), time, |machine| {
            machine
                .events
                .find(|event| event["event"] == "verdict" && event["class"] == class)
        })
    }

    /// The next line of lastlayerd's stderr that contains this.
    pub fn wait_error(&mut self, part: &str, time: Duration) -> Result<String> {
        self.wait(&format!("an error with {part:?}"), time, |machine| {
            machine.errors.find(|line| line.contains(part))
        })
    }

    /// Pulls a line up, as a pressed button does that is wired to the supply.
    pub fn press(&mut self, line: u8) -> Result<()> {
        self.set_line(line, true)
    }

    pub fn release(&mut self, line: u8) -> Result<()> {
        self.set_line(line, false)
    }

    /// Presses a button for a time.
    pub fn press_for(&mut self, line: u8, time: Duration) -> Result<()> {
        self.press(line)?;
        self.pass(time)?;
        self.release(line)
    }

    /// Sets an input line of the board.
    pub fn set_line(&mut self, line: u8, high: bool) -> Result<()> {
        self.lines.set(line, high)?;
        self.qtest_answer()
    }

    /// The next change of a line that the board drives, to this level; when it came.
    pub fn wait_level(&mut self, line: u8, high: bool, time: Duration) -> Result<Instant> {
        let wanted = Level { line, high };
        let what = format!("line {line} to go {}", if high { "high" } else { "low" });
        self.wait(&what, time, |machine| {
            machine.levels.find_at(|level| *level == wanted)
        })
    }

    /// Whether a line that the board drives is high; before its first change it is low.
    pub fn is_high(&self, line: u8) -> bool {
        self.lights().contains(&(line, true))
    }

    /// Lines that the board has driven since it started, by number, and whether they are high.
    pub fn lights(&self) -> Vec<(u8, bool)> {
        let changes = self.levels.all().iter();
        let last: BTreeMap<u8, bool> = changes.map(|(_, level)| (level.line, level.high)).collect();
        last.into_iter().collect()
    }

    /// A power cut. The disk keeps what had reached it.
    pub fn cut_power(mut self) -> Result<()> {
        self.qemu.kill()?;
        self.qemu.wait()?;
        Ok(())
    }

    fn watch_lines(&mut self) -> Result<()> {
        self.lines.watch()?;
        self.qtest_answer()
    }

    fn qtest_answer(&mut self) -> Result<()> {
        let reply = self.wait("QEMU's qtest", ANSWER, |machine| {
            machine.qtest_replies.find(|_| true)
        })?;
        match reply {
            Reply::Ok => Ok(()),
            Reply::Failed(why) => bail!("QEMU refused to set a line: {why}"),
        }
    }

    /// What it said last, for an error.
    fn last_words(&self) -> String {
        let last = |lines: Vec<String>| {
            let from = lines.len().saturating_sub(LAST_LINES);
            lines[from..].join(" | ")
        };
        let text = |name: &str, lines: Vec<String>| match lines.is_empty() {
            true => String::new(),
            false => format!("; {name}: {}", last(lines)),
        };
        let shown = |journal: &Journal<Value>| -> Vec<String> {
            journal
                .all()
                .iter()
                .map(|(_, value)| value.to_string())
                .collect()
        };
        let plain = |journal: &Journal<String>| -> Vec<String> {
            journal.all().iter().map(|(_, line)| line.clone()).collect()
        };
        [
            text("the program's events", shown(&self.events)),
            text("its errors", plain(&self.errors)),
            text("the agent", shown(&self.agent_events)),
            text("the console", plain(&self.console)),
        ]
        .concat()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// QEMU before it belongs to a machine.
struct Guarded(Option<Child>);

impl Guarded {
    /// Waits a moment. An error with QEMU's reason when it has ended.
    fn pause(&mut self, folder: &Path) -> Result<()> {
        let child = self.0.as_mut().context("QEMU is gone")?;
        if let Some(status) = child.try_wait()? {
            let said = std::fs::read_to_string(folder.join(qemu::COMPLAINTS)).unwrap_or_default();
            bail!("QEMU ended ({status}): {}", said.trim());
        }
        thread::sleep(Duration::from_millis(20));
        Ok(())
    }

    fn release(&mut self) -> Result<Child> {
        self.0.take().context("QEMU is gone")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
