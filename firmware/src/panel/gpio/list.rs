//! What GPIO chips and lines this machine has.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use linux_embedded_hal::gpio_cdev::{self, Chip};

/// The chips of a machine, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    pub chips: Vec<ChipInfo>,
    /// Chips that may not be opened.
    pub denied: Vec<PathBuf>,
    /// Chips that could not be looked at, each with why.
    pub broken: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ChipInfo {
    pub path: PathBuf,
    /// `gpiochip0`.
    pub name: String,
    /// What the chip's driver calls it: `pinctrl-bcm2711`.
    pub label: String,
    /// In order: the line's number is its place.
    pub lines: Vec<LineInfo>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineInfo {
    pub name: Option<String>,
    /// Who uses it; `None` where it is free.
    pub used_by: Option<String>,
}

/// Looks at all chips. A machine without any gives an empty list.
pub fn list() -> Listing {
    let mut paths: Vec<PathBuf> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| number(path).is_some())
        .collect();
    paths.sort_by_key(|path| number(path));
    let mut listing = Listing::default();
    for path in paths {
        match File::open(&path) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                listing.denied.push(path);
                continue;
            }
            Err(e) => {
                listing.broken.push(format!("{}: {e}", path.display()));
                continue;
            }
        }
        match look(&path) {
            // A link to a chip that was there already, as the Raspberry Pi 5 has one.
            Ok(chip) if listing.chips.iter().any(|c| c.name == chip.name) => {}
            Ok(chip) => listing.chips.push(chip),
            Err(e) => listing.broken.push(format!("{}: {e}", path.display())),
        }
    }
    listing
}

/// The N of `/dev/gpiochipN`.
fn number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("gpiochip")?.parse().ok()
}

fn look(path: &Path) -> Result<ChipInfo, gpio_cdev::Error> {
    let chip = Chip::new(path)?;
    let line = |line: gpio_cdev::Line| -> Result<LineInfo, gpio_cdev::Error> {
        let info = line.info()?;
        let by = info.consumer().filter(|by| !by.is_empty());
        let kernel = info.is_kernel().then(|| "the kernel".to_owned());
        Ok(LineInfo {
            name: info.name().map(Into::into),
            // Also set, beside the consumer's name, for what another program uses.
            used_by: by.map(Into::into).or(kernel),
        })
    };
    Ok(ChipInfo {
        path: path.into(),
        name: chip.name().into(),
        label: chip.label().into(),
        lines: chip.lines().map(line).collect::<Result<_, _>>()?,
    })
}
