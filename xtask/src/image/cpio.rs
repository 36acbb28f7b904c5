//! The archive that Linux takes as its first file system: `newc`, described in the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst. Written here because a device node
//! in it needs no root this way, as `mknod` and `cpio` would.

use std::io::{self, Write};

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Writes entries as they are told, folders before what is in them; `finish` ends the archive.
pub struct Archive<W> {
    out: W,
    entries: u32,
}

/// What the fields of an entry's header are, apart from those that are always the same.
struct Entry<'a> {
    /// Without a leading slash.
    name: &'a str,
    mode: u32,
    device: (u32, u32),
    content: &'a [u8],
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self { out, entries: 0 }
    }

    pub fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(Entry {
            name,
            mode: FOLDER | 0o755,
            device: (0, 0),
            content: &[],
        })
    }

    /// At most 4 GB. `permissions` are the last twelve bits of a file's mode.
    pub fn file(&mut self, name: &str, content: &[u8], permissions: u32) -> io::Result<()> {
        self.entry(Entry {
            name,
            mode: FILE | permissions,
            device: (0, 0),
            content,
        })
    }

    /// A symbolic link, whose target is taken as it is.
    pub fn link(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.entry(Entry {
            name,
            mode: LINK | 0o777,
            device: (0, 0),
            content: target.as_bytes(),
        })
    }

    /// A character device with its major and minor number.
    pub fn device(&mut self, name: &str, device: (u32, u32)) -> io::Result<()> {
        self.entry(Entry {
            name,
            mode: CHARACTER_DEVICE | 0o600,
            device,
            content: &[],
        })
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.entry(Entry {
            name: "TRAILER!!!",
            mode: 0,
            device: (0, 0),
            content: &[],
        })?;
        self.out.flush()
    }

    fn entry(&mut self, entry: Entry<'_>) -> io::Result<()> {
        self.entries += 1;
        let length = |bytes: usize| {
            u32::try_from(bytes)
                .map_err(|_| io::Error::other("a file is too long for an initramfs"))
        };
        // inode, mode, owner, group, links, time, length, the file system's device, the entry's
        // device, length of the name with its zero, checksum
        let fields = [
            self.entries,
            entry.mode,
            0,
            0,
            1,
            0,
            length(entry.content.len())?,
            0,
            0,
            entry.device.0,
            entry.device.1,
            length(entry.name.len() + 1)?,
            0,
        ];
        let mut header = String::from("070701");
        header.extend(fields.iter().map(|field| format!("{field:08x}")));
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(entry.name.as_bytes())?;
        self.zeros(1 + padding(header.len() + entry.name.len() + 1))?;
        self.out.write_all(entry.content)?;
        self.zeros(padding(entry.content.len()))
    }

    fn zeros(&mut self, count: usize) -> io::Result<()> {
        self.out.write_all(&[0; 4][..count])
    }
}

/// Headers and contents begin at multiples of four.
fn padding(length: usize) -> usize {
    (4 - length % 4) % 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_kernel_describes() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.folder("etc").unwrap();
        archive.file("etc/name", b"board", 0o755).unwrap();
        archive.link("name", "etc/name").unwrap();
        archive.device("console", (5, 1)).unwrap();
        archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        // 110 bytes of header, "etc", its zero, two more to a multiple of four.
        assert!(text.starts_with("07070100000001000041ed"));
        assert_eq!(&bytes[110..116], b"etc\0\0\0");
        assert!(text[116..].starts_with("07070100000002000081ed"));
        assert!(
            text.contains("00000005000000000000000000000000000000000000000900000000etc/name\0")
        );
        assert!(text.contains("\0board\0\0\x00070701"));
        assert!(text.contains("0000a1ff"));
        assert!(text.contains("name\0\0etc/name07070100000004"));
        assert!(text.contains("00002180"));
        assert!(text.contains("000000050000000100000008"));
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }

    #[test]
    fn everything_begins_at_a_multiple_of_four() {
        let all: Vec<usize> = (0..6).map(padding).collect();
        assert_eq!(all, [0, 3, 2, 1, 0, 3]);
    }
}
