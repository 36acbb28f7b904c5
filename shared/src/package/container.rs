//! The package's container: a ZIP archive in the one way that we write it.
//!
//! A ZIP archive states names and sizes twice, and readers pass over what stands before, between
//! and after its entries: it can be one thing to one reader and another to the next. Here nothing
//! is passed over. Stored entries follow one another from the first byte on, then comes the list
//! of them, then the end, and each byte is the one that `write` would have written. So what is
//! signed is what is read, here and by every other tool.

use std::num::TryFromIntError;

/// More entries than any package has.
const MAX_ENTRIES: usize = 64;
const MAX_NAME: usize = 64;

const LOCAL: &[u8] = b"PK\x03\x04";
const LISTED: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// Made on Unix, by version 1.0 of the format.
const MADE_BY: [u8; 2] = [10, 3];
/// Needs version 1.0, no flags, stored, midnight of 1 January 1980.
const FIXED: [u8; 10] = [10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
/// A file that everybody may read, in the upper half as Unix has it.
const ATTRIBUTES: u32 = 0o100_644 << 16;
/// `LOCAL` and `header`, up to the name.
const LOCAL_LENGTH: usize = 30;

/// A name and its content.
pub type Entry<'a> = (&'a str, &'a [u8]);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    #[error(
        "this is not a package, or it is cut short: it does not begin like one; copy it again, or \
         make one with `lastlayer package`"
    )]
    Beginning,
    #[error(
        "this is not a package, or it is cut short: it ends within {0}; copy it again, or make \
         one with `lastlayer package`"
    )]
    Cut(String),
    #[error("the package has more than {MAX_ENTRIES} entries; make it again")]
    Many,
    #[error("the package has an entry {0:?}, which is no name for one; make it again")]
    Name(String),
    #[error("the package has {0} twice; make it again")]
    Twice(String),
    #[error("{0} in the package is encrypted; make the package again")]
    Encrypted(String),
    #[error("{0} in the package was written as a stream, by another tool; make the package again")]
    Streamed(String),
    #[error("{0} in the package is compressed, by another tool; make the package again")]
    Compressed(String),
    #[error(
        "{name} in the package has {what} that `lastlayer package` does not write; make it again"
    )]
    Header { name: String, what: &'static str },
    #[error("{0} in the package was damaged on the way: its CRC-32 does not fit; copy it again")]
    Damaged(String),
    #[error("there is something after {0} in the package that is no entry; copy it again")]
    Between(String),
    #[error("the package's list of entries does not fit {0}, which it has; copy it again")]
    List(String),
    #[error("the package's end does not fit its entries; copy it again")]
    End,
    #[error("the package has a comment, by another tool; copy it again")]
    Comment,
    #[error("something follows after the package's end ({0} bytes); copy it again")]
    After(usize),
}

use ContainerError as Error;

/// The whole archive; an error where it would have 4 GB and more.
pub fn write<N: AsRef<str>, C: AsRef<[u8]>>(
    entries: &[(N, C)],
) -> Result<Vec<u8>, TryFromIntError> {
    let mut bytes = Vec::new();
    let mut list = List::default();
    for (name, content) in entries {
        let (name, content) = (name.as_ref(), content.as_ref());
        let header = header(name, content)?;
        list.add(name, &header, bytes.len())?;
        for part in [LOCAL, &header, name.as_bytes(), content] {
            bytes.extend_from_slice(part);
        }
    }
    let list = list.end(bytes.len())?;
    bytes.extend(list);
    Ok(bytes)
}

/// The entries in their order, all of them sound: names are relative, plain and different.
pub fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ContainerError> {
    if !bytes.starts_with(LOCAL) {
        return Err(Error::Beginning);
    }
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut list = List::default();
    let mut rest = bytes;
    while rest.starts_with(LOCAL) {
        if entries.len() == MAX_ENTRIES {
            return Err(Error::Many);
        }
        let start = rest;
        let (name, content) = entry(&mut rest)?;
        if entries.iter().any(|(other, _)| *other == name) {
            return Err(Error::Twice(name.into()));
        }
        entries.push((name, content));
        // Found to be what `header` would give.
        let header = &start[LOCAL.len()..LOCAL_LENGTH];
        list.add(name, header, bytes.len() - start.len())
            .map_err(|_| Error::End)?;
    }
    let records = list.records.clone();
    let expected = list.end(bytes.len() - rest.len()).map_err(|_| Error::End)?;
    if rest == expected {
        return Ok(entries);
    }
    Err(wrong_list(&entries, rest, &expected, &records))
}

/// Takes the entry that `rest` begins with.
fn entry<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, ContainerError> {
    let cut = || Error::Cut("the beginning of an entry".into());
    let (start, after) = rest.split_at_checked(LOCAL_LENGTH).ok_or_else(cut)?;
    let two = |at: usize| u16::from_le_bytes([start[at], start[at + 1]]);
    let (flags, method, length, extra) = (two(6), two(8), two(26), two(28));
    let (name, after) = after.split_at_checked(length.into()).ok_or_else(cut)?;
    let name = match str::from_utf8(name) {
        Ok(name) if is_name(name) => name,
        _ => {
            let name = &name[..name.len().min(MAX_NAME)];
            return Err(Error::Name(String::from_utf8_lossy(name).into_owned()));
        }
    };
    let wrong = |what| Error::Header {
        name: name.into(),
        what,
    };
    if flags & 1 != 0 {
        return Err(Error::Encrypted(name.into()));
    }
    if flags & 8 != 0 {
        return Err(Error::Streamed(name.into()));
    }
    if flags != 0 {
        return Err(wrong("flags"));
    }
    if method != 0 {
        return Err(Error::Compressed(name.into()));
    }
    if start[4..14] != FIXED {
        return Err(wrong("a date or version"));
    }
    if extra != 0 {
        return Err(wrong("an extra field"));
    }
    if start[18..22] != start[22..26] {
        return Err(wrong("two sizes"));
    }
    let size = u32::from_le_bytes([start[18], start[19], start[20], start[21]]);
    let size = usize::try_from(size).map_err(|_| wrong("a size"))?;
    let (content, after) = after
        .split_at_checked(size)
        .ok_or_else(|| Error::Cut(name.into()))?;
    if start[14..18] != crc32fast::hash(content).to_le_bytes() {
        return Err(Error::Damaged(name.into()));
    }
    *rest = after;
    Ok((name, content))
}

/// What of the list is not as it should be; `records` are the ends of its records.
fn wrong_list(
    entries: &[Entry<'_>],
    rest: &[u8],
    expected: &[u8],
    records: &[usize],
) -> ContainerError {
    if expected.starts_with(rest) {
        return Error::Cut("its list of entries".into());
    }
    if let Some(after) = rest.strip_prefix(expected) {
        return Error::After(after.len());
    }
    // The last two bytes are the length of a comment.
    if rest.starts_with(&expected[..expected.len() - 2]) {
        return Error::Comment;
    }
    if !rest.starts_with(LISTED) {
        let last = entries.last().map_or("", |(name, _)| name);
        return Error::Between(last.into());
    }
    let same = rest
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let record = records.iter().position(|&end| same < end);
    match record.and_then(|record| entries.get(record)) {
        Some((name, _)) => Error::List((*name).into()),
        None => Error::End,
    }
}

/// Relative, and plain enough for every system: no folder, no way up, nothing for a terminal.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    name.len() <= MAX_NAME && name.split('/').all(part)
}

/// What an entry says of itself, both before it and in the list.
fn header(name: &str, content: &[u8]) -> Result<Vec<u8>, TryFromIntError> {
    let size = u32::try_from(content.len())?.to_le_bytes();
    let length = u16::try_from(name.len())?.to_le_bytes();
    let crc = crc32fast::hash(content).to_le_bytes();
    Ok([&FIXED[..], &crc, &size, &size, &length, &[0, 0]].concat())
}

/// The archive's list of entries.
#[derive(Default)]
struct List {
    bytes: Vec<u8>,
    /// Where each record ends.
    records: Vec<usize>,
}

impl List {
    /// `header` as the entry has it; the entry begins at `offset`.
    fn add(&mut self, name: &str, header: &[u8], offset: usize) -> Result<(), TryFromIntError> {
        let offset = u32::try_from(offset)?.to_le_bytes();
        // No comment, the first disk, not marked as text.
        let fields = [&[0; 6][..], &ATTRIBUTES.to_le_bytes(), &offset].concat();
        let parts = [LISTED, &MADE_BY, header, &fields, name.as_bytes()];
        self.bytes.extend(parts.concat());
        self.records.push(self.bytes.len());
        Ok(())
    }

    /// With the end of the archive; the list begins at `offset`.
    fn end(mut self, offset: usize) -> Result<Vec<u8>, TryFromIntError> {
        let count = u16::try_from(self.records.len())?.to_le_bytes();
        let size = u32::try_from(self.bytes.len())?.to_le_bytes();
        let offset = u32::try_from(offset)?.to_le_bytes();
        // One disk, no comment.
        let parts = [END, &[0; 4], &count, &count, &size, &offset, &[0, 0]];
        self.bytes.extend(parts.concat());
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn what_is_written_is_read_here_and_by_another_reader() {
        let entries = [
            ("a.json", &b"{}"[..]),
            ("b/0.png", b""),
            ("SUMS", b"1  a\n"),
        ];
        let bytes = write(&entries).unwrap();
        assert_eq!(read(&bytes).unwrap(), entries);
        let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(archive.len(), entries.len());
        for (index, (name, content)) in entries.iter().enumerate() {
            let mut entry = archive.by_index(index).unwrap();
            assert_eq!(&entry.name().unwrap(), name);
            assert_eq!(entry.unix_mode(), Some(0o100_644));
            let mut read = Vec::new();
            entry.read_to_end(&mut read).unwrap();
            assert_eq!(&read, content);
        }
    }

    /// Another tool's writer, told to write as we do, gives the same bytes: old packages are read.
    #[test]
    fn it_is_an_ordinary_archive() {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644);
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in [("a", b"one"), ("b/c", b"two")] {
            archive.start_file(name, options).unwrap();
            std::io::Write::write_all(&mut archive, content).unwrap();
        }
        let other = archive.finish().unwrap().into_inner();
        assert_eq!(other, write(&[("a", b"one"), ("b/c", b"two")]).unwrap());
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["a", "self-test/0.png", "SHA256SUMS.minisig"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(65);
        for name in [
            "", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "C:a", "a\n", "ä", &long,
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
