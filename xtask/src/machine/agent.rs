//! What the agent in the guest (xtask/guest/agent) is told, and what it answers.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

use super::{Machine, channel::tell};

/// An answer of the agent's; starting and stopping things takes emulated seconds.
const ANSWER: Duration = Duration::from_secs(60);
/// From a signal to the program's end: it may have a burst to learn.
const END: Duration = Duration::from_secs(60);

/// What a command in the guest's shell gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub code: i64,
    /// Both its outputs.
    pub output: String,
}

impl Machine {
    /// Shows the photos of a name of the image's before the camera, over and over.
    pub fn show(&mut self, photos: &str) -> Result<()> {
        self.command(&format!("show {photos}")).map(drop)
    }

    /// Shows one of them alone, counted from 0 in the order of their files' names.
    pub fn show_one(&mut self, photos: &str, number: usize) -> Result<()> {
        self.command(&format!("show {photos} {number}")).map(drop)
    }

    /// Takes the camera away, as when its plug is pulled.
    pub fn unplug_camera(&mut self) -> Result<()> {
        self.command("unplug").map(drop)
    }

    /// Brings it back; it shows what it showed.
    pub fn plug_camera(&mut self) -> Result<()> {
        self.command("plug").map(drop)
    }

    /// Starts lastlayerd; a shell splits these arguments.
    pub fn start(&mut self, arguments: &str) -> Result<()> {
        self.command(&format!("start {arguments}")).map(drop)
    }

    /// Starts lastlayerd with a configuration file of this text.
    pub fn start_with(&mut self, configuration: &str) -> Result<()> {
        self.put("/run/lastlayerd.toml", configuration.as_bytes())?;
        self.start("--config /run/lastlayerd.toml")
    }

    /// Asks lastlayerd to end, as `systemctl stop` does; its exit code.
    pub fn stop(&mut self) -> Result<i64> {
        self.agent_events.skip();
        self.signal("TERM")?;
        self.wait_end(END)
    }

    /// Sends lastlayerd a signal: `TERM`, `KILL`, `STOP`, ...
    pub fn signal(&mut self, name: &str) -> Result<()> {
        self.command(&format!("signal {name}")).map(drop)
    }

    /// The exit code of lastlayerd when it ends; above 128 after a signal.
    pub fn wait_end(&mut self, time: Duration) -> Result<i64> {
        let ended = self.wait("lastlayerd to end", time, |machine| {
            machine.agent_events.find(|event| event["event"] == "ended")
        })?;
        ended["code"]
            .as_i64()
            .context("the agent gave no exit code")
    }

    /// Writes a file in the guest. A megabyte takes seconds.
    pub fn put(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.command(&format!("put {path} {}", BASE64.encode(content)))
            .map(drop)
    }

    /// Runs a command in the guest's shell to its end.
    pub fn shell(&mut self, command: &str) -> Result<Done> {
        let answer = self.command(&format!("shell {command}"))?;
        done(&answer)
    }

    /// Ends lastlayerd, then shuts the board down properly.
    pub fn shut_down(mut self) -> Result<()> {
        self.command("off")?;
        for _ in 0..ANSWER.as_secs() * 10 {
            if self.qemu.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the guest does not shut down")
    }

    /// Tells the agent a line, and waits for its answer.
    fn command(&mut self, line: &str) -> Result<Value> {
        if line.contains('\n') {
            bail!("a command for the agent is one line: {line:?}");
        }
        // One that was late is none to this command.
        self.answers.skip();
        tell(&mut self.agent, line)?;
        let verb = line.split(' ').next().unwrap_or_default();
        let what = format!("the agent's answer to {verb}");
        let answer = self.wait(&what, ANSWER, |machine| machine.answers.find(|_| true))?;
        match answer["answer"].as_str() {
            Some("ok") => Ok(answer),
            _ => bail!("the board's agent, told to {verb}: {}", answer["error"]),
        }
    }
}

fn done(answer: &Value) -> Result<Done> {
    let code = answer["code"].as_i64();
    let output = answer["output"].as_str();
    let (code, output) = code.zip(output).context("the agent's answer is cut off")?;
    let output = String::from_utf8_lossy(&BASE64.decode(output)?).into_owned();
    Ok(Done { code, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_comes_back_whatever_is_in_it() {
        let answer = serde_json::json!({"answer": "ok", "code": 1, "output": "YSJiCg=="});
        let wanted = Done {
            code: 1,
            output: "a\"b\n".into(),
        };
        assert_eq!(done(&answer).unwrap(), wanted);
        assert!(done(&serde_json::json!({"answer": "ok"})).is_err());
    }
}
