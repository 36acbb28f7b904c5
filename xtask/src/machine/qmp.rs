//! QEMU's own protocol, <https://www.qemu.org/docs/master/interop/qmp-spec.html>, as far as it is
//! needed: to learn the name that the machine's PL061 has in QEMU.

use std::{
    io::{BufRead, BufReader},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::channel::tell;

const UNATTACHED: &str = "/machine/unattached";

/// The path of the machine's PL061 in QEMU. Every answer may take `time`.
pub fn find_gpio(stream: UnixStream, time: Duration) -> Result<String> {
    stream.set_read_timeout(Some(time))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    // QEMU speaks first, and wants to be told that nothing more is agreed on.
    let mut ask = |command: Value| -> Result<Value> {
        tell(&mut stream, &command.to_string())?;
        loop {
            let mut line = String::new();
            let length = reader
                .read_line(&mut line)
                .context("QEMU does not answer")?;
            if length == 0 {
                bail!("QEMU does not answer: it has ended");
            }
            if let Some(answer) = answer(&line)? {
                return Ok(answer);
            }
        }
    };
    ask(json!({"execute": "qmp_capabilities"}))?;
    let devices = ask(json!({"execute": "qom-list", "arguments": {"path": UNATTACHED}}))?;
    gpio(&devices).context("this QEMU's virt machine has no PL061")
}

/// The answer in a line; none in greetings and events.
fn answer(line: &str) -> Result<Option<Value>> {
    let mut said: Value = serde_json::from_str(line).context("QEMU's answer is no JSON")?;
    if let Some(error) = said.get("error") {
        bail!("QEMU refused: {error}");
    }
    Ok(said.get_mut("return").map(Value::take))
}

fn gpio(devices: &Value) -> Option<String> {
    let mut devices = devices.as_array()?.iter();
    let device = devices.find(|device| device["type"] == "child<pl061>")?;
    Some(format!("{UNATTACHED}/{}", device["name"].as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_events_and_errors() {
        assert_eq!(answer("{\"QMP\": {}}").unwrap(), None);
        assert_eq!(answer("{\"event\": \"RESUME\"}").unwrap(), None);
        assert_eq!(answer("{\"return\": 3}").unwrap(), Some(json!(3)));
        assert!(answer("{\"error\": {\"desc\": \"no\"}}").is_err());
        assert!(answer("no JSON").is_err());
    }

    #[test]
    fn the_gpio_is_found_by_its_type() {
        let devices = json!([
            {"name": "device[3]", "type": "child<pl011>"},
            {"name": "device[5]", "type": "child<pl061>"},
        ]);
        assert_eq!(gpio(&devices).unwrap(), "/machine/unattached/device[5]");
        assert_eq!(gpio(&json!([])), None);
    }
}
