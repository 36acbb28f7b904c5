//! Signing, but for the secret key, which only the host has: what is to be signed, and the signature
//! put where it belongs.

use super::{read::Sealed, write::archive, *};
use crate::trust::Signature;

/// The bytes that a signature of this package signs: those of `SHA256SUMS`, which stand for all
/// others. Whoever signs wants to know that they are a package's: it is read whole first.
pub fn signed_part(bytes: &[u8]) -> Result<Vec<u8>, PackageError> {
    Package::from_bytes(bytes)?;
    Ok(Sealed::open(bytes)?.sums.to_vec())
}

/// The same package with this signature, in place of any that it had. Whether the signature is of
/// this package is not looked at.
pub fn with_signature(bytes: &[u8], signature: &Signature) -> Result<Vec<u8>, PackageError> {
    let sealed = Sealed::open(bytes)?;
    let mut entries = sealed.entries;
    entries.push((SUMS, sealed.sums));
    entries.push((SIGNATURE, signature.text().as_bytes()));
    archive(&entries)
}
