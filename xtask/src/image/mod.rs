//! What a virtual board boots: Debian's kernel, and a file system in memory with a small Debian, the
//! kernel's modules, lastlayerd and photos to show. `/data` is a disk.

mod cpio;
mod debian;
mod disk;
pub mod photos;

use std::{
    fs::{self, File},
    io::BufWriter,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use walkdir::{DirEntry, WalkDir};

use crate::tools;
use cpio::Archive;
pub use debian::Debian;
pub use disk::Disk;

/// In this order; what they need is added.
const MODULES: [&str; 6] = [
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "virtio_net",
    "ext4",
    VIVID,
];
const VIVID: &str = "vivid";
/// One HDMI input and one HDMI output, which vivid can connect; the input becomes /dev/video0.
const VIVID_OPTIONS: &str =
    "n_devs=1 node_types=0x101 num_inputs=1 input_types=0x3 num_outputs=1 output_types=0x1";
/// Beginnings of paths in Debian's packages, from `/`.
const LEFT_OUT: [&str; 5] = [
    "boot",
    "lib/modules",
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/lib/linux-image-",
    "usr/share",
];
const MACHINE_ID: &[u8] = b"1a57a1ae51a57a1ae51a57a1ae51a57a\n";
/// What `/dev/console` is on every Linux.
const CONSOLE: (u32, u32) = (5, 1);

/// What a virtual board shows and runs.
pub struct Content {
    /// `lastlayerd` for aarch64.
    pub program: PathBuf,
    /// Becomes `/site.llp`.
    pub package: PathBuf,
    /// Becomes `/newer.llp`.
    pub newer: Option<PathBuf>,
    /// The public key of who signed it; becomes `/site.pub`.
    pub key: PathBuf,
    /// Names for `Machine::show`, and the folder of photos of each.
    pub photos: Vec<(String, PathBuf)>,
    /// The most photos of a folder; each takes 900 kB of the guest's memory.
    pub most_photos: usize,
}

/// What a machine boots.
#[derive(Clone, Debug)]
pub struct Image {
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
}

impl Image {
    /// Writes the initramfs into `folder`.
    pub fn build(debian: &Debian, content: &Content, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let initramfs = folder.join("initramfs.cpio");
        let file = File::create(&initramfs)
            .with_context(|| format!("{} cannot be written", initramfs.display()))?;
        let mut archive = Archive::new(BufWriter::new(file));
        system(&mut archive, &debian.root)?;
        for name in [
            "data", "dev", "modules", "photos", "proc", "run", "sys", "tmp",
        ] {
            archive.folder(name)?;
        }
        archive.device("dev/console", CONSOLE)?;
        // Without one systemd would ask a person about a first boot.
        archive.file("etc/machine-id", MACHINE_ID, 0o444)?;
        archive.file("etc/hosts", b"127.0.0.1 localhost\n", 0o644)?;
        for script in ["init", "agent"] {
            let path = tools::root().join("xtask/guest").join(script);
            archive.file(script, &read(&path)?, 0o755)?;
        }
        let unit = read(&tools::root().join("xtask/guest/agent.service"))?;
        archive.file("lib/systemd/system/agent.service", &unit, 0o644)?;
        modules(&mut archive, debian)?;
        archive.file("bin/lastlayerd", &read(&content.program)?, 0o755)?;
        archive.file("site.llp", &read(&content.package)?, 0o644)?;
        if let Some(newer) = &content.newer {
            archive.file("newer.llp", &read(newer)?, 0o644)?;
        }
        archive.file("site.pub", &read(&content.key)?, 0o644)?;
        for (name, folder) in &content.photos {
            ensure!(
                is_name(name),
                "{name:?} is no name for photos: use letters, digits and -"
            );
            let frames = photos::frames(folder, content.most_photos)?;
            archive.file(&format!("photos/{name}.rgb"), &frames, 0o644)?;
        }
        archive.finish()?;
        Ok(Self::of(debian, initramfs))
    }

    /// Of a board that runs `program` on packages, prints what it says on its console, and ends.
    pub fn bench(
        debian: &Debian,
        program: &Path,
        packages: &[PathBuf],
        folder: &Path,
    ) -> Result<Self> {
        let initramfs = folder.join("initramfs.cpio");
        let mut archive = Archive::new(BufWriter::new(File::create(&initramfs)?));
        system(&mut archive, &debian.root)?;
        for name in ["dev", "packages", "proc", "tmp"] {
            archive.folder(name)?;
        }
        archive.device("dev/console", CONSOLE)?;
        let init = read(&tools::root().join("xtask/guest/bench"))?;
        archive.file("init", &init, 0o755)?;
        archive.file("bin/frames", &read(program)?, 0o755)?;
        for package in packages {
            let name = package.file_name().unwrap_or_default().to_string_lossy();
            archive.file(&format!("packages/{name}"), &read(package)?, 0o644)?;
        }
        archive.finish()?;
        Ok(Self::of(debian, initramfs))
    }

    fn of(debian: &Debian, initramfs: PathBuf) -> Self {
        let kernel = debian.file(&format!("boot/vmlinuz-{}", debian.kernel));
        Self { kernel, initramfs }
    }
}

/// Goes through a shell in the guest as it is.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// The modules and `modules/order`, whose lines are what `insmod` is told.
fn modules(archive: &mut Archive<impl std::io::Write>, debian: &Debian) -> Result<()> {
    let mut order = String::new();
    for path in debian.modules(&MODULES)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (name, content) = match name.strip_suffix(".xz") {
            Some(name) => {
                let mut xz = tools::command("xz")?;
                (name, tools::output(xz.arg("-dc").arg(&path))?)
            }
            None => (&*name, read(&path)?),
        };
        archive.file(&format!("modules/{name}"), &content, 0o644)?;
        let options = if name == format!("{VIVID}.ko") {
            VIVID_OPTIONS
        } else {
            ""
        };
        order.push_str(&format!("{name} {options}\n"));
    }
    archive.file("modules/order", order.as_bytes(), 0o644)?;
    Ok(())
}

/// Debian's packages as they are, without what nobody looks at here.
fn system(archive: &mut Archive<impl std::io::Write>, root: &Path) -> Result<()> {
    let kept = |entry: &DirEntry| {
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let path = path.to_string_lossy();
        !LEFT_OUT.iter().any(|left| path.starts_with(left))
    };
    let walk = WalkDir::new(root).min_depth(1).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(kept) {
        let entry = entry?;
        let path = entry.path();
        let name = path.strip_prefix(root)?.to_string_lossy();
        let kind = entry.file_type();
        if kind.is_dir() {
            archive.folder(&name)?;
        } else if kind.is_symlink() {
            archive.link(&name, &fs::read_link(path)?.to_string_lossy())?;
        } else {
            archive.file(&name, &read(path)?, entry.metadata()?.mode() & 0o7777)?;
        }
    }
    for (name, master) in [("passwd", "passwd.master"), ("group", "group.master")] {
        let master = read(&root.join("usr/share/base-passwd").join(master))?;
        archive.file(&format!("etc/{name}"), &master, 0o644)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quotes_in_a_shell() {
        assert!(is_name("car") && is_name("test-2"));
        for bad in ["", "a b", "a/b", "$x", "ü"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
