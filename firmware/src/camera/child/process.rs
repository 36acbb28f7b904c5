//! A child process that ends when it is dropped, with all its own children, and is waited for:
//! none is left over to hold the camera. It gets a process group of its own, so that Ctrl-C at the
//! terminal reaches this program first, which then ends it in order.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use lastlayer_shared::error::plain;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{super::CameraError, launch::Launch};

/// What a camera's program may take to let go of the camera before it is killed.
const GRACE: Duration = Duration::from_millis(400);
/// How often is looked whether it has ended.
const POLL: Duration = Duration::from_millis(10);
/// Of what it says, so many characters of the last line are kept.
const LINE: usize = 300;
/// As much as a pipe holds is a flood: reading it at full speed would take a whole core.
const FLOOD: usize = 1 << 16;
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

pub struct Process {
    child: Child,
    /// Leads the process group.
    group: Option<Pid>,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// The child, and what it writes.
    pub fn start(launch: &Launch) -> Result<(Self, ChildStdout), CameraError> {
        let mut failed = None;
        for program in &launch.programs {
            let child = Command::new(program)
                .args(&launch.arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .spawn();
            match child {
                Ok(child) => return Self::attend(child).map_err(|e| cannot_start(launch, e)),
                // The one that is named first is missed.
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        let error = failed.unwrap_or_else(|| io::ErrorKind::NotFound.into());
        Err(cannot_start(launch, error))
    }

    fn attend(mut child: Child) -> io::Result<(Self, ChildStdout)> {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // From here on dropping it ends it.
        let process = Self {
            child,
            group,
            said: Arc::default(),
        };
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (stdout, stderr) = (stdout.ok_or_else(missing)?, stderr.ok_or_else(missing)?);
        let said = process.said.clone();
        thread::Builder::new()
            .name("camera-errors".into())
            .spawn(move || listen(stderr, &said))?;
        Ok((process, stdout))
    }

    /// What it said last, as the end of a message; empty where it said nothing.
    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.is_empty() {
            true => String::new(),
            false => format!("; it said: {}", *said),
        }
    }

    /// It ended; what it has left in its pipe may still come.
    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// How it ended, when it has closed its output: it may take a moment more.
    pub fn status(&mut self) -> String {
        let status = match self.wait(GRACE) {
            Some(status) => status.to_string(),
            None => "it closed its output".into(),
        };
        // Its last words come through another pipe.
        let listening = |said: &Arc<Mutex<String>>| Arc::strong_count(said) > 1;
        let start = Instant::now();
        while listening(&self.said) && start.elapsed() < GRACE / 4 {
            thread::sleep(POLL);
        }
        status
    }

    fn wait(&mut self, most: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if start.elapsed() >= most {
                return None;
            }
            thread::sleep(POLL);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It fails only where nobody is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Programs of cameras let go of them properly when they are asked to.
        self.signal(Signal::TERM);
        let ended = self.wait(GRACE).is_some();
        // Also where it ended by itself: its children may not have. Nobody else can have got the
        // group's number while it has members, and an empty one is an error that is passed over.
        self.signal(Signal::KILL);
        if !ended {
            let _ = self.child.wait();
        }
    }
}

fn cannot_start(launch: &Launch, source: io::Error) -> CameraError {
    CameraError::Start {
        program: launch.programs.join(" or "),
        source,
        advice: launch.advice,
    }
}

/// Reads on to the end, so that the child never waits for a reader, and keeps the last line.
fn listen(mut stderr: ChildStderr, said: &Mutex<String>) {
    let (mut buffer, mut line) = (vec![0; FLOOD], Vec::new());
    loop {
        let length = match stderr.read(&mut buffer) {
            Ok(length) if length > 0 => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            _ => return keep(&mut line, said),
        };
        for byte in &buffer[..length] {
            match byte {
                b'\n' | b'\r' => keep(&mut line, said),
                _ if line.len() < LINE => line.push(*byte),
                _ => {}
            }
        }
        if length >= FLOOD / 2 {
            thread::sleep(FLOOD_PAUSE);
        }
    }
}

/// An empty line is none.
fn keep(line: &mut Vec<u8>, said: &Mutex<String>) {
    let text = plain(&String::from_utf8_lossy(line));
    line.clear();
    if !text.is_empty() {
        *said.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}
