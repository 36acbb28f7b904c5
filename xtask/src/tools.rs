//! Programs of this machine: found or named with what installs them, run with one line on failure.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// The project's folder.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// What has to be installed for a program of that name.
fn debian_package(program: &str) -> &str {
    match program {
        "qemu-system-aarch64" => "qemu-system-arm",
        "qemu-aarch64-static" => "qemu-user-static",
        "mke2fs" => "e2fsprogs",
        "depmod" | "modprobe" => "kmod",
        "dpkg-deb" => "dpkg",
        "apt-get" | "apt-cache" => "apt",
        "xz" => "xz-utils",
        "setpriv" => "util-linux",
        other => other,
    }
}

/// The path of a program. Those of administrators are found for everybody.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| {
            let package = debian_package(program);
            format!("{program} is missing: run `apt-get install {package}` as root")
        })
}

/// Every program of the list, or one error that names all packages that are missing.
pub fn need(programs: &[&str]) -> Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|program| find(program).is_err())
        .map(|program| debian_package(program))
        .collect();
    ensure!(
        missing.is_empty(),
        "programs are missing: run `apt-get install {}` as root",
        missing.join(" ")
    );
    Ok(())
}

/// A command of a program that `find` finds.
pub fn command(program: &str) -> Result<Command> {
    let mut command = Command::new(find(program)?);
    command.stdin(Stdio::null());
    Ok(command)
}

/// Runs it with its output shown.
pub fn run(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command
        .status()
        .with_context(|| format!("{name} does not start"))?;
    ensure!(status.success(), "{name} failed ({status}): see above");
    Ok(())
}

/// Runs it; its standard output. What it said on stderr becomes part of the error.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = name(command);
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .with_context(|| format!("{name} does not start"))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        bail!(
            "{name} failed ({status}): {}",
            last.unwrap_or("it does not say why")
        );
    }
    Ok(stdout)
}

/// As `output`, for a program that prints text.
pub fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(output(command)?)?)
}

/// A name for a person: `cargo zigbuild`, `dpkg-deb`.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program
        .file_name()
        .unwrap_or(OsStr::new("?"))
        .to_string_lossy();
    let word = |word: &&OsStr| {
        word.to_str()
            .is_some_and(|text| text.chars().all(char::is_alphabetic))
    };
    match command.get_args().next().filter(word) {
        Some(first) => format!("{program} {}", first.to_string_lossy()),
        None => program.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert!(find("sh").is_ok());
        let error = find("no-such-program").unwrap_err().to_string();
        assert!(error.contains("apt-get install no-such-program"));
        let error = need(&["sh", "no-a", "no-b"]).unwrap_err().to_string();
        assert!(error.contains("apt-get install no-a no-b"));
    }

    #[test]
    fn a_failure_says_the_last_line() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo first >&2; echo last >&2; exit 3"]);
        let error = output(&mut failing).unwrap_err().to_string();
        assert!(
            error.starts_with("sh failed") && error.ends_with("last"),
            "{error}"
        );
    }
}
