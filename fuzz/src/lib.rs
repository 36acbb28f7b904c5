//! What is fuzzed: each module feeds one reader of bytes from outside, and says in its first lines
//! what must hold. `fuzz_targets/` gives them to libFuzzer; `tests/hostile` runs them as a test.
//!
//! What they share is here: small changes to good bytes. Random bytes are refused by the first
//! check of a format; a good file that is changed a little gets past it, and no corpus of files
//! need be kept.

pub mod backbone;
mod choices;
pub mod config;
mod cut;
pub mod frame;
pub mod framed;
pub mod head;
pub mod memory;
pub mod mjpeg;
pub mod network;
pub mod package;
pub mod scene;
pub mod signature;
pub mod weights;

/// Takes an input, and fails where something does not hold.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 12] = [
    ("backbone", backbone::run),
    ("config", config::run),
    ("frame", frame::run),
    ("framed", framed::run),
    ("head", head::run),
    ("memory", memory::run),
    ("mjpeg", mjpeg::run),
    ("network", network::run),
    ("package", package::run),
    ("scene", scene::run),
    ("signature", signature::run),
    ("weights", weights::run),
];

/// Changes `good` as `edits` says, which is a row of
///
/// ```text
/// 2 bytes   where, little-endian, modulo the length
/// 1 byte    how many bytes are taken out there; 255: all that follow
/// 1 byte    how many of the bytes after this one are put in there
/// ```
pub fn edited(good: &[u8], mut edits: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    while let [low, high, removed, inserted, rest @ ..] = edits {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % (bytes.len() + 1);
        let end = match removed {
            255 => bytes.len(),
            &count => bytes.len().min(at + usize::from(count)),
        };
        let (inserted, rest) = rest.split_at(rest.len().min(usize::from(*inserted)));
        bytes.splice(at..end, inserted.iter().copied());
        edits = rest;
    }
    bytes
}

/// Takes a part of the input: a length of 2 bytes, little-endian, then as many as there are.
pub fn part<'a>(data: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return std::mem::take(data);
    };
    let length = usize::from(u16::from_le_bytes(*length));
    let (part, rest) = rest.split_at(rest.len().min(length));
    *data = rest;
    part
}
