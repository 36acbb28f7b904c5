//! How our own files on disk are framed: what they are, which version, how long, and a checksum,
//! so that a file is read whole and unharmed or not at all.
//!
//! ```text
//! 4 bytes   kind, ASCII
//! 2 bytes   version, little-endian
//! 8 bytes   length of the payload, little-endian
//! 32 bytes  SHA-256 of all the above and the payload
//! payload
//! ```

use sha2::{Digest, Sha256};

const HEADER: usize = 4 + 2 + 8;
const SUM: usize = 32;

/// Names a format: four letters, and the version that is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: [u8; 4],
    pub version: u16,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum FramedError {
    #[error("it is not a file of this kind")]
    Kind,
    #[error("it is of version {found}, this program reads version {known}")]
    Version { found: u16, known: u16 },
    #[error("it is cut short or longer than it says")]
    Length,
    #[error("its checksum is wrong")]
    Sum,
    #[error("its content is damaged: {0}")]
    Content(String),
}

/// Frames `value` as postcard.
pub fn seal<T: serde::Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, FramedError> {
    let payload =
        postcard::to_stdvec(value).map_err(|error| FramedError::Content(error.to_string()))?;
    let mut bytes = Vec::with_capacity(HEADER + SUM + payload.len());
    bytes.extend(kind.name);
    bytes.extend(kind.version.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    let sum = Sha256::new()
        .chain_update(&bytes)
        .chain_update(&payload)
        .finalize();
    bytes.extend(sum);
    bytes.extend(payload);
    Ok(bytes)
}

/// Bytes of what is framed at the beginning of `bytes`, as it says itself; `None` where they are too
/// few to say it.
pub fn length(bytes: &[u8]) -> Option<u64> {
    let payload = bytes.get(HEADER - 8..HEADER)?;
    let payload = u64::from_le_bytes(payload.try_into().ok()?);
    payload.checked_add((HEADER + SUM) as u64)
}

/// Checks the frame and reads the value.
pub fn open<T: serde::de::DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, FramedError> {
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or(FramedError::Length)?;
    if header[..4] != kind.name {
        return Err(FramedError::Kind);
    }
    let found = u16::from_le_bytes([header[4], header[5]]);
    if found != kind.version {
        return Err(FramedError::Version {
            found,
            known: kind.version,
        });
    }
    let (sum, payload) = rest.split_at_checked(SUM).ok_or(FramedError::Length)?;
    if header[6..] != (payload.len() as u64).to_le_bytes() {
        return Err(FramedError::Length);
    }
    let computed = Sha256::new()
        .chain_update(header)
        .chain_update(payload)
        .finalize();
    if computed[..] != *sum {
        return Err(FramedError::Sum);
    }
    from_postcard(payload).map_err(FramedError::Content)
}

/// One value and nothing behind it; the error says what is wrong.
pub fn from_postcard<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err("there is more in it than there should be".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIND: Kind = Kind {
        name: *b"TEST",
        version: 3,
    };

    #[test]
    fn other_kinds_and_versions_are_refused() {
        let bytes = seal(KIND, &"hello").unwrap();
        let other = Kind {
            name: *b"ELSE",
            ..KIND
        };
        assert_eq!(open::<String>(other, &bytes), Err(FramedError::Kind));
        let newer = Kind { version: 4, ..KIND };
        assert_eq!(
            open::<String>(newer, &bytes),
            Err(FramedError::Version { found: 3, known: 4 })
        );
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(numbers in proptest::collection::vec(any::<u32>(), 0..50)) {
            let bytes = seal(KIND, &numbers).unwrap();
            prop_assert_eq!(length(&bytes), Some(bytes.len() as u64));
            prop_assert_eq!(open::<Vec<u32>>(KIND, &bytes).unwrap(), numbers);
        }

        #[test]
        fn any_changed_byte_and_any_cut_is_noticed(at in 0usize..60, flip in 1u8..) {
            let bytes = seal(KIND, &[7u8; 20]).unwrap();
            let mut changed = bytes.clone();
            let at = at % bytes.len();
            changed[at] ^= flip;
            prop_assert!(open::<[u8; 20]>(KIND, &changed).is_err());
            prop_assert!(open::<[u8; 20]>(KIND, &bytes[..at]).is_err());
        }
    }
}
