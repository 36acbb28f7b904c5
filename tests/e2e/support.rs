//! What the tests share: the programs, a small real backbone, real photos, Python.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use lastlayer_host::{
    demo::cifar::{self, Pictures},
    pretrained::{cache::Cache, fetch::Fetcher},
};
use lastlayer_shared::frame::Frame;

/// Small enough to be quick, large enough to tell cars from trucks.
pub const SIZE: &str = "96";

pub fn lastlayer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastlayer-under-test"));
    command.stdin(Stdio::null());
    command
}

/// The board's program; it trusts `key`.
pub fn lastlayerd() -> Command {
    let mut command = lastlayer();
    command
        .args(["lastlayerd", "--trust"])
        .arg(key().with_extension("pub"));
    command
}

/// The secret key that packages for boards are signed with.
pub fn key() -> &'static Path {
    static KEY: OnceLock<PathBuf> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut keygen = lastlayer();
        keygen.args(["keygen", "--no-password", "--output"]);
        succeed(keygen.arg(scratch().join("site")));
        scratch().join("site.key")
    })
}

/// Runs it and wants success; its standard output.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One line on stderr, the right exit code, no panic; the line.
pub fn fail(command: &mut Command, code: i32) -> String {
    let output: Output = command.output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {errors}");
    assert!(!errors.contains("panicked"), "{command:?}: {errors}");
    let lines: Vec<&str> = errors
        .lines()
        .filter(|line| !line.starts_with("warning: ") && !line.starts_with(" INFO "))
        .collect();
    if code == 1 {
        assert_eq!(lines.len(), 1, "{command:?}: {errors}");
        assert!(lines[0].starts_with("error: "), "{command:?}: {errors}");
        assert!(lines[0].len() < 600, "{command:?}: {errors}");
    }
    errors
}

/// Passes over a test for want of something; a failure where everything must be there.
pub fn skip(missing: &str) {
    assert!(
        std::env::var_os("LASTLAYER_REQUIRE_ALL").is_none(),
        "{missing} is missing, and LASTLAYER_REQUIRE_ALL is set"
    );
    eprintln!("skipped: {missing} is missing");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Files of developers, beside the project's folder.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(path);
    path.exists().then_some(path)
}

pub fn script(name: &str) -> PathBuf {
    root().join("tests/reference").join(name)
}

/// A Python with tests/reference/requirements.txt: the one that LASTLAYER_PYTHON names.
pub fn python() -> Option<Command> {
    std::env::var_os("LASTLAYER_PYTHON").map(Command::new)
}

/// The recipe's backbone at `SIZE`.
pub fn backbone() -> &'static Path {
    static BACKBONE: OnceLock<PathBuf> = OnceLock::new();
    BACKBONE.get_or_init(|| {
        let path = scratch().join("backbone.onnx");
        succeed(
            lastlayer()
                .args(["export", "mobilenet-v2", "--input-size", SIZE, "-o"])
                .arg(&path),
        );
        path
    })
}

/// A signed package of `backbone` without classes.
pub fn bare_package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let path = scratch().join("bare.llp");
        succeed(
            lastlayer()
                .arg("package")
                .arg(backbone())
                .arg("--key")
                .arg(key())
                .arg("-o")
                .arg(&path),
        );
        path
    })
}

/// Removed by the operating system's own rules; tests of one process share it.
fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<tempfile::TempDir> = OnceLock::new();
    SCRATCH
        .get_or_init(|| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
        .path()
}

/// CIFAR-10: to learn from, to test on.
pub fn pictures() -> &'static (Pictures, Pictures) {
    static PICTURES: OnceLock<(Pictures, Pictures)> = OnceLock::new();
    PICTURES.get_or_init(|| {
        let mut fetcher = Fetcher::new(Cache::of_user(), &|_| ());
        cifar::fetch(&mut fetcher).unwrap()
    })
}

/// Writes pictures `from..to` of a class into `folder`.
pub fn write_photos(folder: &Path, class: &str, from: usize, to: usize) {
    fs::create_dir_all(folder).unwrap();
    for (number, picture) in pictures().0[class][from..to].iter().enumerate() {
        let png = Frame::from(picture.clone()).to_png().unwrap();
        fs::write(folder.join(format!("{number:03}.png")), png).unwrap();
    }
}

/// The lines that `--log json` printed.
pub fn events(output: &str) -> Vec<serde_json::Value> {
    output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn named<'a>(events: &'a [serde_json::Value], name: &str) -> Vec<&'a serde_json::Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}
