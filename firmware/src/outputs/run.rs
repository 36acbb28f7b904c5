//! Commands and webhooks: what one output runs, on a thread of its own, so that neither watching nor
//! another output waits for it.
//!
//! A command is started directly, not through a shell. What it prints, on either stream, goes to our
//! standard error (the journal, as a service): our standard output is the log. After its time it is
//! killed with all that it started in its process group. A webhook is tried once; there is no retry,
//! the next verdict is newer.

use std::{
    io::{self, ErrorKind, Write, stderr},
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};

use lastlayer_shared::error::one_line;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Settings, address, program};
use crate::rarely::Rarely;

/// Verdicts that may wait for a command or a webhook to be done.
pub const QUEUE: usize = 8;
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The way to one output's thread.
pub struct Queue {
    pub name: String,
    pub sender: SyncSender<String>,
    pub rarely: Rarely,
}

impl Queue {
    /// Never waits: where the queue is full, the message is dropped, and a warning may come of it.
    pub fn offer(&mut self, now: Duration, message: String) -> Option<String> {
        let Err(TrySendError::Full(_)) = self.sender.try_send(message) else {
            return None;
        };
        let text = format!(
            "{}: {QUEUE} verdicts wait for it already, and this one is dropped; make what it runs \
             faster, or at_most_every_seconds longer",
            self.name
        );
        self.rarely.say(now, text)
    }
}

/// What one output runs.
pub struct Runner {
    name: String,
    command: Option<Vec<String>>,
    webhook: Option<(ureq::Agent, String)>,
    timeout: Duration,
    /// Ends what is running.
    stop: Arc<AtomicBool>,
}

impl Runner {
    pub fn new(name: String, settings: &Settings, stop: Arc<AtomicBool>) -> Self {
        let webhook = settings.webhook.clone();
        Self {
            name,
            command: settings.command.clone(),
            webhook: webhook.map(|address| (agent(settings.timeout()), address)),
            timeout: settings.timeout(),
            stop,
        }
    }

    /// Runs for every message, until there will be no more.
    pub fn follow(&self, messages: &Receiver<String>, warn: &Sender<String>) {
        let start = Instant::now();
        let mut rarely = Rarely::default();
        for message in messages {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            for failure in self.run(&message) {
                let text = format!("{}: {failure}", self.name);
                if let Some(text) = rarely.say(start.elapsed(), text) {
                    // Who does not listen does not mind.
                    let _ = warn.send(text);
                }
            }
        }
    }

    /// What failed, each on one line.
    pub fn run(&self, message: &str) -> Vec<String> {
        let command = self.command.as_ref();
        let command = command.map(|command| run(command, message, self.timeout, &self.stop));
        let webhook = self.webhook.as_ref();
        let webhook = webhook.map(|(agent, address)| post(agent, address, message));
        let results = command.into_iter().chain(webhook);
        results.filter_map(Result::err).collect()
    }
}

fn run(
    command: &[String],
    message: &str,
    timeout: Duration,
    stop: &AtomicBool,
) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let start = Instant::now();
    let mut child = spawn(program, arguments).map_err(|error| match error.kind() {
        ErrorKind::NotFound => program::missing(program),
        ErrorKind::PermissionDenied => program::forbidden(program),
        _ => format!("{program:?} cannot be run: {error}"),
    })?;
    if let Some(mut input) = child.stdin.take() {
        // A message is far smaller than a pipe, so this does not wait; and a command need not read.
        let _ = input.write_all(message.as_bytes());
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(match (status.code(), status.signal()) {
                    (Some(code), _) => {
                        format!(
                            "{program:?} ended with exit status {code}; what it printed says why"
                        )
                    }
                    (None, Some(signal)) => format!("{program:?} was ended by signal {signal}"),
                    (None, None) => format!("{program:?} ended: {status}"),
                });
            }
            Ok(None) => {}
            Err(error) => return Err(format!("{program:?} cannot be waited for: {error}")),
        }
        let late = start.elapsed() >= timeout;
        if late || stop.load(Ordering::Relaxed) {
            kill(&mut child);
            return Err(match late {
                true => format!(
                    "{program:?} was still running after {} s and was killed; make it faster, or \
                     timeout_seconds longer",
                    timeout.as_secs_f64()
                ),
                false => format!("{program:?} was killed, because lastlayerd ends"),
            });
        }
        thread::sleep(LOOK);
    }
}

fn spawn(program: &str, arguments: &[String]) -> io::Result<Child> {
    let ours = stderr().as_fd().try_clone_to_owned()?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(ours.try_clone()?))
        .stderr(Stdio::from(ours))
        // A group of its own: to be killed with all that it started, and out of reach of Ctrl-C.
        .process_group(0)
        .spawn()
}

/// With its group; one that has ended meanwhile is none to kill.
fn kill(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

fn agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        // A verdict goes where the settings say and nowhere else.
        .max_redirects(0)
        .proxy(None)
        .http_status_as_error(false)
        .user_agent(concat!("lastlayerd/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn post(agent: &ureq::Agent, address: &str, message: &str) -> Result<(), String> {
    let place = address::place(address);
    let request = agent.post(address).content_type("application/json");
    let answer = request
        .send(message)
        .map_err(|error| format!("{place} was not reached: {}", one_line(&error)))?;
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        code @ 300..=399 => Err(format!(
            "{place} answers {code}: it is elsewhere now; give its new address in the settings"
        )),
        code => Err(format!(
            "{place} answers {code}; its server refuses the verdict"
        )),
    }
}

#[cfg(test)]
mod tests;
