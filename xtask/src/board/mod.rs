//! The commands about the virtual board.

mod lesson;
mod person;
mod probe;
mod service;
mod site;
mod test;

use anyhow::Result;

pub use person::Board;
pub use site::Site;
pub use test::test;

use crate::{image::Debian, tools};

/// Of lastlayerd on the virtual board.
const CONFIGURATION: &str = include_str!("../../guest/lastlayerd.toml");
/// The line of the button `teach`.
pub const TEACH_LINE: u8 = 0;
/// The line of the button `next`.
pub const NEXT_LINE: u8 = 1;

/// Programs of this machine that a virtual board needs.
const PROGRAMS: [&str; 8] = [
    "apt-get",
    "apt-cache",
    "dpkg-deb",
    "depmod",
    "modprobe",
    "mke2fs",
    "qemu-system-aarch64",
    "setpriv",
];

/// Fetches and unpacks Debian's packages for the board. An error names all programs that are
/// missing here, and how to install them.
pub fn setup() -> Result<()> {
    tools::need(&PROGRAMS)?;
    let debian = Debian::unpacked()?;
    println!(
        "{}: Debian with Linux {}",
        debian.root.display(),
        debian.kernel
    );
    Ok(())
}
