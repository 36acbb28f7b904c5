//! One burst on disk: a file of its own, which is there whole or not at all, and goes by being
//! removed. So nothing is ever rewritten, and no room has to be won back.
//!
//! ```text
//! header       framed (`lastlayer_shared::framed`, kind LLBU), postcard
//! embeddings   IEEE 754 half precision, little-endian: samples x width numbers
//! crops        JPEGs, one after another
//! ```
//!
//! The header has the checksums of both. Crops stay on disk until they are asked for.

use half::f16;
use lastlayer_shared::{
    file::sum,
    framed::{self, FramedError},
    view::View,
};
use serde::{Deserialize, Serialize};

use super::NewSample;
use crate::storage::Storage;

const KIND: framed::Kind = framed::Kind {
    name: *b"LLBU",
    version: 3,
};
/// Read at once: all but the crops of a usual burst.
const FIRST: usize = 1 << 16;
const MOST_SAMPLES: usize = 1000;
const MOST_WIDTH: u32 = 1 << 16;
/// Of a header with so many samples.
const MOST_HEADER: usize = 1 << 18;

pub type Sum = [u8; 32];

/// What one press taught.
#[derive(Clone, Debug, PartialEq)]
pub struct Burst {
    /// Counts upwards; later bursts have higher ones.
    pub number: u32,
    /// Its class's number in the table.
    pub class: u16,
    /// Its first sample's; the others' follow.
    pub sequence: u64,
    pub samples: Vec<Kept>,
    /// What tells it from every other: the checksum of its header.
    pub sum: Sum,
}

/// A sample without its crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// As the head learns from it.
    pub embedding: Vec<f16>,
    pub view: View,
    /// Where its crop begins in the file, its bytes and their checksum.
    crop: (u64, u32, Sum),
}

/// What else a burst's file says, for when the table is lost.
pub struct Origin {
    pub class_name: String,
    pub backbone: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    number: u32,
    class: u16,
    /// As the class was called then.
    class_name: String,
    backbone: String,
    sequence: u64,
    width: u32,
    samples: Vec<Entry>,
    embeddings: Sum,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    view: View,
    /// Bytes.
    crop: u32,
    sum: Sum,
}

#[derive(Debug, thiserror::Error)]
pub enum BurstError {
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Damaged(#[from] FramedError),
}

fn damaged(reason: &str) -> BurstError {
    FramedError::Content(reason.into()).into()
}

/// A burst that is about to be written: what it is then, and the file's bytes.
pub fn seal(
    (number, class, sequence): (u32, u16, u64),
    origin: Origin,
    samples: Vec<NewSample>,
) -> Result<(Burst, Vec<u8>), FramedError> {
    let width = samples.first().map_or(0, |sample| sample.embedding.len());
    let mut embeddings = Vec::with_capacity(samples.len() * width * 2);
    for number in samples.iter().flat_map(|sample| &sample.embedding) {
        embeddings.extend(number.to_le_bytes());
    }
    let entries = samples.iter().map(|sample| Entry {
        view: sample.view,
        crop: sample.crop.len() as u32,
        sum: sum(&sample.crop),
    });
    let header = Header {
        number,
        class,
        class_name: origin.class_name,
        backbone: origin.backbone,
        sequence,
        width: width as u32,
        samples: entries.collect(),
        embeddings: sum(&embeddings),
    };
    let mut bytes = framed::seal(KIND, &header)?;
    let length = bytes.len();
    bytes.extend(&embeddings);
    let burst = header.burst(&bytes[..length], &embeddings);
    bytes.extend(samples.iter().flat_map(|sample| &sample.crop));
    Ok((burst, bytes))
}

/// An embedding as it is kept and learned from, on disk and in memory, whether it is fresh or was read.
/// No network that is used answers beyond what half precision has; what does is cut off there, so
/// that it stays a number.
pub fn rounded(embedding: &[f32]) -> Vec<f16> {
    let round = |number: &f32| f16::from_f32(number.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()));
    embedding.iter().map(round).collect()
}

impl Header {
    fn burst(&self, header: &[u8], embeddings: &[u8]) -> Burst {
        let numbers = embeddings.as_chunks().0.iter();
        let numbers: Vec<f16> = numbers.map(|pair| f16::from_le_bytes(*pair)).collect();
        let mut at = (header.len() + embeddings.len()) as u64;
        let width = self.width as usize;
        let samples = self.samples.iter().enumerate().map(|(place, entry)| {
            let crop = (at, entry.crop, entry.sum);
            at += u64::from(entry.crop);
            Kept {
                embedding: numbers[place * width..][..width].into(),
                view: entry.view,
                crop,
            }
        });
        Burst {
            number: self.number,
            class: self.class,
            sequence: self.sequence,
            samples: samples.collect(),
            sum: sum(header),
        }
    }
}

/// Reads a burst without its crops; that they are there is checked by their length.
pub fn read(storage: &dyn Storage, path: &str) -> Result<(Burst, Origin), BurstError> {
    let mut bytes = storage.read(path, 0, FIRST)?;
    let length = framed::length(&bytes).filter(|length| *length <= MOST_HEADER as u64);
    let length = length.ok_or_else(|| damaged("its header is cut short or no header"))? as usize;
    fill(storage, path, &mut bytes, length)?;
    let header: Header = framed::open(KIND, &bytes[..length])?;
    if header.samples.len() > MOST_SAMPLES || header.width > MOST_WIDTH || header.width == 0 {
        return Err(damaged("it says to be larger than any burst"));
    }
    let end = length + header.samples.len() * header.width as usize * 2;
    let crops: u64 = header
        .samples
        .iter()
        .map(|entry| u64::from(entry.crop))
        .sum();
    // Asked before anything of that size is read.
    if storage.size(path)? != end as u64 + crops {
        return Err(FramedError::Length.into());
    }
    fill(storage, path, &mut bytes, end)?;
    let embeddings = &bytes[length..end];
    if sum(embeddings) != header.embeddings {
        return Err(FramedError::Sum.into());
    }
    let burst = header.burst(&bytes[..length], embeddings);
    let numbers = burst.samples.iter().flat_map(|sample| &sample.embedding);
    if !numbers.into_iter().all(|number| number.is_finite()) {
        return Err(damaged("an embedding has a number that is none"));
    }
    let origin = Origin {
        class_name: header.class_name,
        backbone: header.backbone,
    };
    Ok((burst, origin))
}

/// Reads on until there are so many bytes.
fn fill(
    storage: &dyn Storage,
    path: &str,
    bytes: &mut Vec<u8>,
    length: usize,
) -> Result<(), BurstError> {
    if bytes.len() < length {
        let rest = storage.read(path, bytes.len() as u64, length - bytes.len())?;
        bytes.extend(rest);
    }
    match bytes.len() < length {
        true => Err(FramedError::Length.into()),
        false => Ok(()),
    }
}

impl Burst {
    /// Whether the other has the same crops of the same class, whichever network looked at them.
    pub fn is_alike(&self, other: &Self) -> bool {
        let crops = |burst: &Self| -> Vec<Sum> { burst.samples.iter().map(|s| s.crop.2).collect() };
        (self.class, self.sequence) == (other.class, other.sequence) && crops(self) == crops(other)
    }
}

impl Kept {
    /// Its crop: a JPEG of the network's input size.
    pub fn crop(&self, storage: &dyn Storage, path: &str) -> Result<Vec<u8>, BurstError> {
        let (from, length, expected) = self.crop;
        let bytes = storage.read(path, from, length as usize)?;
        match sum(&bytes) == expected {
            true => Ok(bytes),
            false => Err(FramedError::Sum.into()),
        }
    }
}
