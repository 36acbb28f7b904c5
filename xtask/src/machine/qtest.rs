//! The board's eight lines (the PL061 of QEMU's `virt` machine, /dev/gpiochip0 in the guest),
//! through QEMU's qtest: <https://www.qemu.org/docs/master/devel/testing/qtest.html>.

use anyhow::{Result, ensure};

use super::channel::{Said, Writer, tell};

/// Lines of the PL061, counted from 0. Line 3 is the machine's own power button.
pub const LINES: u8 = 8;

/// A change of a line that the board drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub line: u8,
    pub high: bool,
}

/// What QEMU answers to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Failed(String),
}

/// `OK`, `FAIL ...`, or a change that nobody asked for. None for anything else.
pub fn parse(line: &str) -> Option<Said> {
    let mut words = line.split_whitespace();
    let reply = |reply| Some(Said::Reply(reply));
    match (words.next()?, words.next(), words.next()) {
        ("IRQ", Some(change @ ("raise" | "lower")), Some(number)) => Some(Said::Level(Level {
            line: number.parse().ok()?,
            high: change == "raise",
        })),
        ("OK", ..) => reply(Reply::Ok),
        ("FAIL" | "ERR", ..) => reply(Reply::Failed(line.into())),
        _ => None,
    }
}

pub struct Lines {
    stream: Writer,
    /// QEMU's name of the PL061.
    path: String,
}

impl Lines {
    pub fn new(stream: Writer, path: String) -> Self {
        Self { stream, path }
    }

    /// From now on QEMU tells when the board changes a line.
    pub fn watch(&mut self) -> Result<()> {
        tell(
            &mut self.stream,
            &format!("irq_intercept_out {}", self.path),
        )
    }

    pub fn set(&mut self, line: u8, high: bool) -> Result<()> {
        ensure!(
            line < LINES,
            "line {line}: there are {LINES} lines, counted from 0"
        );
        let (path, level) = (&self.path, u8::from(high));
        let command = format!("set_irq_in {path} unnamed-gpio-in {line} {level}");
        tell(&mut self.stream, &command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_and_changes_are_told_apart() {
        let level = |line, high| Some(Said::Level(Level { line, high }));
        assert_eq!(parse("IRQ raise 5"), level(5, true));
        assert_eq!(parse("IRQ lower 0"), level(0, false));
        assert_eq!(parse("OK"), Some(Said::Reply(Reply::Ok)));
        let failed = Reply::Failed("FAIL Unknown device".into());
        assert_eq!(parse("FAIL Unknown device"), Some(Said::Reply(failed)));
        for nothing in ["", "IRQ", "IRQ raise", "IRQ raise x", "[I 1.0] OPENED"] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }
}
