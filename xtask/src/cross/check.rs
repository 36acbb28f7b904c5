//! What a program for boards must be, read from the built file itself: a toolchain that links
//! against the wrong C library builds without a word, and the board then says `version GLIBC_2.34
//! not found` where nobody has a compiler.

use std::{collections::BTreeSet, fmt};

use anyhow::{Context, Result, bail, ensure};
use object::{
    Architecture, Endianness, Object, ObjectSection, SectionKind,
    elf::{DT_NEEDED, FileHeader32, FileHeader64},
    read::elf::{Dyn, FileHeader},
};

/// A version of the C library: major, minor.
pub type Glibc = (u32, u32);

/// Debian 11, thus Raspberry Pi OS 11, and Ubuntu 20.04, thus JetPack 5.
pub const OLDEST_GLIBC: Glibc = (2, 31);
/// Bytes. A board's card holds two of them and its network is slow.
pub const MAX_SIZE: u64 = 20_000_000;

/// What a program needs of the board that it runs on.
#[derive(Debug, PartialEq)]
pub struct Needs {
    pub architecture: Architecture,
    pub little_endian: bool,
    /// Bytes of the file.
    pub size: u64,
    pub stripped: bool,
    /// The newest version that a symbol asks for; none in a program that is linked statically.
    pub glibc: Option<Glibc>,
    /// Names of shared libraries, in the file's order.
    pub libraries: Vec<String>,
}

impl Needs {
    /// Reads a 32-bit or 64-bit ELF file. An error where it is none or is damaged.
    pub fn of(file: &[u8]) -> Result<Self> {
        let parsed = object::File::parse(file).context("this is no ELF file")?;
        let glibc = match parsed.is_64() {
            true => newest_glibc::<FileHeader64<Endianness>>(file)?,
            false => newest_glibc::<FileHeader32<Endianness>>(file)?,
        };
        Ok(Self {
            architecture: parsed.architecture(),
            little_endian: parsed.is_little_endian(),
            size: file.len() as u64,
            stripped: parsed.symbol_table().is_none()
                && parsed
                    .sections()
                    .all(|section| section.kind() != SectionKind::Debug),
            glibc,
            libraries: libraries(file)?,
        })
    }

    /// Every reason why it would not run on a board, in one error; sizes are in bytes.
    pub fn check(&self, architecture: Architecture, most: Option<u64>) -> Result<()> {
        let mut wrong = Vec::new();
        if self.architecture != architecture || !self.little_endian {
            wrong.push(format!(
                "it is for {:?} and not for {architecture:?}: build it with `cargo xtask cross`",
                self.architecture
            ));
        }
        if let Some((major, minor)) = self.glibc.filter(|version| *version > OLDEST_GLIBC) {
            wrong.push(format!(
                "it needs GLIBC_{major}.{minor}, and boards have {}.{}: link with zig, or statically",
                OLDEST_GLIBC.0, OLDEST_GLIBC.1
            ));
        }
        if !self.stripped {
            wrong.push("it has a symbol table: set `strip = true` in its profile".into());
        }
        if let Some(most) = most.filter(|most| self.size >= *most) {
            let size = self.size;
            wrong.push(format!(
                "it has {size} bytes, and has to have less than {most}"
            ));
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(())
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:?}, {:.1} MB",
            self.architecture,
            self.size as f64 / 1e6
        )?;
        match self.glibc {
            Some((major, minor)) => write!(out, ", newest symbol GLIBC_{major}.{minor}")?,
            None => write!(out, ", no symbol of a C library")?,
        }
        match self.libraries.is_empty() {
            true => write!(out, ", linked statically"),
            false => write!(out, ", needs {}", self.libraries.join(" ")),
        }
    }
}

/// The shared libraries that a program or library asks for by name.
pub fn libraries(file: &[u8]) -> Result<Vec<String>> {
    match object::File::parse(file)?.is_64() {
        true => libraries_of::<FileHeader64<Endianness>>(file),
        false => libraries_of::<FileHeader32<Endianness>>(file),
    }
}

fn libraries_of<E: FileHeader<Endian = Endianness>>(file: &[u8]) -> Result<Vec<String>> {
    let header = E::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let mut libraries = Vec::new();
    if let Some((entries, strings)) = sections.dynamic(endian, file)? {
        let strings = sections.strings(endian, file, strings)?;
        for entry in entries {
            if entry.tag(endian) == DT_NEEDED {
                let name = entry.string(endian, strings)?;
                libraries.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(libraries)
}

/// The newest version that a symbol asks for.
fn newest_glibc<E: FileHeader<Endian = Endianness>>(file: &[u8]) -> Result<Option<Glibc>> {
    let header = E::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let mut versions = BTreeSet::new();
    if let Some((mut needed, strings)) = sections.gnu_verneed(endian, file)? {
        let strings = sections.strings(endian, file, strings)?;
        while let Some((_, mut wanted)) = needed.next()? {
            while let Some(version) = wanted.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                versions.extend(glibc(&name)?);
            }
        }
    }
    Ok(versions.last().copied())
}

/// `GLIBC_2.31` and `GLIBC_2.2.5`; none for the versions of other libraries.
fn glibc(name: &str) -> Result<Option<Glibc>> {
    let Some(version) = name.strip_prefix("GLIBC_") else {
        return Ok(None);
    };
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok(Some((major, minor))),
        _ => bail!("{name} is no version of the C library that is known here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Needs {
        Needs {
            architecture: Architecture::Aarch64,
            little_endian: true,
            size: 9_000_000,
            stripped: true,
            glibc: Some((2, 31)),
            libraries: vec!["libc.so.6".into()],
        }
    }

    #[test]
    fn a_good_program_passes_and_says_what_it_needs() {
        good().check(Architecture::Aarch64, Some(MAX_SIZE)).unwrap();
        assert_eq!(
            good().to_string(),
            "Aarch64, 9.0 MB, newest symbol GLIBC_2.31, needs libc.so.6"
        );
        let fixed = Needs {
            glibc: None,
            libraries: Vec::new(),
            ..good()
        };
        fixed.check(Architecture::Aarch64, Some(MAX_SIZE)).unwrap();
        assert!(fixed.to_string().ends_with("linked statically"));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let bad = Needs {
            architecture: Architecture::X86_64,
            size: MAX_SIZE,
            stripped: false,
            glibc: Some((2, 34)),
            ..good()
        };
        let error = bad
            .check(Architecture::Aarch64, Some(MAX_SIZE))
            .unwrap_err()
            .to_string();
        for part in ["X86_64", "GLIBC_2.34", "strip", "20000000"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(glibc("GLIBC_2.4").unwrap(), Some((2, 4)));
        assert_eq!(glibc("GLIBC_2.2.5").unwrap(), Some((2, 2)));
        assert_eq!(glibc("GCC_4.2.0").unwrap(), None);
        assert!(glibc("GLIBC_PRIVATE").is_err());
        assert!(glibc("GLIBC_2.4").unwrap() < Some(OLDEST_GLIBC));
    }

    #[test]
    fn this_test_is_an_unstripped_program_of_this_machine() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = Needs::of(&file).unwrap();
        assert!(!needs.stripped && needs.glibc.is_some());
        assert!(needs.libraries.iter().any(|name| name == "libc.so.6"));
        for length in [0, 3, 64, 200, file.len() / 2] {
            assert!(Needs::of(&file[..length]).is_err(), "{length} bytes");
        }
    }
}
