//! The board's program as systemd sees it, and `lastlayerd check`.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    site::{CONFIG, Site},
    support::*,
};

/// Stands for systemd: what was sent until this text came.
fn heard_until(socket: &UnixDatagram, text: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let mut bytes = [0; 512];
    loop {
        let length = socket.recv(&mut bytes).unwrap();
        let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let done = message.contains(text);
        heard.push(message);
        if done {
            return heard;
        }
    }
}

#[test]
fn systemd_hears_when_it_is_ready_that_it_lives_and_when_it_stops() {
    let site = Site::new();
    let path = site.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut board = site.board(&site.path("site.llp"), &["--fps", "50"]);
    board.env("NOTIFY_SOCKET", &path);
    board.env("WATCHDOG_USEC", "200000");
    let mut board = board.stdout(Stdio::null()).spawn().unwrap();
    heard_until(&socket, "READY=1");
    let heard = heard_until(&socket, "WATCHDOG=1");
    heard_until(&socket, "WATCHDOG=1");
    assert!(heard.iter().all(|message| !message.contains("STOPPING")));
    let id = board.id().to_string();
    let asked = Instant::now();
    succeed(Command::new("kill").args(["-TERM", &id]));
    heard_until(&socket, "STOPPING=1");
    assert_eq!(board.wait().unwrap().code(), Some(0));
    // The issue of systemd's patience, not of this machine's speed: it is ten seconds there.
    assert!(asked.elapsed() < Duration::from_secs(10));
}

#[test]
fn check_says_what_is_well_and_what_is_wrong() {
    let site = Site::new();
    let config = site.path("check.toml");
    let write = |more: &str| {
        let text = format!(
            "package = {:?}\nstate = {:?}\n[camera]\nsource = \"folder:{}\"\n{more}",
            site.path("site.llp"),
            site.path("state"),
            site.path("camera").display(),
        );
        fs::write(&config, text).unwrap();
    };
    let check = || {
        let mut check = lastlayerd();
        check.arg("check").arg("--config").arg(&config);
        check
    };
    write("");
    let said = succeed(&mut check());
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{said}");
    assert!(
        lines[0].contains("3 classes, its self-test passes"),
        "{said}"
    );
    assert!(lines[1].contains("is not there yet"), "{said}");
    assert!(!site.path("state").exists());

    write("[panel]\nteach = { line = 17 }\n[[output]]\nclass = \"tram\"\ncommand = [\"true\"]\n");
    let output = check().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("wrong  panel   panel.teach: "), "{said}");
    assert!(said.contains("the board has no such class yet"), "{said}");
    assert!(said.contains("note   "), "{said}");
    assert!(text(&output.stderr).contains("one thing is wrong"));
    // A board whose panel cannot be had watches all the same, and says so.
    let mut board = lastlayerd();
    board.arg("--config").arg(&config);
    let told = succeed(board.args(["--frames", "2", "--log", "json"]));
    let warnings: Vec<String> = named(&events(&told), "warning")
        .iter()
        .map(|event| event["warning"].to_string())
        .collect();
    assert!(
        warnings.iter().any(|w| w.contains("panel.teach")),
        "{warnings:?}"
    );

    write("[[output]]\ncommand = [\"note --from gate\"]\n");
    let output = check().args(["--state", "/proc/x/y"]).output().unwrap();
    let said = text(&output.stdout);
    assert!(
        said.contains("wrong  state   /proc/x/y is not there and cannot be made"),
        "{said}"
    );
    assert!(
        said.contains("wrong  outputs output 1: there is no program"),
        "{said}"
    );
    assert!(text(&output.stderr).contains("2 things are wrong"));

    fs::remove_file(site.path("site.llp")).unwrap();
    let output = check().output().unwrap();
    assert!(text(&output.stdout).contains("wrong  package cannot read"));
    // What is installed needs no file that is offered.
    let mut board = lastlayerd();
    board.arg("--config").arg(&config);
    let told = events(&succeed(board.args(["--frames", "2", "--log", "json"])));
    let refused = named(&told, "package")[0];
    assert_eq!(refused["step"], "refused");
    let text = refused["text"].as_str().unwrap();
    assert!(
        text.contains("there is no such file") && text.ends_with("which is installed, runs"),
        "{text}"
    );
    let mut board = lastlayerd();
    board.arg("--config").arg(&config);
    let message = fail(board.arg("--state").arg(site.path("new")), 2);
    assert!(message.contains("there is no such file"), "{message}");
}

#[test]
fn check_asks_the_program_that_runs_for_its_classes() {
    let site = Site::new();
    let state = site.path("state").display().to_string();
    let mut board = site.live(&["--fps", "50", "--state", &state]);
    board.wait_for("verdict");
    board.press(b"a");
    board.wait_for("class-added");
    let config = site.path("running.toml");
    let outputs = "[[output]]\nclass = \"class-1\"\ncommand = [\"true\"]\n\
                   [[output]]\nclass = \"tram\"\ncommand = [\"true\"]\n";
    fs::write(&config, outputs).unwrap();
    let mut check = lastlayerd();
    check.arg("check").arg("--config").arg(&config);
    check.arg("--package").arg(site.path("site.llp"));
    let camera = format!("folder:{}", site.path("camera").display());
    let said = succeed(check.args(["--state", &state, "--camera", &camera]));
    assert!(said.contains("lastlayerd runs on it"), "{said}");
    let notes: Vec<&str> = said.lines().filter(|l| l.starts_with("note ")).collect();
    assert_eq!(notes.len(), 1, "{said}");
    assert!(notes[0].contains("output 2 (tram)"), "{said}");
}

#[test]
fn the_unit_is_valid() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        return skip("systemd-analyze");
    };
    assert!(version.status.success());
    let site = Site::new();
    let unit = include_str!("../../firmware/etc/lastlayerd.service");
    // A program that is here.
    let unit = unit.replace("/usr/local/bin/lastlayerd", "/bin/true");
    let path = site.path("lastlayerd.service");
    fs::write(&path, unit).unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    assert_eq!(text(&verified.stderr), "");
}

#[test]
fn a_wrong_configuration_is_wrong_usage() {
    let site = Site::new();
    let config = site.path("wrong.toml");
    fs::write(&config, format!("{CONFIG}frams = 3\n")).unwrap();
    let mut board = lastlayerd();
    let message = fail(board.arg("--config").arg(&config), 2);
    assert!(
        message.contains("line 4: `frams` is not a key here; did you mean `frames`?"),
        "{message}"
    );
    let mut board = lastlayerd();
    let message = fail(board.arg("--config").arg(site.path("no.toml")), 2);
    assert!(message.contains("there is no such file"), "{message}");
}

/// Every verdict of a class runs a command, and watching does not wait for it.
#[test]
fn a_verdict_runs_a_command_and_is_steady() {
    let site = Site::new();
    let told = site.path("told");
    let config = format!(
        "{CONFIG}[[output]]\nclass = \"bird\"\nhold_seconds = 0.0\nat_most_every_seconds = 0.0\n\
         command = [\"sh\", \"-c\", \"cat >> {told}; echo >> {told}; sleep 0.2\"]\n",
        told = told.display()
    );
    fs::write(site.path("output.toml"), config).unwrap();
    write_photos(&site.path("camera").join("bird"), "bird", 0, 20);
    fs::write(
        site.path("story.scene"),
        "0 show car\n3 show bird\n6 show car\n9 show bird\n12 end",
    )
    .unwrap();
    let mut board = lastlayerd();
    board.arg("--config").arg(site.path("output.toml"));
    board.arg("--package").arg(site.path("site.llp"));
    let camera = format!("folder:{}", site.path("camera").display());
    board.args(["--camera", &camera, "--log", "json", "--scene"]);
    let events = events(&succeed(board.arg(site.path("story.scene"))));
    let shown: Vec<&str> = named(&events, "shown")
        .iter()
        .map(|event| event["class"].as_str().unwrap())
        .collect();
    assert_eq!(shown, ["car", "bird", "car", "bird"]);
    let told = fs::read_to_string(told).unwrap();
    let told: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<(&str, u64)> = told
        .iter()
        .map(|m| {
            (
                m["class"].as_str().unwrap(),
                m["sequence"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, [("bird", 1), ("bird", 2)]);
}
