//! `[[output]]` of the settings: what a verdict does.

use std::time::Duration;

use lastlayer_shared::verdict::{ClassNameError, UNKNOWN, check_classes};
use serde::Deserialize;

use super::address;
use crate::panel::settings::LightLine;

/// Outputs of a board; each may have a thread and a queue.
const MOST_OUTPUTS: usize = 64;
/// A day, for all times in seconds.
const LONGEST: f64 = 86_400.0;

/// One output: when it acts, and what it does then.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The class it is for, or `unknown`. Without it every class, each time another is seen.
    pub class: Option<String>,
    /// The verdict must be this sure, 0 to 1. Once acted, a line stays on until the verdict is 0.05
    /// below it.
    #[serde(default)]
    pub min_confidence: f32,
    /// The class must have been shown this long, and this sure, without a break. Verdicts are steady
    /// already (`[verdict]`); this is for what should wait longer. 0 acts at once.
    #[serde(default = "half")]
    pub hold_seconds: f64,
    /// A GPIO line that is on while the class is seen, or for a pulse.
    pub line: Option<LightLine>,
    /// Milliseconds for which the line is on each time the class comes; 0 or absent: as long as the
    /// class is seen. At most 600000.
    #[serde(default)]
    pub pulse_ms: u64,
    /// A program and its arguments, started each time the class comes, with the verdict as JSON on
    /// its standard input. No shell reads it; where one should, that is `["sh", "-c", "..."]`.
    pub command: Option<Vec<String>>,
    /// An `http://` or `https://` address that the verdict is sent to (POST, JSON) each time the
    /// class comes. https needs a certificate that browsers accept.
    pub webhook: Option<String>,
    /// Pulses, commands and webhooks come at most this often. A class that comes earlier waits, and
    /// acts then if it is still seen. A line without a pulse is not held back.
    #[serde(default = "one")]
    pub at_most_every_seconds: f64,
    /// Seconds after which a command is killed and a webhook given up, 0.1 to 600.
    #[serde(default = "ten")]
    pub timeout_seconds: f64,
}

fn half() -> f64 {
    0.5
}

fn one() -> f64 {
    1.0
}

fn ten() -> f64 {
    10.0
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0} outputs are more than {MOST_OUTPUTS}; join some")]
    TooMany(usize),
    #[error("{0} does nothing; give it a `line`, a `command` or a `webhook`")]
    Nothing(String),
    #[error("{key}.{name} is {value}; give a number from {least} to {most}")]
    Number {
        key: String,
        name: &'static str,
        value: f64,
        least: f64,
        most: f64,
    },
    #[error("{0}.class: {1}")]
    Class(String, ClassNameError),
    #[error("{0}.min_confidence: `unknown` has no confidence; take it away")]
    Unknown(String),
    #[error("{0}.pulse_ms is there and no `line`; add the line or take it away")]
    PulseOfNothing(String),
    #[error("{0}.command is empty; give a program, or take it away")]
    Command(String),
    #[error("{0}.command has a NUL character, which no command can have; take it away")]
    Nul(String),
    /// Without the address, which may hold a password.
    #[error(
        "{0}.webhook is no address with a host, such as http://host/, https://host/hook or \
         http://host:8080/; give one without spaces, with a port from 1 to 65535 or none"
    )]
    Webhook(String),
    #[error(
        "{first} and {second} are both on the line {line}; give each a line of its own, or join them"
    )]
    SameLine {
        first: String,
        second: String,
        line: String,
    },
}

impl Settings {
    pub fn hold(&self) -> Duration {
        Duration::from_secs_f64(self.hold_seconds)
    }

    pub fn at_most_every(&self) -> Duration {
        Duration::from_secs_f64(self.at_most_every_seconds)
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_seconds)
    }

    /// `None`: the line follows the verdict.
    pub fn pulse(&self) -> Option<Duration> {
        (self.pulse_ms > 0).then(|| Duration::from_millis(self.pulse_ms))
    }

    /// Whether it runs something, beside its line.
    pub fn runs(&self) -> bool {
        self.command.is_some() || self.webhook.is_some()
    }

    fn check(&self, key: &str) -> Result<(), SettingsError> {
        for (name, value, least, most) in [
            ("min_confidence", f64::from(self.min_confidence), 0.0, 1.0),
            ("hold_seconds", self.hold_seconds, 0.0, LONGEST),
            ("pulse_ms", self.pulse_ms as f64, 0.0, 600_000.0),
            (
                "at_most_every_seconds",
                self.at_most_every_seconds,
                0.0,
                LONGEST,
            ),
            ("timeout_seconds", self.timeout_seconds, 0.1, 600.0),
        ] {
            // Not a number is in no range.
            if !(least..=most).contains(&value) {
                return Err(SettingsError::Number {
                    key: key.into(),
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        match self.class.as_deref() {
            Some(UNKNOWN) if self.min_confidence > 0.0 => {
                return Err(SettingsError::Unknown(key.into()));
            }
            Some(UNKNOWN) | None => {}
            Some(class) => check_classes(&[class.to_owned()])
                .map_err(|error| SettingsError::Class(key.into(), error))?,
        }
        if self.line.is_none() && !self.runs() {
            return Err(SettingsError::Nothing(key.into()));
        }
        if self.line.is_none() && self.pulse_ms > 0 {
            return Err(SettingsError::PulseOfNothing(key.into()));
        }
        if let Some(command) = &self.command
            && command.first().is_none_or(String::is_empty)
        {
            return Err(SettingsError::Command(key.into()));
        }
        let nul = |item: &String| item.contains('\0');
        if self.command.as_ref().is_some_and(|c| c.iter().any(nul)) {
            return Err(SettingsError::Nul(key.into()));
        }
        if let Some(webhook) = &self.webhook
            && !address::is_valid(webhook)
        {
            return Err(SettingsError::Webhook(key.into()));
        }
        Ok(())
    }
}

/// What an output is called in messages: outputs have no names, so by their place, from 1.
pub fn key(place: usize, settings: &Settings) -> String {
    match &settings.class {
        Some(class) => format!("output {} ({class})", place + 1),
        None => format!("output {}", place + 1),
    }
}

/// Whether the outputs contradict themselves; the machine is not asked.
pub fn check(outputs: &[Settings]) -> Result<(), SettingsError> {
    if outputs.len() > MOST_OUTPUTS {
        return Err(SettingsError::TooMany(outputs.len()));
    }
    for (place, output) in outputs.iter().enumerate() {
        output.check(&key(place, output))?;
        let Some(line) = &output.line else {
            continue;
        };
        let same = |(_, other): &(usize, &Settings)| {
            let other = other.line.as_ref();
            other.is_some_and(|o| (&o.chip, &o.line) == (&line.chip, &line.line))
        };
        if let Some((first, other)) = outputs[..place].iter().enumerate().find(same) {
            return Err(SettingsError::SameLine {
                first: key(first, other),
                second: key(place, output),
                line: line.line.to_string(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        output: Vec<Settings>,
    }

    fn read(text: &str) -> Vec<Settings> {
        let file: File = toml::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        file.output
    }

    fn refused(text: &str) -> String {
        check(&read(&format!("[[output]]\n{text}")))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_output_is_read_with_its_defaults() {
        let outputs = read(
            "[[output]]\nclass = \"truck\"\nline = { line = \"GPIO23\" }\npulse_ms = 250\n\
             [[output]]\ncommand = [\"logger\"]\nwebhook = \"https://example.org/hook\"",
        );
        assert_eq!(check(&outputs), Ok(()));
        assert_eq!(outputs[0].pulse(), Some(Duration::from_millis(250)));
        assert_eq!(outputs[0].hold(), Duration::from_millis(500));
        assert_eq!(outputs[1].at_most_every(), Duration::from_secs(1));
        assert!(outputs[1].runs() && !outputs[0].runs());
        assert_eq!(outputs[1].pulse(), None);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, word) in [
            ("class = \"car\"", "output 1 (car) does nothing"),
            ("command = []", "command is empty"),
            ("command = [\"x\", \"a\\u0000\"]", "has a NUL character"),
            ("webhook = \"ftp://x\"", "output 1.webhook is no address"),
            ("webhook = \"http://a:99999/\"", "a port from 1 to 65535"),
            (
                "command = [\"x\"]\nmin_confidence = 2.0",
                "min_confidence is 2",
            ),
            ("command = [\"x\"]\nhold_seconds = nan", "hold_seconds"),
            (
                "command = [\"x\"]\ntimeout_seconds = 0.0",
                "from 0.1 to 600",
            ),
            ("command = [\"x\"]\npulse_ms = 5", "pulse_ms"),
            ("command = [\"x\"]\nclass = \"a/b\"", "a/b"),
            (
                "command = [\"x\"]\nclass = \"unknown\"\nmin_confidence = 0.5",
                "no confidence",
            ),
            (
                "line = { line = 4 }\n[[output]]\nclass = \"car\"\nline = { line = 4 }",
                "output 1 and output 2 (car) are both on the line 4",
            ),
        ] {
            let error = refused(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(toml::from_str::<File>("[[output]]\ncomand = []").is_err());
    }
}
