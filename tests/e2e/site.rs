//! A place with a board: its package, its photos, and the program running there.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use crate::support::*;

/// A package that knows car and bird and lists truck, and photos to show: `car`, `truck` (taught),
/// `new` (trucks that are never taught).
pub struct Site {
    folder: tempfile::TempDir,
    config: String,
}

/// Photos stand for frames here, and each is of another thing: none is a blurred or second picture
/// of the one before.
pub const CONFIG: &str = "[burst]\nsharpness = 0.0\nchange = 0.0\n";

/// A test whose event does not come fails, instead of waiting for ever.
const PATIENCE: Duration = Duration::from_secs(120);

impl Site {
    pub fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            config: CONFIG.into(),
        };
        let start = site.folder.path().join("start");
        write_photos(&start.join("car"), "car", 0, 20);
        write_photos(&start.join("bird"), "bird", 0, 20);
        let camera = site.folder.path().join("camera");
        write_photos(&camera.join("car"), "car", 40, 60);
        write_photos(&camera.join("truck"), "truck", 0, 20);
        write_photos(&camera.join("new"), "truck", 40, 60);
        let mut package = lastlayer();
        package
            .arg("package")
            .arg(backbone())
            .arg("--key")
            .arg(key())
            .arg("--photos")
            .arg(start);
        package
            .args(["--classes", "car,bird,truck", "-o"])
            .arg(site.path("site.llp"));
        succeed(&mut package);
        site
    }

    /// With more in the board's configuration.
    pub fn configured(mut self, more: &str) -> Self {
        self.config.push_str(more);
        self
    }

    /// Another package, of these photos, in the place of its own.
    pub fn packs(&self, backbone: &Path, photos: &Path) {
        let package = self.path("site.llp");
        fs::remove_file(&package).unwrap();
        let mut pack = lastlayer();
        pack.arg("package")
            .arg(backbone)
            .arg("--photos")
            .arg(photos);
        pack.arg("--key").arg(key()).arg("-o").arg(package);
        succeed(&mut pack);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn board(&self, package: &Path, more: &[&str]) -> Command {
        let config = self.path("board.toml");
        fs::write(&config, &self.config).unwrap();
        let mut board = lastlayerd();
        board.arg("--config").arg(config);
        let camera = format!("folder:{}", self.path("camera").display());
        board
            .arg("--package")
            .arg(package)
            .args(["--camera", &camera, "--log", "json"]);
        board.args(more);
        board
    }

    /// Runs a scene; its events.
    pub fn tell(&self, package: &Path, scene: &str, more: &[&str]) -> Vec<serde_json::Value> {
        fs::write(self.path("story.scene"), scene).unwrap();
        let mut board = self.board(package, more);
        events(&succeed(board.arg("--scene").arg(self.path("story.scene"))))
    }

    /// Starts the board on a live camera, with keys for buttons.
    pub fn live(&self, more: &[&str]) -> Live {
        self.live_board(&mut self.board(&self.path("site.llp"), more))
    }

    /// The same on another camera than its folder of photos.
    pub fn live_on(&self, camera: &str, more: &[&str]) -> Live {
        let mut board = lastlayerd();
        board
            .arg("--package")
            .arg(self.path("site.llp"))
            .args(["--camera", camera, "--log", "json"])
            .args(more);
        self.live_board(&mut board)
    }

    fn live_board(&self, board: &mut Command) -> Live {
        let mut child = board
            .args(["--panel", "keyboard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // Holds one line at the most: a log that nobody reads must fill up.
        let (send, lines) = sync_channel(0);
        thread::spawn(move || {
            let mut lines = out.lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| send.send(line).is_ok()) {}
        });
        Live {
            keys: child.stdin.take().unwrap(),
            lines: Some(lines),
            child,
        }
    }
}

/// A board that runs; it ends with the test.
pub struct Live {
    child: Child,
    keys: ChildStdin,
    lines: Option<Receiver<String>>,
}

impl Live {
    pub fn press(&mut self, key: &[u8; 1]) {
        self.keys.write_all(key).unwrap();
    }

    /// The next event of this name.
    pub fn wait_for(&mut self, event: &str) -> serde_json::Value {
        self.wait_for_one(&[event])
    }

    /// The next event of one of these names.
    pub fn wait_for_one(&mut self, events: &[&str]) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        let lines = self.lines.as_ref().unwrap();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("no {events:?} came: {error}"));
            let found: serde_json::Value = serde_json::from_str(&line).unwrap();
            if events.iter().any(|event| found["event"] == **event) {
                return found;
            }
        }
    }

    /// What Ctrl-C in its terminal would do.
    pub fn interrupt(&self) {
        let id = self.child.id().to_string();
        succeed(Command::new("kill").args(["-INT", &id]));
    }

    /// Closes the log, waits for the end, and gives its exit code.
    pub fn stop_reading(&mut self) -> Option<i32> {
        self.lines = None;
        self.exit_code()
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
