//! QEMU's command line.

use std::{fs::File, path::Path, process::Child};

use anyhow::{Context, Result};

use super::channel::Source;
use crate::{
    image::{Disk, Image},
    tools,
};

/// What QEMU itself complains about, in the machine's folder.
pub const COMPLAINTS: &str = "complaints";
/// Megabytes. The photos are in memory too.
const MEMORY: &str = "1024";

/// Starts it; it calls at the sockets in `folder`.
pub fn start(image: &Image, disk: &Disk, folder: &Path) -> Result<Child> {
    let complaints = File::create(folder.join(COMPLAINTS))?;
    // Debian's way to say that QEMU is to end when this program ends in whatever way.
    let mut command = tools::command("setpriv")?;
    command.args(["--pdeathsig", "KILL"]);
    command.arg(tools::find("qemu-system-aarch64")?);
    command.args(["-machine", "virt", "-cpu", "cortex-a53", "-smp", "2"]);
    command.args(["-accel", "tcg,thread=multi", "-m", MEMORY]);
    command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    command.arg("-kernel").arg(&image.kernel);
    command.arg("-initrd").arg(&image.initramfs);
    command.args([
        "-append",
        "console=ttyAMA0 loglevel=4 panic=-1 rdinit=/init net.ifnames=0 systemd.unit=multi-user.target systemd.getty_auto=no",
    ]);
    let path = |path: &Path| option(&path.display().to_string());
    command.arg("-drive").arg(format!(
        "if=none,id=disk,format=raw,cache=writeback,file={}",
        path(&disk.path)
    ));
    command.args(["-device", "virtio-blk-pci,drive=disk"]);
    command.args(["-netdev", "user,id=net,restrict=on"]);
    command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
    command.args(["-device", "virtio-serial-pci"]);
    for source in [Source::Agent, Source::Out, Source::Err, Source::Console] {
        let (name, socket) = (source.name(), path(&source.path(folder)));
        let chardev = format!("socket,id={name},path={socket}");
        command.arg("-chardev").arg(chardev);
        if source == Source::Console {
            command.args(["-serial", "chardev:console"]);
        } else {
            let port = format!("virtserialport,chardev={name},name=lastlayer.{name}");
            command.arg("-device").arg(port);
        }
    }
    let unix = |source: Source| format!("unix:{}", path(&source.path(folder)));
    command.arg("-qmp").arg(unix(Source::Qmp));
    command.arg("-qtest").arg(unix(Source::Qtest));
    command.args(["-qtest-log", "none"]);
    command.stdout(complaints.try_clone()?).stderr(complaints);
    command.spawn().context("QEMU does not start")
}

/// A value within an option of QEMU's, where a comma ends it.
fn option(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    #[test]
    fn commas_do_not_end_a_path() {
        assert_eq!(super::option("/a,b/c"), "/a,,b/c");
    }
}
