//! systemd's side of the program: ready when watching starts, alive while watching goes on. Outside
//! of systemd nobody listens, and nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

#[derive(Default)]
pub struct Service {
    /// Between two signs of life; `None` where nobody waits for them.
    every: Option<Duration>,
    next: Duration,
    status: String,
}

impl Service {
    /// As the environment says (`WATCHDOG_USEC`, `NOTIFY_SOCKET`).
    pub fn of_environment() -> Self {
        Self {
            // Twice as often as is waited for, as systemd's manual says.
            every: sd_notify::watchdog_enabled().map(|waited| waited / 2),
            ..Self::default()
        }
    }

    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// Call it every turn of the main loop; `alive`: the camera delivers or is waited for as it
    /// should be.
    pub fn turn(&mut self, now: Duration, alive: bool) {
        let Some(every) = self.every else {
            return;
        };
        if alive && now >= self.next {
            tell(&[NotifyState::Watchdog]);
            self.next = now + every;
        }
    }

    /// For `systemctl status`; sent when it changes.
    pub fn status(&mut self, status: String) {
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Starting, or stopping, takes at least so long yet.
    pub fn wait_for(time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd cannot be told: {error}");
    }
}
