//! Whose packages are run: keys and signatures in the formats of minisign, so that everybody can
//! check what this program checks, and sign, with the `minisign` tool.
//!
//! A public key is a file of two lines, a comment and 42 bytes in base64: the algorithm, the key's
//! id, an Ed25519 key. A signature is four lines: a comment that nothing protects, 74 bytes in
//! base64 (algorithm, id, signature of the BLAKE2b hash), a comment that is signed too, and the
//! signature of the first signature with that comment.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

/// The longest file of a key or a signature, in bytes.
pub const MAX_TEXT: u64 = 2048;

/// Only this stands in the comment that nothing protects: whoever changes a package's signature
/// changes nothing, or breaks it.
const COMMENT: &str = "untrusted comment: signature of SHA256SUMS";
const PUBLIC_LENGTH: usize = 42;
const SECRET_LENGTH: usize = 158;
const SIGNATURE_LENGTH: usize = 74;

/// The number that minisign gives a key, shown as minisign shows it. It tells keys apart; it does
/// not prove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u64);

impl KeyId {
    /// From the bytes of a key or a signature: the id is behind the two of the algorithm.
    fn of(bytes: &[u8]) -> Option<Self> {
        let id = bytes.get(2..10)?.try_into().ok()?;
        Some(Self(u64::from_le_bytes(id)))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: minisign_verify::PublicKey,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("this is no public key; give the .pub file that `lastlayer keygen` or minisign wrote")]
    NotAKey,
    #[error("this is a secret key, which stays with whoever signs; give its .pub file")]
    Secret,
}

impl PublicKey {
    /// Reads a .pub file, or only the line of base64 in it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let lines = lines.strip_suffix(&[""]).unwrap_or(&lines);
        let line = match lines {
            [line] => line,
            [comment, line] if comment.starts_with("untrusted comment:") => line,
            _ => return Err(KeyError::NotAKey),
        };
        let bytes = STANDARD.decode(line).map_err(|_| KeyError::NotAKey)?;
        match bytes.len() {
            PUBLIC_LENGTH => {}
            SECRET_LENGTH => return Err(KeyError::Secret),
            _ => return Err(KeyError::NotAKey),
        }
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| KeyError::NotAKey)?;
        let id = KeyId::of(&bytes).ok_or(KeyError::NotAKey)?;
        Ok(Self { id, key })
    }

    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// A signature as it stands in a package; whether it fits is what `Trust::check` says.
#[derive(Clone)]
pub struct Signature {
    id: KeyId,
    text: String,
    signature: minisign_verify::Signature,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("it is no signature of minisign's")]
    NotASignature,
    #[error("it is longer than any signature")]
    TooLong,
    #[error("it is not written as `lastlayer sign` writes it")]
    NotOurs,
    #[error("it was made in minisign's old way (-l); sign without -l")]
    Legacy,
}

impl Signature {
    /// As `lastlayer sign` writes it into a package, every byte of it.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let signature = Self::adopt(text)?;
        match signature.text == text {
            true => Ok(signature),
            false => Err(SignatureError::NotOurs),
        }
    }

    /// From a file that minisign wrote; its untrusted comment is left out.
    pub fn adopt(text: &str) -> Result<Self, SignatureError> {
        if text.len() as u64 > MAX_TEXT {
            return Err(SignatureError::TooLong);
        }
        let lines: Vec<&str> = text.lines().collect();
        let [comment, first, trusted, second] = lines[..] else {
            return Err(SignatureError::NotASignature);
        };
        if !comment.starts_with("untrusted comment: ") {
            return Err(SignatureError::NotASignature);
        }
        let not = |_| SignatureError::NotASignature;
        let text = format!("{COMMENT}\n{first}\n{trusted}\n{second}\n");
        let signature =
            minisign_verify::Signature::decode(&text).map_err(|_| SignatureError::NotASignature)?;
        let bytes = STANDARD.decode(first).map_err(not)?;
        if bytes.len() != SIGNATURE_LENGTH {
            return Err(SignatureError::NotASignature);
        }
        if bytes.starts_with(b"Ed") {
            return Err(SignatureError::Legacy);
        }
        let id = KeyId::of(&bytes).ok_or(SignatureError::NotASignature)?;
        Ok(Self {
            id,
            text,
            signature,
        })
    }

    /// Whose it says it is.
    pub fn key(&self) -> KeyId {
        self.id
    }

    /// What `parse` reads.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The keys whose packages are run. Several at once, so that a new one can be there before the old
/// one goes.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    #[error(
        "the package is signed by {signed_by}, which is not trusted here ({}); sign it with a \
         trusted key, or trust this one's .pub file", trusted(.keys)
    )]
    Stranger { signed_by: KeyId, keys: Vec<KeyId> },
    #[error("the package is not what {0} signed")]
    Broken(KeyId),
}

fn trusted(keys: &[KeyId]) -> String {
    match keys {
        [] => "no key is".into(),
        keys => {
            let keys: Vec<String> = keys.iter().map(KeyId::to_string).collect();
            format!("trusted: {}", keys.join(", "))
        }
    }
}

impl Trust {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(PublicKey::id)
    }

    /// Which trusted key signed exactly these bytes.
    pub fn check(&self, bytes: &[u8], signature: &Signature) -> Result<KeyId, TrustError> {
        let signed_by = signature.key();
        // Ids are chosen by whoever makes a key: two keys may have the same.
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.id == signed_by)
            .peekable();
        if named.peek().is_none() {
            return Err(TrustError::Stranger {
                signed_by,
                keys: self.keys().collect(),
            });
        }
        let fits = |key: &PublicKey| key.key.verify(bytes, &signature.signature, false).is_ok();
        match named.any(fits) {
            true => Ok(signed_by),
            false => Err(TrustError::Broken(signed_by)),
        }
    }
}

impl FromIterator<PublicKey> for Trust {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    /// Of minisign's own documentation.
    const LINE: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const OF_TEST: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==
";
    const LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

    fn key(pair: &KeyPair) -> PublicKey {
        PublicKey::parse(&pair.pk.to_box().unwrap().to_string()).unwrap()
    }

    fn sign(pair: &KeyPair, bytes: &[u8]) -> Signature {
        let signed = minisign::sign(None, &pair.sk, bytes, None, None).unwrap();
        Signature::adopt(&signed.to_string()).unwrap()
    }

    #[test]
    fn minisigns_own_key_and_signature_are_read() {
        let key = PublicKey::parse(LINE).unwrap();
        assert_eq!(key.id().to_string(), "E7620F1842B4E81F");
        let file = format!("untrusted comment: minisign public key E7620F1842B4E81F\r\n{LINE}\n\n");
        assert_eq!(PublicKey::parse(&file).unwrap(), key);
        let trust: Trust = [key].into_iter().collect();
        let signature = Signature::adopt(OF_TEST).unwrap();
        assert_eq!(trust.check(b"test", &signature), Ok(signature.key()));
        let broken = TrustError::Broken(signature.key());
        assert_eq!(trust.check(b"Test", &signature), Err(broken));
        // What is kept of it is read again; the file itself has another comment.
        assert!(Signature::parse(signature.text()).is_ok());
        let wrong = |text: &str| Signature::parse(text).err();
        assert_eq!(wrong(OF_TEST), Some(SignatureError::NotOurs));
        assert_eq!(wrong(LEGACY), Some(SignatureError::Legacy));
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_secret_key_is_noticed() {
        for text in [
            "",
            "\n",
            "key",
            &LINE[1..],
            &format!("{LINE}\n{LINE}"),
            "a\nb\nc",
        ] {
            assert_eq!(PublicKey::parse(text), Err(KeyError::NotAKey), "{text:?}");
        }
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let secret = pair.sk.to_box(None).unwrap().to_string();
        assert_eq!(PublicKey::parse(&secret), Err(KeyError::Secret));
    }

    #[test]
    fn keys_are_rotated() {
        let pair = || KeyPair::generate_unencrypted_keypair().unwrap();
        let (old, new) = (pair(), pair());
        let (by_old, by_new) = (sign(&old, b"sums"), sign(&new, b"sums"));
        let trust = |keys: &[&KeyPair]| keys.iter().map(|pair| key(pair)).collect::<Trust>();
        let said = |trust: &Trust, signature: &Signature| trust.check(b"sums", signature);
        // Before, both, after.
        let only_old = trust(&[&old]);
        assert_eq!(said(&only_old, &by_old), Ok(key(&old).id()));
        let stranger = said(&only_old, &by_new).unwrap_err().to_string();
        assert!(stranger.contains(&format!("signed by {}", key(&new).id())));
        assert!(stranger.contains(&format!("trusted: {}", key(&old).id())));
        let both = trust(&[&old, &new]);
        assert!(said(&both, &by_old).is_ok() && said(&both, &by_new).is_ok());
        let only_new = trust(&[&new]);
        assert!(said(&only_new, &by_old).is_err() && said(&only_new, &by_new).is_ok());
        let none = said(&Trust::default(), &by_new).unwrap_err().to_string();
        assert!(none.contains("no key is"), "{none}");
    }

    #[test]
    fn a_key_that_takes_anothers_id_signs_nothing() {
        let pair = || KeyPair::generate_unencrypted_keypair().unwrap();
        let (good, mut thief) = (pair(), pair());
        // The id is behind algorithm, kinds, salt and limits.
        let mut secret = thief.sk.to_bytes();
        secret[54..62].copy_from_slice(good.pk.keynum());
        let changed = minisign::SecretKey::from_bytes(&secret);
        // The checksum within is of the old id; minisign looks at it only in files.
        thief.sk = changed.unwrap();
        let signature = sign(&thief, b"sums");
        let trust: Trust = [key(&good)].into_iter().collect();
        let broken = TrustError::Broken(key(&good).id());
        assert_eq!(trust.check(b"sums", &signature), Err(broken));
    }

    #[test]
    fn every_changed_bit_of_a_signature_is_noticed() {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let text = sign(&pair, b"sums").text().to_owned();
        let trust: Trust = [key(&pair)].into_iter().collect();
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let fits = Signature::parse(&changed)
                .is_ok_and(|signature| trust.check(b"sums", &signature).is_ok());
            assert!(!fits, "bit {bit}");
        }
    }
}
