//! `cargo xtask board`: a board on a person's terminal. What lastlayerd prints scrolls by above one
//! line that shows the board's lights, what is before its camera, and the keys.

mod keys;
mod terminal;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use super::{
    CONFIGURATION,
    site::{Site, folder},
};
use crate::{
    image::{Disk, Image},
    machine::Machine,
};
use keys::{Key, Press};
use terminal::{Status, Terminal};

/// Between two looks at the keys.
const GLANCE: Duration = Duration::from_millis(30);

#[derive(Args, Clone, Debug)]
pub struct Board {
    #[command(flatten)]
    pub site: Site,
    /// The arguments of lastlayerd, in place of a configuration
    #[arg(long, conflicts_with = "config")]
    pub arguments: Option<String>,
    /// A configuration file of lastlayerd in place of xtask/guest/lastlayerd.toml; the package is
    /// /site.llp in the board, its disk /data
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Forget what was taught to this board before
    #[arg(long)]
    pub fresh: bool,
}

/// How lastlayerd is started.
enum Start {
    Arguments(String),
    Configuration(String),
}

impl Board {
    /// Runs until the person quits.
    pub fn run(&self) -> Result<()> {
        let start = match (&self.config, &self.arguments) {
            (None, None) => Start::Configuration(CONFIGURATION.into()),
            (_, Some(arguments)) => Start::Arguments(arguments.clone()),
            (Some(path), _) => Start::Configuration(
                fs::read_to_string(path)
                    .with_context(|| format!("{} cannot be read", path.display()))?,
            ),
        };
        let (image, photos) = self.site.image_and_names()?;
        let disk = disk(&folder().join("disk.img"), self.fresh)?;
        let mut terminal = Terminal::new()?;
        loop {
            terminal.say("the board boots; this takes about ten seconds");
            let machine = boot(&image, &disk)?;
            let mut session = Session {
                machine,
                held: Vec::new(),
                status: Status::new(&photos),
            };
            session.begin(&start)?;
            match session.run(&start, &photos, &mut terminal)? {
                End::Quit => {
                    terminal.say("the board shuts down");
                    return session.machine.shut_down();
                }
                End::PowerCut => {
                    session.machine.cut_power()?;
                    terminal.say("the power is cut");
                }
            }
        }
    }
}

fn disk(path: &Path, fresh: bool) -> Result<Disk> {
    if fresh {
        Disk::new(path)
    } else {
        Disk::kept(path)
    }
}

fn boot(image: &Image, disk: &Disk) -> Result<Machine> {
    Machine::boot(image, disk).context("the board does not boot")
}

enum End {
    Quit,
    PowerCut,
}

/// From a boot to an end.
struct Session {
    machine: Machine,
    /// Buttons that go up at a time.
    held: Vec<(Instant, u8)>,
    status: Status,
}

impl Session {
    fn begin(&mut self, start: &Start) -> Result<()> {
        self.machine.show(&self.status.photos[0])?;
        self.start(start)
    }

    fn start(&mut self, start: &Start) -> Result<()> {
        match start {
            Start::Arguments(arguments) => self.machine.start(arguments),
            Start::Configuration(text) => self.machine.start_with(text),
        }
    }

    fn run(&mut self, start: &Start, photos: &[String], terminal: &mut Terminal) -> Result<End> {
        loop {
            while let Some(key) = terminal.key(photos.len()) {
                match key {
                    Key::Quit => return Ok(End::Quit),
                    Key::PowerCut => return Ok(End::PowerCut),
                    key => {
                        // What the board refuses is told, and the board goes on.
                        if let Err(error) = self.act(key, start) {
                            terminal.say(&format!("{error:#}"));
                        }
                    }
                }
            }
            self.release_due()?;
            self.machine.listen(GLANCE)?;
            self.tell(terminal);
            self.status.lights = self.machine.lights();
            terminal.show(&self.status);
        }
    }

    fn act(&mut self, key: Key, start: &Start) -> Result<()> {
        match key {
            Key::Press(Press { line, time }) => {
                ensure!(
                    self.held.iter().all(|(_, held)| *held != line),
                    "this button is held already"
                );
                self.machine.press(line)?;
                self.held.push((Instant::now() + time, line));
            }
            Key::Show(number) => {
                ensure!(self.status.camera, "the camera is away: P brings it back");
                self.machine.show(&self.status.photos[number])?;
                self.status.shown = number;
            }
            Key::Unplug => {
                self.machine.unplug_camera()?;
                self.status.camera = false;
            }
            Key::Plug => {
                self.machine.plug_camera()?;
                self.status.camera = true;
            }
            Key::Start => self.start(start)?,
            Key::Quit | Key::PowerCut => {}
        }
        Ok(())
    }

    fn release_due(&mut self) -> Result<()> {
        let now = Instant::now();
        let (due, held) = self.held.iter().partition(|(at, _)| *at <= now);
        self.held = held;
        let due: Vec<(Instant, u8)> = due;
        due.iter()
            .try_for_each(|(_, line)| self.machine.release(*line))
    }

    /// Prints what came since the last time.
    fn tell(&mut self, terminal: &mut Terminal) {
        for (_, event) in self.machine.events.unseen() {
            match event {
                Value::String(line) => terminal.say(line),
                other => terminal.say(&other.to_string()),
            }
        }
        for (_, line) in self.machine.errors.unseen() {
            terminal.say(line);
        }
        for (_, event) in self.machine.agent_events.unseen() {
            if let Some(code) = event["code"].as_i64() {
                terminal.say(&format!(
                    "lastlayerd has ended with {code}; r starts it again"
                ));
            }
        }
        self.machine.events.skip();
        self.machine.errors.skip();
        self.machine.agent_events.skip();
    }
}
