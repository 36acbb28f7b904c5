//! Which line is meant: by the chip's label, name or path, and the line's name or number.

use std::path::PathBuf;

use super::{ChipInfo, GpioError, Listing};
use crate::panel::settings::LineId;

/// Names near a wrong one that are worth to be said.
const NEAR: usize = 4;

/// One line of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The chip's name.
    pub chip: String,
    pub path: PathBuf,
    pub line: u32,
    pub name: Option<String>,
    pub used_by: Option<String>,
}

impl Found {
    /// As people read it.
    pub fn text(&self) -> String {
        match &self.name {
            Some(name) => format!("{} of {} ({name})", self.line, self.chip),
            None => format!("{} of {}", self.line, self.chip),
        }
    }
}

/// The line that `chip` and `line` mean. Without a chip, a name is looked for on all chips, and a
/// number is the only chip's.
pub fn find(listing: &Listing, chip: Option<&str>, line: &LineId) -> Result<Found, GpioError> {
    let chips = chips(listing, chip)?;
    match line {
        LineId::Name(name) => by_name(&chips, name),
        LineId::Number(number) => {
            let [chip] = chips[..] else {
                return Err(GpioError::WhichChip {
                    line: *number,
                    there: text(&chips),
                });
            };
            found(chip, *number).ok_or_else(|| GpioError::NoNumber {
                chip: name(chip),
                asked: *number,
                last: (chip.lines.len() as u32).saturating_sub(1),
            })
        }
    }
}

/// Where the line can be: one chip, or all where none is asked for. Never none.
fn chips<'a>(listing: &'a Listing, asked: Option<&str>) -> Result<Vec<&'a ChipInfo>, GpioError> {
    let all: Vec<&ChipInfo> = listing.chips.iter().collect();
    let denied = || {
        let paths = listing.denied.iter().map(|p| p.display().to_string());
        GpioError::Denied(paths.collect::<Vec<_>>().join(", "))
    };
    if all.is_empty() {
        return Err(match (&listing.denied[..], &listing.broken[..]) {
            ([], []) => GpioError::NoChips,
            ([], [first, ..]) => GpioError::Kernel {
                line: "of any chip".into(),
                error: first.clone(),
            },
            _ => denied(),
        });
    }
    let Some(asked) = asked else {
        return Ok(all);
    };
    let is = |c: &&ChipInfo| c.name == asked || c.label == asked || c.path.as_os_str() == asked;
    let matching: Vec<&ChipInfo> = all.iter().copied().filter(is).collect();
    match matching.len() {
        1 => Ok(matching),
        0 if !listing.denied.is_empty() => Err(denied()),
        0 => Err(GpioError::NoChip {
            asked: asked.into(),
            there: text(&all),
        }),
        _ => Err(GpioError::ManyChips {
            asked: asked.into(),
            there: text(&matching),
        }),
    }
}

fn by_name(chips: &[&ChipInfo], asked: &str) -> Result<Found, GpioError> {
    let is = |line: &super::LineInfo| line.name.as_deref() == Some(asked);
    let places: Vec<Found> = chips
        .iter()
        .flat_map(|chip| {
            let numbers = chip.lines.iter().enumerate().filter(|(_, line)| is(line));
            numbers.filter_map(|(number, _)| found(chip, number as u32))
        })
        .collect();
    match &places[..] {
        [place] => Ok(place.clone()),
        [] => Err(GpioError::NoName {
            chip: text(chips),
            asked: asked.into(),
            near: near(chips, asked),
        }),
        _ => {
            let texts = places.iter().map(|p| format!("{} of {}", p.line, p.chip));
            Err(GpioError::ManyLines {
                asked: asked.into(),
                places: texts.collect::<Vec<_>>().join(", "),
            })
        }
    }
}

fn found(chip: &ChipInfo, number: u32) -> Option<Found> {
    let line = chip.lines.get(number as usize)?;
    Some(Found {
        chip: chip.name.clone(),
        path: chip.path.clone(),
        line: number,
        name: line.name.clone(),
        used_by: line.used_by.clone(),
    })
}

fn name(chip: &ChipInfo) -> String {
    format!("{} ({})", chip.name, chip.label)
}

fn text(chips: &[&ChipInfo]) -> String {
    let texts = chips
        .iter()
        .map(|chip| format!("{} ({}, {} lines)", chip.name, chip.label, chip.lines.len()));
    texts.collect::<Vec<_>>().join(", ")
}

/// `, but "GPIO17", "GPIO27"`, or that the lines have no names.
fn near(chips: &[&ChipInfo], asked: &str) -> String {
    let names = chips.iter().flat_map(|chip| &chip.lines);
    let mut names: Vec<&str> = names.filter_map(|line| line.name.as_deref()).collect();
    if names.is_empty() {
        return ": its lines have no names, give a number".into();
    }
    names.sort_by_key(|name| distance(name, asked));
    names.dedup();
    names.truncate(NEAR);
    names.retain(|name| distance(name, asked) <= asked.len().div_ceil(2));
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.is_empty() {
        true => String::new(),
        false => format!(", but {}", quoted.join(", ")),
    }
}

/// How many letters differ, upper and lower case alike (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let here = (before + usize::from(x != y)).min(row[j].min(row[j + 1]) + 1);
            before = std::mem::replace(&mut row[j + 1], here);
        }
    }
    row[b.chars().count()]
}
