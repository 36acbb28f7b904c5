//! The secret key of who makes packages: made, kept in minisign's own file, and used to sign. Boards
//! have its public key (`lastlayer_shared::trust`).

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lastlayer_shared::{
    file::{self, FileError},
    package::{self, Package, PackageError},
    trust::{self, KeyError, KeyId, MAX_TEXT, PublicKey, Signature, SignatureError, Trust},
};
use minisign::{KeyPair, SecretKeyBox};

/// How the line of a secret key with a password begins: base64 of "EdScB2", its algorithms.
const ENCRYPTED: &str = "RWRTY0Iy";
/// Where the checksum is in the 158 bytes of a secret key.
const CHECKSUM: Range<usize> = 126..158;
/// The longest that minisign takes, in bytes.
const MAX_PASSWORD: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(
        "{path} is no secret key; give the .key file that `lastlayer keygen` or minisign wrote"
    )]
    NotAKey { path: PathBuf },
    #[error("{path} is damaged, or the password is wrong; try again")]
    Password { path: PathBuf },
    #[error("a password has 1 to {MAX_PASSWORD} bytes; give another")]
    PasswordLength,
    #[error("{path}: {error}")]
    Public { path: PathBuf, error: KeyError },
    #[error("{path}: {error}")]
    Signature {
        path: PathBuf,
        error: SignatureError,
    },
    #[error("no key can be made: {0}")]
    Generate(String),
    #[error("nothing can be signed: {0}")]
    Sign(String),
}

/// Both files of a new key.
pub struct NewKey {
    pub id: KeyId,
    /// The .key file.
    pub secret: String,
    /// The .pub file.
    pub public: String,
}

impl NewKey {
    /// With a password, or readable by whoever has the file.
    pub fn make(password: Option<String>) -> Result<Self, SigningError> {
        let failed = |error: minisign::PError| SigningError::Generate(error.to_string());
        let pair = match password {
            None => KeyPair::generate_unencrypted_keypair(),
            Some(password) if (1..=MAX_PASSWORD).contains(&password.len()) => {
                KeyPair::generate_encrypted_keypair(Some(password))
            }
            Some(_) => return Err(SigningError::PasswordLength),
        }
        .map_err(failed)?;
        let public = pair.pk.to_box().map_err(failed)?.into_string();
        let id = PublicKey::parse(&public).map_err(|e| SigningError::Generate(e.to_string()))?;
        let comment = format!("lastlayer secret key {}", id.id());
        let secret = pair.sk.to_box(Some(&comment)).map_err(failed)?;
        Ok(Self {
            id: id.id(),
            secret: secret.into_string(),
            public,
        })
    }
}

/// A secret key ready to sign.
pub struct SecretKey {
    key: minisign::SecretKey,
    trust: Trust,
}

impl SecretKey {
    /// Reads a .key file; `password` is asked for where it has one.
    pub fn open<E: From<SigningError>>(
        path: &Path,
        password: impl FnOnce() -> Result<String, E>,
    ) -> Result<Self, E> {
        let bytes = file::read(path, MAX_TEXT).map_err(SigningError::from)?;
        let text = String::from_utf8(bytes).map_err(|_| not_a_key(path))?;
        let line = text.lines().nth(1).unwrap_or_default();
        let password = match line.starts_with(ENCRYPTED) {
            true => Some(password()?),
            false => None,
        };
        Ok(Self::parse(text, password, path)?)
    }

    /// A key that is in no file.
    pub fn of_new(new: &NewKey) -> Result<Self, SigningError> {
        Self::parse(new.secret.clone(), None, Path::new("the new key"))
    }

    fn parse(text: String, password: Option<String>, path: &Path) -> Result<Self, SigningError> {
        let key = match password {
            None => without_password(text).ok_or_else(|| not_a_key(path))?,
            Some(password) => SecretKeyBox::from(text)
                .into_secret_key(Some(password))
                .map_err(|_| SigningError::Password { path: path.into() })?,
        };
        let public = minisign::PublicKey::from_secret_key(&key).map_err(|_| not_a_key(path))?;
        let public = PublicKey::parse(&public.to_base64()).map_err(|_| not_a_key(path))?;
        let trust = [public].into_iter().collect();
        Ok(Self { key, trust })
    }

    /// The same package, signed; whatever signature it had is replaced. Only a sound package is.
    pub fn sign(&self, package: &[u8]) -> Result<(Vec<u8>, KeyId), SigningError> {
        let failed = |error: minisign::PError| SigningError::Sign(error.to_string());
        let part = package::signed_part(package)?;
        let version = Package::from_bytes(package)?.version;
        // `minisign -V` shows it. Boards go by the manifest, which is signed as well.
        let comment = format!("lastlayer package, version {version}");
        let signature = minisign::sign(None, &self.key, &part[..], Some(&comment), None);
        let signature = signature.map_err(failed)?.to_string();
        let signature = Signature::adopt(&signature).map_err(PackageError::from)?;
        attach(package, &signature, &self.trust)
    }
}

fn without_password(text: String) -> Option<minisign::SecretKey> {
    let bytes = STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    if let Ok(key) = SecretKeyBox::from(text).into_unencrypted_secret_key() {
        return Some(key);
    }
    // The minisign tool writes no checksum into a key without a password; the crate wants one.
    // Whether the key is whole shows when what it signed is checked.
    let no_checksum = bytes.get(CHECKSUM)?.iter().all(|&byte| byte == 0);
    match bytes.get(2..4)? {
        [0, 0] if no_checksum => minisign::SecretKey::from_bytes(&bytes).ok(),
        _ => None,
    }
}

fn not_a_key(path: &Path) -> SigningError {
    SigningError::NotAKey { path: path.into() }
}

/// The package with a signature that `trust` knows and that is of this very package.
fn attach(
    package: &[u8],
    signature: &Signature,
    trust: &Trust,
) -> Result<(Vec<u8>, KeyId), SigningError> {
    let signed = package::with_signature(package, signature)?;
    Package::from_bytes_trusted(&signed, trust)?;
    Ok((signed, signature.key()))
}

/// The same for a signature that the `minisign` tool made of `SHA256SUMS`, in a file.
pub fn attach_file(
    package: &[u8],
    path: &Path,
    trust: &Trust,
) -> Result<(Vec<u8>, KeyId), SigningError> {
    let text = file::read(path, MAX_TEXT)?;
    let signature = Signature::adopt(&String::from_utf8_lossy(&text)).map_err(|error| {
        SigningError::Signature {
            path: path.into(),
            error,
        }
    })?;
    attach(package, &signature, trust)
}

/// The keys of these .pub files.
pub fn trusted(paths: &[PathBuf]) -> Result<Trust, SigningError> {
    let key = |path: &PathBuf| {
        let text = file::read(path, trust::MAX_TEXT)?;
        PublicKey::parse(&String::from_utf8_lossy(&text)).map_err(|error| SigningError::Public {
            path: path.clone(),
            error,
        })
    };
    paths.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str, password: &str) -> Result<SecretKey, SigningError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        std::fs::write(&path, text).unwrap();
        SecretKey::open(&path, || Ok::<_, SigningError>(password.into()))
    }

    #[test]
    fn a_key_with_a_password_opens_with_it_alone() {
        let new = NewKey::make(Some("secret".into())).unwrap();
        let key = open(&new.secret, "secret").unwrap();
        assert_eq!(key.trust.keys().collect::<Vec<_>>(), [new.id]);
        let wrong = open(&new.secret, "guess").err().unwrap().to_string();
        assert!(wrong.contains("the password is wrong"), "{wrong}");
        assert!(NewKey::make(Some(String::new())).is_err());
    }

    #[test]
    fn what_is_no_secret_key_is_named() {
        let new = NewKey::make(None).unwrap();
        assert!(open(&new.secret, "").is_ok());
        let cut = &new.secret[..new.secret.len() / 2];
        for text in ["", "a\nb\n", &new.public, cut, &format!("x\n{ENCRYPTED}")] {
            assert!(open(text, "").is_err(), "{text}");
        }
        let id = new.id.to_string();
        assert!(new.public.starts_with("untrusted comment: ") && new.public.contains(&id));
    }
}
