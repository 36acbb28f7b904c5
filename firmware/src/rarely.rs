//! What goes wrong with every frame is said once a minute, with how often it was left out.

use std::time::Duration;

const APART: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Rarely {
    said: Option<Duration>,
    silent: u64,
}

impl Rarely {
    /// The text, where it is time to say something again.
    pub fn say(&mut self, now: Duration, text: String) -> Option<String> {
        if self
            .said
            .is_some_and(|said| now.saturating_sub(said) < APART)
        {
            self.silent += 1;
            return None;
        }
        self.said = Some(now);
        Some(match std::mem::take(&mut self.silent) {
            0 => text,
            silent => format!("{text} (and {silent} more in the meantime)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_later_ones_are_counted() {
        let mut rarely = Rarely::default();
        let said: Vec<String> = (0..130)
            .filter_map(|second| rarely.say(Duration::from_secs(second), format!("at {second}")))
            .collect();
        assert_eq!(
            said,
            [
                "at 0",
                "at 60 (and 59 more in the meantime)",
                "at 120 (and 59 more in the meantime)"
            ]
        );
    }
}
