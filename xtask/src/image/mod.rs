//! What a virtual board boots: Debian's kernel, and a file system in memory with busybox, the
//! kernel's modules, the programs of this project and photos to show. `/data` is a disk.

mod cpio;
mod debian;
mod disk;
pub mod photos;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{cross::check, tools};
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
/// Programs of Debian's packages for the agent and for tests, from `/`.
const PROGRAMS: [&str; 4] = [
    "usr/bin/v4l2-ctl",
    "usr/bin/gpioget",
    "usr/bin/gpioset",
    "usr/bin/gpioinfo",
];
const LIBRARIES: [&str; 2] = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
const LOADER: &str = "lib/ld-linux-aarch64.so.1";
/// What `/dev/console` is on every Linux.
const CONSOLE: (u32, u32) = (5, 1);

/// What a virtual board shows and runs.
pub struct Content {
    /// `lastlayerd` for aarch64.
    pub program: PathBuf,
    /// Becomes `/site.llp`.
    pub package: PathBuf,
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
        for name in ["bin", "data", "dev", "etc", "lib", "lib/aarch64-linux-gnu"] {
            archive.folder(name)?;
        }
        for name in ["modules", "photos", "proc", "run", "sys", "tmp"] {
            archive.folder(name)?;
        }
        archive.device("dev/console", CONSOLE)?;
        archive.file("etc/hosts", b"127.0.0.1 localhost\n", false)?;
        archive.file("etc/passwd", b"root:x:0:0:root:/data:/bin/sh\n", false)?;
        for script in ["init", "agent"] {
            let path = tools::root().join("xtask/guest").join(script);
            archive.file(script, &read(&path)?, true)?;
        }
        modules(&mut archive, debian)?;
        programs(&mut archive, debian, &content.program)?;
        archive.file("site.llp", &read(&content.package)?, false)?;
        for (name, folder) in &content.photos {
            ensure!(
                is_name(name),
                "{name:?} is no name for photos: use letters, digits and -"
            );
            let frames = photos::frames(folder, content.most_photos)?;
            archive.file(&format!("photos/{name}.rgb"), &frames, false)?;
        }
        archive.finish()?;
        let kernel = debian.file(&format!("boot/vmlinuz-{}", debian.kernel));
        Ok(Self { kernel, initramfs })
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
        archive.file(&format!("modules/{name}"), &content, false)?;
        let options = if name == format!("{VIVID}.ko") {
            VIVID_OPTIONS
        } else {
            ""
        };
        order.push_str(&format!("{name} {options}\n"));
    }
    archive.file("modules/order", order.as_bytes(), false)?;
    Ok(())
}

/// busybox, Debian's programs and ours, and every library that they ask for.
fn programs(
    archive: &mut Archive<impl std::io::Write>,
    debian: &Debian,
    program: &Path,
) -> Result<()> {
    let busybox = read(&debian.file("bin/busybox"))?;
    archive.file("bin/busybox", &busybox, true)?;
    archive.file(
        LOADER,
        &read(&library("ld-linux-aarch64.so.1", debian)?)?,
        true,
    )?;
    let mut wanted = BTreeSet::new();
    for path in PROGRAMS
        .map(|path| debian.file(path))
        .iter()
        .map(PathBuf::as_path)
        .chain([program])
    {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = read(path)?;
        wanted.extend(check::libraries(&content)?);
        archive.file(&format!("bin/{name}"), &content, true)?;
    }
    let mut written = BTreeSet::from(["ld-linux-aarch64.so.1".to_owned()]);
    while let Some(name) = wanted.pop_first() {
        if written.insert(name.clone()) {
            let content = read(&library(&name, debian)?)?;
            wanted.extend(check::libraries(&content)?);
            archive.file(&format!("lib/aarch64-linux-gnu/{name}"), &content, true)?;
        }
    }
    Ok(())
}

fn library(name: &str, debian: &Debian) -> Result<PathBuf> {
    LIBRARIES
        .iter()
        .map(|folder| debian.file(folder).join(name))
        .find(|path| path.exists())
        .with_context(|| format!("none of Debian's packages for the board has the library {name}"))
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
