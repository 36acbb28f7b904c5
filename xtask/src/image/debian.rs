//! Debian's arm64 packages for the guest, unpacked under target/board. apt works here with folders
//! of its own, so that this needs neither root nor a foreign architecture in the system.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::tools;

/// What the guest is made of, beside the kernel; apt adds what they need.
const PACKAGES: [&str; 8] = [
    "base-passwd",
    "busybox-static",
    "coreutils",
    "gpiod",
    "systemd",
    "udev",
    "util-linux",
    "v4l-utils",
];
/// Its newest version depends on the newest kernel's package.
const KERNEL: &str = "linux-image-arm64";

/// Unpacked packages.
pub struct Debian {
    /// What would be `/` on a machine that has them.
    pub root: PathBuf,
    /// `6.1.0-56-arm64`, say.
    pub kernel: String,
}

impl Debian {
    /// Fetches and unpacks what is not there yet (95 MB to fetch, 520 MB unpacked).
    pub fn unpacked() -> Result<Self> {
        let folder = tools::target().join("board/debian");
        // Written last; a folder without it is half made, one of another list is made anew.
        let complete = folder.join("complete");
        let list = PACKAGES.join(" ");
        if let Ok(text) = fs::read_to_string(&complete)
            && let Some((kernel, had)) = text.split_once(' ')
            && had == list
        {
            return Ok(Self {
                root: folder.join("root"),
                kernel: kernel.into(),
            });
        }
        tools::need(&["apt-get", "apt-cache", "dpkg-deb", "depmod"])?;
        eprintln!("fetching Debian's arm64 packages into {}", folder.display());
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("{} cannot be removed", folder.display()));
            }
            _ => {}
        }
        let debian = fetch(&folder)?;
        fs::write(&complete, format!("{} {list}", debian.kernel))?;
        Ok(debian)
    }

    /// A file of the packages, by its path from `/`.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Modules in the order in which they can be loaded, each with those that it needs before it.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut modules = Vec::new();
        for name in names {
            // A configuration of this machine has no say here.
            let mut modprobe = tools::command("modprobe")?;
            modprobe.args(["--config", "/dev/null", "--show-depends", "--set-version"]);
            modprobe.arg(&self.kernel).arg("--dirname").arg(&self.root);
            let text = tools::text(modprobe.arg(name))?;
            for path in text.lines().filter_map(module) {
                if !modules.contains(&path) {
                    modules.push(path);
                }
            }
        }
        Ok(modules)
    }
}

/// `insmod PATH OPTIONS`; nothing for what is built into the kernel.
fn module(line: &str) -> Option<PathBuf> {
    let path = line.strip_prefix("insmod ")?.split_whitespace().next()?;
    Some(path.into())
}

fn fetch(folder: &Path) -> Result<Debian> {
    for empty in [
        "apt/state/lists/partial",
        "apt/cache/archives/partial",
        "root",
    ] {
        fs::create_dir_all(folder.join(empty))?;
    }
    fs::write(folder.join("apt/status"), "")?;
    let hint = "Debian's packages come with apt from the sources that this Debian machine has; are \
                they reachable?";
    let run = |command: &mut Command| tools::output(command).context(hint);
    run(apt(folder, "apt-get")?.arg("update"))?;
    let depends = tools::text(apt(folder, "apt-cache")?.args(["depends", KERNEL])).context(hint)?;
    let image = newest_kernel(&depends)
        .with_context(|| format!("{KERNEL} names no kernel; is this machine a Debian?"))?;
    run(apt(folder, "apt-get")?
        .args([
            "install",
            "--yes",
            "--download-only",
            "--no-install-recommends",
        ])
        .args(PACKAGES))?;
    // Without what it would do with initramfs-tools.
    let archives = folder.join("apt/cache/archives");
    run(apt(folder, "apt-get")?
        .arg("download")
        .arg(image)
        .current_dir(&archives))?;

    let root = folder.join("root");
    for file in fs::read_dir(&archives)?.flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|ending| ending == "deb") {
            tools::output(
                tools::command("dpkg-deb")?
                    .arg("--extract")
                    .arg(&file)
                    .arg(&root),
            )?;
            fs::remove_file(&file)?;
        }
    }
    let kernel = image.trim_start_matches("linux-image-").to_owned();
    tools::output(
        tools::command("depmod")?
            .arg("--basedir")
            .arg(&root)
            .arg(&kernel),
    )?;
    Ok(Debian { root, kernel })
}

/// `  Depends: linux-image-6.1.0-56-arm64`
fn newest_kernel(depends: &str) -> Option<&str> {
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with("linux-image-") && package.ends_with("-arm64"))
}

/// An apt that knows no architecture but arm64 and no package that is installed.
fn apt(folder: &Path, program: &str) -> Result<Command> {
    let mut command = tools::command(program)?;
    let path = |name: &str| folder.join("apt").join(name).display().to_string();
    for option in [
        "APT::Architecture=arm64".into(),
        "APT::Architectures=arm64".into(),
        format!("Dir::State={}", path("state")),
        format!("Dir::State::status={}", path("status")),
        format!("Dir::Cache={}", path("cache")),
        // It would want to give the files to its own user, who may not see this folder.
        "APT::Sandbox::User=root".into(),
        "Acquire::Languages=none".into(),
    ] {
        command.arg("-o").arg(option);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_the_one_that_debian_names() {
        let text = "linux-image-arm64\n  Depends: linux-image-6.1.0-56-arm64\n";
        assert_eq!(newest_kernel(text), Some("linux-image-6.1.0-56-arm64"));
        assert_eq!(newest_kernel("linux-image-arm64\n"), None);
    }

    #[test]
    fn modules_are_those_that_are_not_built_in() {
        let path = module("insmod /debian/lib/modules/6.1/kernel/cec.ko debug=1 ");
        assert_eq!(path, Some("/debian/lib/modules/6.1/kernel/cec.ko".into()));
        assert_eq!(module("builtin virtio"), None);
    }
}
