//! lastlayerd as the service that docs/boards.md installs, under systemd with everything that the
//! unit forbids. Its log goes to the journal, so the test reads the lights and asks as root.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{
    TEACH_LINE,
    lesson::{CLASSES, taught},
    probe::{LONG, STATUS_LINE, configuration, press},
};
use crate::{machine::Machine, tools};

/// Where a person would have copied the files to.
const FOLDER: &str = "/run/install";
const FILES: [&str; 4] = [
    "lastlayerd.toml",
    "lastlayerd.service",
    "lastlayer.sysusers.conf",
    "60-lastlayer-gpio.rules",
];
/// The heading in docs/boards.md, and the block of commands after it.
const HEADING: &str = "## Installing it as a service";
/// Shorter than the unit's, or the test would wait as long.
const WATCHDOG: &str = "[Service]\nWatchdogSec=10\nTimeoutAbortSec=2\n";
/// Between two questions to the board.
const PAUSE: Duration = Duration::from_millis(500);

pub fn service(machine: &mut Machine) -> Result<()> {
    install(machine)?;
    confined(machine)?;
    teach(machine)?;
    hang(machine)?;
    update(machine)?;
    stopped(machine)?;
    wrong(machine)
}

/// Does what the document says, word for word.
fn install(machine: &mut Machine) -> Result<()> {
    machine.show(&taught(CLASSES[0]))?;
    let document = std::fs::read_to_string(tools::root().join("docs/boards.md"))?;
    let commands = commands(&document).context("docs/boards.md does not say how to install")?;
    run(machine, &format!("mkdir -p {FOLDER} /usr/local/bin"))?;
    for name in FILES {
        let path = tools::root().join("firmware/etc").join(name);
        let content = match name {
            "lastlayerd.toml" => of_service().into_bytes(),
            _ => std::fs::read(&path).with_context(|| format!("{} is missing", path.display()))?,
        };
        machine.put(&format!("{FOLDER}/{name}"), &content)?;
    }
    run(
        machine,
        &format!("cp /bin/lastlayerd /site.llp /site.pub {FOLDER}/"),
    )?;
    // `lastlayerd check` is one of them.
    run(machine, &format!("cd {FOLDER} && {commands}"))?;
    wait_state(machine, "active")
}

/// The commands of the block after the heading, one after another.
fn commands(document: &str) -> Option<String> {
    let (_, section) = document.split_once(HEADING)?;
    let (_, block) = section.split_once("```\n")?;
    let (block, _) = block.split_once("\n```")?;
    Some(block.lines().collect::<Vec<_>>().join(" && "))
}

/// An output's command tries what it may and what it may not.
fn of_service() -> String {
    let text = configuration("")
        .replace("log = 'json'\n", "")
        .replace("\"/site.llp\"", "\"/var/lib/lastlayer/site.llp\"")
        .replace("\"/site.pub\"", "\"/etc/lastlayer/keys\"")
        .replace("\"/data/state\"", "\"/var/lib/lastlayer\"");
    let tries = "touch /var/lib/lastlayer/tried; touch /usr/local/escaped; \
                 head -c 1 /dev/vda > /var/lib/lastlayer/disk; kill -0 1 && touch \
                 /var/lib/lastlayer/signal";
    format!("{text}\n[[output]]\ncommand = [\"sh\", \"-c\", \"{tries}\"]\n")
}

/// Who it is, and what it may not do.
fn confined(machine: &mut Machine) -> Result<()> {
    let status = run(
        machine,
        "cat /proc/$(systemctl show -P MainPID lastlayerd)/status; id lastlayer",
    )?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.unwrap_or_default().to_owned()
    };
    ensure!(!field("Uid:").contains("\t0"), "it runs as root: {status}");
    ensure!(
        field("CapEff:").ends_with("\t0000000000000000") && field("Seccomp:").ends_with("\t2"),
        "it is not confined: {status}"
    );
    for group in ["(video)", "(gpio)"] {
        ensure!(field("uid=").contains(group), "no group {group}: {status}");
    }
    // With its camera and its lines it watches; that it does is seen in the light.
    machine.wait("the status light", LONG, |machine| {
        machine.is_high(STATUS_LINE).then_some(())
    })
}

fn teach(machine: &mut Machine) -> Result<()> {
    press(machine, TEACH_LINE)?;
    wait_samples(machine, 10)?;
    // A head is needed for verdicts, and a second class for a head.
    press(machine, super::NEXT_LINE)?;
    machine.show(&taught(CLASSES[1]))?;
    machine.pass(Duration::from_secs(2))?;
    press(machine, TEACH_LINE)?;
    wait_samples(machine, 20)?;
    wait_for(
        machine,
        "an output's command",
        "test -e /var/lib/lastlayer/tried",
    )?;
    let escaped = run(
        machine,
        "ls /usr/local/escaped /var/lib/lastlayer/signal 2> /dev/null; \
         cat /var/lib/lastlayer/disk; true",
    )?;
    ensure!(escaped.is_empty(), "a command could do too much: {escaped}");
    Ok(())
}

/// A program that hangs is started again, and knows what it was taught.
fn hang(machine: &mut Machine) -> Result<()> {
    run(machine, "mkdir -p /etc/systemd/system/lastlayerd.service.d")?;
    machine.put(
        "/etc/systemd/system/lastlayerd.service.d/test.conf",
        WATCHDOG.as_bytes(),
    )?;
    run(
        machine,
        "systemctl daemon-reload && systemctl restart lastlayerd",
    )?;
    run(
        machine,
        "systemctl kill --kill-whom=main -s STOP lastlayerd",
    )?;
    wait_for(
        machine,
        "a restart by the watchdog",
        "test \"$(systemctl show -P NRestarts lastlayerd)\" = 1",
    )?;
    wait_state(machine, "active")?;
    wait_samples(machine, 20)
}

/// A newer package with another network knows what was taught; where it ends again and again, the one
/// before comes back.
fn update(machine: &mut Machine) -> Result<()> {
    run(
        machine,
        "install -m 644 /newer.llp /var/lib/lastlayer/site.llp && systemctl restart lastlayerd",
    )?;
    let runs = |version: u8| format!("lastlayerd packages list | grep -q '^ *{version}  .*  runs'");
    wait_for(machine, "version 2 to run", &runs(2))?;
    wait_samples(machine, 20)?;
    for kill in 1..=3 {
        run(
            machine,
            "systemctl kill --kill-whom=main -s KILL lastlayerd",
        )?;
        let restarted = format!("test \"$(systemctl show -P NRestarts lastlayerd)\" = {kill}");
        wait_for(machine, "a restart after a kill", &restarted)?;
        wait_state(machine, "active")?;
    }
    wait_for(machine, "version 1 to be back", &runs(1))?;
    wait_samples(machine, 20)?;
    let said = run(machine, "journalctl -u lastlayerd --no-pager -o cat")?;
    ensure!(
        said.contains("version 2 is installed with 20 samples")
            && said
                .contains("version 1 is back in place of version 2: it ended the program 3 times"),
        "the journal does not say what became of version 2: {said}"
    );
    Ok(())
}

/// What root does while it is stopped, the service can read afterwards.
fn stopped(machine: &mut Machine) -> Result<()> {
    let asked = Instant::now();
    run(machine, "systemctl stop lastlayerd")?;
    println!(
        "board: the service stops in {:.1} s",
        asked.elapsed().as_secs_f64()
    );
    let result = run(machine, "systemctl show -P Result lastlayerd")?;
    ensure!(result == "success", "it ended with {result}");
    run(machine, "lastlayerd classes rename car auto")?;
    let strange = run(
        machine,
        "find /var/lib/lastlayer ! -user lastlayer ! -name site.llp",
    )?;
    ensure!(strange.is_empty(), "not the service's own: {strange}");
    run(machine, "systemctl start lastlayerd")?;
    let list = run(machine, "lastlayerd classes list")?;
    ensure!(list.contains("auto "), "{list}");
    Ok(())
}

/// A wrong configuration is told in the journal, and not tried again and again.
fn wrong(machine: &mut Machine) -> Result<()> {
    let wrong = "sed -i s/^brightness/brightnes/ /etc/lastlayer/lastlayerd.toml";
    run(machine, wrong)?;
    machine.shell("systemctl restart lastlayerd")?;
    wait_state(machine, "failed")?;
    let said = run(machine, "journalctl -u lastlayerd -n 20 --no-pager")?;
    ensure!(
        said.contains("did you mean") && said.contains("brightness"),
        "the journal does not say what is wrong: {said}"
    );
    // Longer than RestartSec.
    machine.pass(Duration::from_secs(5))?;
    wait_state(machine, "failed")?;
    run(machine, "systemctl reset-failed lastlayerd")?;
    Ok(())
}

/// What a command prints; an error where it fails.
fn run(machine: &mut Machine, command: &str) -> Result<String> {
    let done = machine.shell(command)?;
    ensure!(
        done.code == 0,
        "`{command}` ends with {}: {}",
        done.code,
        done.output
    );
    Ok(done.output.trim().to_owned())
}

fn wait_state(machine: &mut Machine, state: &str) -> Result<()> {
    let test = format!("test \"$(systemctl is-active lastlayerd)\" = {state}");
    wait_for(machine, &format!("the service to be {state}"), &test)
}

/// As root, through the running program.
fn wait_samples(machine: &mut Machine, count: usize) -> Result<()> {
    let sum = "lastlayerd samples list | awk 'NR > 1 {n += $2} END {print n}'";
    let test = format!("test \"$({sum})\" = {count}");
    wait_for(machine, &format!("{count} samples"), &test)
}

/// Until a command succeeds.
fn wait_for(machine: &mut Machine, what: &str, command: &str) -> Result<()> {
    let end = Instant::now() + LONG;
    while machine.shell(command)?.code != 0 {
        if Instant::now() > end {
            let log = machine.shell("journalctl -u lastlayerd -n 10 --no-pager -o cat")?;
            anyhow::bail!("waited too long for {what}; the journal: {}", log.output);
        }
        machine.pass(PAUSE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_has_commands_that_install() {
        let document = include_str!("../../../docs/boards.md");
        let commands = super::commands(document).unwrap();
        assert!(commands.starts_with("install -m 755 lastlayerd "));
        assert!(commands.ends_with(" && systemctl enable --now lastlayerd"));
    }
}
