//! Ctrl-C, `systemctl stop` and a terminal that goes (SIGINT, SIGTERM, SIGHUP) end watching in order: what is being learned is
//! still learned, and the terminal is put back.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

pub struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    pub fn on_signals() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            flag::register(signal, asked.clone())?;
        }
        Ok(Self { asked })
    }

    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}
