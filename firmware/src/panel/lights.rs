//! Who says what when: the status light, and one light a class.
//!
//! A message goes before what stands, a burst and a training before a fault, a fault before watching.
//! The lights of classes show the verdict; while a class is selected or taught, that one blinks.
//! Pins are set only where their level changes; one that fails is said once and stops nothing.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use embedded_hal::digital::OutputPin;

use super::{
    blink::{Fault, Once, Pattern, Standing},
    lamp::Lamp,
};

/// How often lights are set: five times in the shortest flash.
const POLL: Duration = Duration::from_millis(10);
/// The blinking of the light of the class that was selected.
const CHOSEN: Duration = Duration::from_millis(200);

/// What lights are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    Standing(Standing),
    Once(Once),
    /// A fault began or is over.
    Fault(Fault, bool),
    /// The class that is seen; `None`: unknown, or nothing is seen.
    Verdict(Option<String>),
    /// The class that `teach` teaches, or is being taught.
    Selected(Option<String>),
}

pub struct Lights<P> {
    status: Option<Lamp<P>>,
    /// Each with its class.
    classes: Vec<(String, Lamp<P>)>,
    standing: (Standing, Duration),
    once: Option<(Once, Duration)>,
    /// Since when each of `Fault::ALL` is there.
    faults: [Option<Duration>; Fault::ALL.len()],
    verdict: Option<String>,
    selected: Option<String>,
    warnings: Vec<String>,
}

impl<P: OutputPin> Lights<P> {
    /// The status light and the lights of classes by name; any may be absent.
    pub fn new(status: Option<P>, classes: Vec<(String, P)>) -> Self {
        let of_class = |(class, pin)| {
            let lamp = Lamp::new(format!("the light of the class {class:?}"), pin);
            (class, lamp)
        };
        Self {
            status: status.map(|pin| Lamp::new("the status light".into(), pin)),
            classes: classes.into_iter().map(of_class).collect(),
            standing: (Standing::Starting, Duration::ZERO),
            once: None,
            faults: [None; Fault::ALL.len()],
            verdict: None,
            selected: None,
            warnings: Vec::new(),
        }
    }

    /// Whether there is no light.
    pub fn is_empty(&self) -> bool {
        self.status.is_none() && self.classes.is_empty()
    }

    /// Being told again what stands already changes nothing: a rhythm is not begun anew.
    pub fn tell(&mut self, now: Duration, tell: Tell) {
        match tell {
            Tell::Standing(standing) => {
                if self.standing.0 != standing {
                    self.standing = (standing, now);
                    // A burst is under way: what happened before it is of no interest any more.
                    if matches!(standing, Standing::Collecting | Standing::Stopped) {
                        self.once = None;
                    }
                }
            }
            Tell::Once(once) => self.once = Some((once, now)),
            Tell::Fault(fault, there) => {
                let since = &mut self.faults[fault as usize];
                *since = there.then(|| since.unwrap_or(now));
            }
            Tell::Verdict(class) => self.verdict = class,
            Tell::Selected(class) => self.selected = class,
        }
    }

    /// Sets the pins for this time; call it every 10 ms or so.
    pub fn poll(&mut self, now: Duration) {
        if let Some((once, since)) = self.once
            && now.saturating_sub(since) >= once.pattern().length()
        {
            self.once = None;
        }
        let status = self.status_lit(now);
        if let Some(lamp) = &mut self.status {
            self.warnings.extend(lamp.set(status));
        }
        let blinking = self.selected_lit(now);
        for (class, lamp) in &mut self.classes {
            let lit = match blinking {
                Some(lit) => lit && self.selected.as_ref() == Some(&*class),
                None => self.verdict.as_ref() == Some(&*class),
            };
            self.warnings.extend(lamp.set(lit));
        }
    }

    /// Pins that failed since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn status_lit(&self, now: Duration) -> bool {
        let at = |pattern: Pattern, since| pattern.lit(now.saturating_sub(since));
        if let Some((once, since)) = self.once {
            return at(once.pattern(), since).unwrap_or(false);
        }
        let (standing, since) = self.standing;
        let busy = matches!(
            standing,
            Standing::Collecting | Standing::Training | Standing::Stopped
        );
        let faults = Fault::ALL.into_iter().zip(self.faults);
        let mut faults = faults.filter_map(|(fault, since)| Some((fault, since?)));
        let pattern = match faults.next() {
            Some((fault, since)) if !busy => at(fault.pattern(), since),
            _ => at(standing.pattern(), since),
        };
        pattern.unwrap_or(false)
    }

    /// Whether the light of the selected class is lit, where lights of classes show that and not the
    /// verdict.
    fn selected_lit(&self, now: Duration) -> Option<bool> {
        let (standing, since) = self.standing;
        match (self.once, standing) {
            (_, Standing::Stopped) => Some(false),
            (Some((Once::Selected(_) | Once::ClassAdded, since)), _) => {
                let passed = now.saturating_sub(since).as_millis() / CHOSEN.as_millis();
                Some(passed.is_multiple_of(2))
            }
            (_, Standing::Collecting | Standing::Training) => {
                standing.pattern().lit(now.saturating_sub(since))
            }
            _ => None,
        }
    }
}

/// Lights on a thread of their own: a rhythm must not wait for the network.
pub struct LightsThread {
    /// `None` where there is no light, or when it has ended.
    tells: Option<Sender<Tell>>,
    warnings: Receiver<String>,
    thread: Option<JoinHandle<()>>,
    /// What the last frame told, so that every frame may tell without a cost.
    verdict: Option<String>,
}

impl LightsThread {
    /// Where there is no light, there is no thread.
    pub fn start<P: OutputPin + Send + 'static>(lights: Lights<P>) -> io::Result<Self> {
        let (warn, warnings) = channel();
        let mut this = Self {
            tells: None,
            warnings,
            thread: None,
            verdict: None,
        };
        if !lights.is_empty() {
            let (tells, told) = channel();
            let thread = thread::Builder::new().name("lights".into());
            this.thread = Some(thread.spawn(move || follow(lights, &told, &warn))?);
            this.tells = Some(tells);
        }
        Ok(this)
    }

    /// Never waits.
    pub fn tell(&mut self, tell: Tell) {
        if let Tell::Verdict(class) = &tell {
            if *class == self.verdict {
                return;
            }
            self.verdict.clone_from(class);
        }
        if let Some(tells) = &self.tells {
            // A thread that is gone shows nothing.
            let _ = tells.send(tell);
        }
    }

    /// Pins that failed since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        self.warnings.try_iter().collect()
    }
}

/// All lights go out.
impl Drop for LightsThread {
    fn drop(&mut self) {
        self.tell(Tell::Standing(Standing::Stopped));
        self.tells = None;
        if let Some(thread) = self.thread.take() {
            // It has panicked, and the end of the program is near.
            let _ = thread.join();
        }
    }
}

fn follow<P: OutputPin>(mut lights: Lights<P>, told: &Receiver<Tell>, warn: &Sender<String>) {
    let start = Instant::now();
    loop {
        let tell = told.recv_timeout(POLL);
        let now = start.elapsed();
        match tell {
            Ok(tell) => lights.tell(now, tell),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                lights.tell(now, Tell::Standing(Standing::Stopped));
                return lights.poll(now);
            }
        }
        lights.poll(now);
        for warning in lights.warnings() {
            // Who does not listen does not mind.
            let _ = warn.send(warning);
        }
    }
}

#[cfg(test)]
mod tests;
