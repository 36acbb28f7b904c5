//! How long to wait before something that failed is tried again. Knows no clock.

use std::time::Duration;

/// What ran for this long has worked: the next failure is a new one.
const WELL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    delay: Duration,
    running_since: Option<Duration>,
}

impl Backoff {
    /// Waits `first`, then twice as long every time, up to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            delay: first,
            running_since: None,
        }
    }

    /// It runs, and did not before.
    pub fn running(&mut self, now: Duration) {
        self.running_since = Some(now);
    }

    /// It failed at `now`: when to try again.
    pub fn next(&mut self, now: Duration) -> Duration {
        if let Some(since) = self.running_since.take()
            && now.saturating_sub(since) >= WELL
        {
            self.delay = self.first;
        }
        let delay = self.delay;
        self.delay = (delay * 2).min(self.most);
        now + delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_doubles_up_to_the_most_and_starts_anew_after_it_ran_well() {
        let mut backoff = Backoff::new(ms(500), ms(30_000));
        let waits: Vec<u64> = (0..9)
            .map(|_| (backoff.next(ms(7)) - ms(7)).as_millis() as u64)
            .collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(waits, expected);
        backoff.running(ms(0));
        assert_eq!(backoff.next(ms(9_999)), ms(39_999));
        backoff.running(ms(40_000));
        assert_eq!(backoff.next(ms(50_000)), ms(50_500));
        assert_eq!(backoff.next(ms(50_600)), ms(51_600));
    }
}
