//! The wires of outputs, on a thread of their own: a pulse ends in time, however long the network
//! takes for a frame.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use embedded_hal::digital::OutputPin;

use super::decide::LineState;
use crate::panel::lamp::Lamp;

/// How long to wait where no pulse is on.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wire {
    Level(bool),
    Pulse(Duration),
}

pub struct Lines {
    /// Which wire, and what; `None` when it ends.
    tells: Option<Sender<(usize, Wire)>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// `pins` are named as messages call them; all are off at first.
    pub fn start<P: OutputPin + Send + 'static>(
        pins: Vec<(String, P)>,
        warn: Sender<String>,
    ) -> io::Result<Self> {
        let (tells, told) = channel();
        let lamps = pins.into_iter().map(|(name, pin)| {
            let lamp = Lamp::new(format!("the line of {name}"), pin);
            (LineState::default(), lamp)
        });
        let lamps = lamps.collect();
        let thread = thread::Builder::new().name("output lines".into());
        let thread = thread.spawn(move || follow(lamps, &told, &warn))?;
        Ok(Self {
            tells: Some(tells),
            thread: Some(thread),
        })
    }

    /// Never waits.
    pub fn tell(&self, wire: usize, what: Wire) {
        if let Some(tells) = &self.tells {
            // A thread that is gone sets nothing.
            let _ = tells.send((wire, what));
        }
    }
}

/// All lines go off: nobody watches any more.
impl Drop for Lines {
    fn drop(&mut self) {
        self.tells = None;
        if let Some(thread) = self.thread.take() {
            // It has panicked, and the end of the program is near.
            let _ = thread.join();
        }
    }
}

fn follow<P: OutputPin>(
    mut lamps: Vec<(LineState, Lamp<P>)>,
    told: &Receiver<(usize, Wire)>,
    warn: &Sender<String>,
) {
    let start = Instant::now();
    let mut ended = false;
    while !ended {
        let now = start.elapsed();
        for (state, lamp) in &mut lamps {
            if let Some(warning) = lamp.set(state.on(now)) {
                // Who does not listen does not mind.
                let _ = warn.send(warning);
            }
        }
        let next = lamps.iter().filter_map(|(state, _)| state.until()).min();
        let wait = next.map_or(IDLE, |next| next.saturating_sub(start.elapsed()));
        match told.recv_timeout(wait) {
            Ok((wire, what)) => {
                let now = start.elapsed();
                match (lamps.get_mut(wire), what) {
                    (Some((state, _)), Wire::Level(on)) => state.level(on),
                    (Some((state, _)), Wire::Pulse(length)) => state.pulse(now, length),
                    (None, _) => {}
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => ended = true,
        }
    }
    for (_, lamp) in &mut lamps {
        let _ = lamp.set(false);
    }
}
