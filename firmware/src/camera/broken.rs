//! Frames that cannot be read are skipped and counted, and told of at the first and then ever more
//! rarely: a camera on a bad cable must not fill the log.

use std::fmt::Display;

#[derive(Debug, Default)]
pub struct Broken {
    count: u64,
    warning: Option<String>,
    last: Option<String>,
}

impl Broken {
    pub fn note(&mut self, reason: impl Display) {
        self.count += 1;
        let reason = reason.to_string();
        // 1, 10, 100 and so on.
        if 10u64.pow(self.count.ilog10()) == self.count {
            self.warning = Some(match self.count {
                1 => format!("a frame cannot be read and is skipped: {reason}"),
                count => format!("{count} frames could not be read so far, the last: {reason}"),
            });
        }
        self.last = Some(reason);
    }

    /// A frame was read.
    pub fn good(&mut self) {
        self.last = None;
    }

    /// Why the frames since the last good one could not be read, where there were any.
    pub fn reason(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn warnings(&mut self) -> Vec<String> {
        self.warning.take().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_first_and_then_rarely() {
        let mut broken = Broken::default();
        let said: Vec<u64> = (1..=1000)
            .filter(|number| {
                broken.note(number);
                !broken.warnings().is_empty()
            })
            .collect();
        assert_eq!(said, [1, 10, 100, 1000]);
        assert_eq!((broken.count(), broken.reason()), (1000, Some("1000")));
        broken.good();
        assert_eq!((broken.count(), broken.reason()), (1000, None));
    }
}
