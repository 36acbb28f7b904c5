//! Whatever comes in: one clear line, the right exit code, nothing half-written.

mod boards;
mod networks;
mod packages;
mod photos;
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::*;

/// A folder to try things in.
pub struct Bench {
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Wants `export SOURCE` to fail with `expected` in its line and to write nothing.
    pub fn export_fails(&self, source: &Path, more: &[&str], expected: &str) {
        let output = self.path("output.onnx");
        let mut export = lastlayer();
        export
            .arg("export")
            .arg(source)
            .arg("-o")
            .arg(&output)
            .args(more);
        let message = fail(&mut export, 1);
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message}"
        );
        self.nothing_written(&output);
    }

    pub fn nothing_written(&self, output: &Path) {
        assert!(!output.exists());
        let left = fs::read_dir(self.folder.path()).unwrap();
        let temporary = left
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .find(|name| name.starts_with(".lastlayer-"));
        assert_eq!(temporary, None);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let eval = ["eval", "x.llp", "--photos", "y"];
    let evals = [
        "--shots 0",
        "--splits 0",
        "--splits 4000000000000",
        "--press 3",
        "--fine-tune --press 3",
    ];
    let commands: [&[&str]; 8] = [
        &[],
        &["dance"],
        &["export"],
        &["export", "mobilenet-v2", "-o", "x", "--input-size", "7"],
        &["lastlayerd", "--package", "x", "--camera", "webcam"],
        &[
            "lastlayerd",
            "--package",
            "x",
            "--camera",
            "folder:x",
            "--fps",
            "0",
        ],
        // A scene shows folders, and presses the buttons itself.
        &[
            "lastlayerd",
            "--package",
            "x",
            "--camera",
            "/dev/video250",
            "--scene",
            "x",
        ],
        &[
            "lastlayerd",
            "--package",
            "x",
            "--camera",
            "folder:x",
            "--scene",
            "x",
            "--panel",
            "keyboard",
        ],
    ];
    for arguments in commands {
        fail(lastlayer().args(arguments), 2);
    }
    for more in evals {
        fail(lastlayer().args(eval).args(more.split(' ')), 2);
    }
}
