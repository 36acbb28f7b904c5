//! Bytes -> package, trusting nothing.

use super::*;
use crate::{
    framed,
    trust::{Signature, Trust},
    verdict::check_classes,
};

/// Bytes; more than the sums of as many entries as a package can have.
const MAX_SUMS: usize = 16 << 10;

/// Only this of a manifest holds for every format there will be.
#[derive(Deserialize)]
struct AnyManifest {
    format: u64,
}

impl Package {
    /// Reads and checks a package, signed or not; nobody is asked whose signature it is.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        let sealed = Sealed::open(bytes)?;
        let signed_by = sealed.signature.as_ref().map(Signature::key);
        Self::unseal(sealed, signed_by)
    }

    /// Reads a package that a trusted key signed. The signature is checked before anything else
    /// than the container is looked at.
    pub fn from_bytes_trusted(bytes: &[u8], trust: &Trust) -> Result<Self, PackageError> {
        let sealed = Sealed::open(bytes)?;
        let signed_by = sealed.check_signature(trust)?;
        Self::unseal(sealed, Some(signed_by))
    }

    fn unseal(sealed: Sealed<'_>, signed_by: Option<KeyId>) -> Result<Self, PackageError> {
        sealed.check_sums()?;
        let mut entries: Entries<'_> = sealed.entries.into_iter().collect();
        let manifest = manifest(&mut entries)?;
        check_classes(&manifest.classes)?;
        manifest
            .preprocess
            .check()
            .map_err(|error| damaged(MANIFEST, error))?;
        let samples = match entries.remove(SAMPLES) {
            Some(bytes) => compact::<Vec<Sample>>(SAMPLES, bytes)?,
            None => Vec::new(),
        };
        let head = match entries.remove(HEAD) {
            Some(bytes) => Some(compact::<Head>(HEAD, bytes)?),
            None => None,
        };
        let self_test = self_test(&mut entries, manifest.preprocess.input_size)?;
        let backbone = entries
            .remove(BACKBONE)
            .ok_or(PackageError::Missing(BACKBONE))?;
        if let Some(name) = entries.into_keys().next() {
            return Err(PackageError::Stranger(name.into()));
        }
        let package = Package {
            version: manifest.version,
            classes: manifest.classes,
            preprocess: manifest.preprocess,
            provenance: manifest.provenance,
            backbone: backbone.to_vec(),
            samples,
            head,
            self_test,
            signed_by,
        };
        package.check()?;
        Ok(package)
    }

    /// That the parts fit one another.
    fn check(&self) -> Result<(), PackageError> {
        let width = match self.self_test.first() {
            Some(test) => test.embedding.len(),
            None => return Err(PackageError::Missing(EXPECTED)),
        };
        let finite = |numbers: &[f32]| numbers.iter().all(|v| v.is_finite());
        for test in &self.self_test {
            if test.embedding.len() != width || !finite(&test.embedding) {
                return Err(damaged(
                    EXPECTED,
                    "its embeddings are not of one width and finite",
                ));
            }
        }
        for sample in &self.samples {
            if usize::from(sample.class) >= self.classes.len() {
                return Err(damaged(SAMPLES, "a sample is of a class that is not there"));
            }
            if sample.embedding.len() != width || !finite(&sample.embedding) {
                return Err(damaged(SAMPLES, "an embedding does not fit the backbone"));
            }
        }
        if let Some(head) = &self.head {
            head.check(self.classes.len(), width)
                .map_err(|error| damaged(HEAD, error))?;
        }
        Ok(())
    }
}

type Entries<'a> = BTreeMap<&'a str, &'a [u8]>;

/// A package's entries, and what says that they are whole and whose they are.
pub(super) struct Sealed<'a> {
    /// In the file's order.
    pub entries: Vec<Entry<'a>>,
    pub sums: &'a [u8],
    pub signature: Option<Signature>,
}

impl<'a> Sealed<'a> {
    /// Looks only at the container and at the form of the signature.
    pub fn open(bytes: &'a [u8]) -> Result<Self, PackageError> {
        let mut entries = container::read(bytes)?;
        let signature = match entries.last() {
            Some((SIGNATURE, content)) => {
                let text = str::from_utf8(content).map_err(|_| SignatureError::NotASignature)?;
                let signature = Signature::parse(text)?;
                entries.pop();
                Some(signature)
            }
            _ => None,
        };
        if let Some((_, sums)) = entries.pop_if(|(name, _)| *name == SUMS) {
            return Ok(Self {
                entries,
                sums,
                signature,
            });
        }
        match entries.iter().any(|(name, _)| *name == SUMS) {
            true => Err(damaged(SUMS, "other entries follow it")),
            false => Err(PackageError::Missing(SUMS)),
        }
    }

    /// That a trusted key signed just this.
    fn check_signature(&self, trust: &Trust) -> Result<KeyId, PackageError> {
        let signature = self.signature.as_ref().ok_or(PackageError::Unsigned)?;
        match trust.check(self.sums, signature) {
            Err(TrustError::Broken(signed_by)) => {
                let how = match self.check_sums() {
                    Err(error) => error.to_string(),
                    Ok(()) => "its SHA256SUMS was made anew, or its signature is another \
                               package's; sign it again"
                        .into(),
                };
                Err(PackageError::Changed { signed_by, how })
            }
            answer => Ok(answer?),
        }
    }

    /// That the sums are the entries', to the byte.
    fn check_sums(&self) -> Result<(), PackageError> {
        let expected = write::sums(self.entries.iter().copied());
        if self.sums == expected.as_bytes() {
            return Ok(());
        }
        let form = |reason: String| damaged(SUMS, reason);
        if self.sums.len() > MAX_SUMS {
            return Err(form("it is longer than any".into()));
        }
        let sums = str::from_utf8(self.sums).map_err(|error| form(error.to_string()))?;
        let is_entry = |name: &str| self.entries.iter().any(|(other, _)| *other == name);
        let listed = |name: &str| {
            sums.lines()
                .any(|line| line.ends_with(&format!("  {name}")))
        };
        if sums.contains('\r') {
            return Err(form("its lines end as on Windows".into()));
        }
        if let Some((name, _)) = self.entries.iter().find(|(name, _)| !listed(name)) {
            return Err(PackageError::NotListed((*name).into()));
        }
        let mut wanted = expected.lines().zip(&self.entries);
        for (number, line) in sums.lines().enumerate() {
            let number = number + 1;
            let name = match line.split_once("  ") {
                Some((_, name)) if container::is_name(name) => name,
                _ => return Err(form(format!("line {number} is no sum and name"))),
            };
            if !is_entry(name) {
                return Err(PackageError::Gone(name.into()));
            }
            match wanted.next() {
                Some((wanted, _)) if wanted == line => {}
                Some((_, (wanted, _))) if *wanted == name => {
                    return Err(PackageError::Sum(name.into()));
                }
                Some(_) => return Err(form(format!("line {number} is not where it belongs"))),
                None => return Err(form(format!("line {number} is one too many"))),
            }
        }
        Err(form("its last line has no end".into()))
    }
}

fn manifest(entries: &mut Entries<'_>) -> Result<Manifest, PackageError> {
    let bytes = entries
        .remove(MANIFEST)
        .ok_or(PackageError::Missing(MANIFEST))?;
    let any: AnyManifest =
        serde_json::from_slice(bytes).map_err(|error| damaged(MANIFEST, error))?;
    if any.format > u64::from(FORMAT) {
        return Err(PackageError::Newer { found: any.format });
    }
    if any.format != u64::from(FORMAT) {
        return Err(damaged(
            MANIFEST,
            format!("format {} is not read any more", any.format),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| damaged(MANIFEST, error))
}

fn self_test(entries: &mut Entries<'_>, size: u32) -> Result<Vec<SelfTest>, PackageError> {
    let bytes = entries
        .remove(EXPECTED)
        .ok_or(PackageError::Missing(EXPECTED))?;
    let expected: Vec<Vec<f32>> =
        serde_json::from_slice(bytes).map_err(|error| damaged(EXPECTED, error))?;
    let mut tests = Vec::new();
    for (number, embedding) in expected.into_iter().enumerate() {
        let name = picture_name(number);
        let png = entries
            .remove(name.as_str())
            .ok_or_else(|| damaged(EXPECTED, format!("there is no {name}")))?;
        tests.push(SelfTest {
            crop: decode_crop(&name, png, size)?,
            embedding,
        });
    }
    Ok(tests)
}

fn compact<T: serde::de::DeserializeOwned>(entry: &str, bytes: &[u8]) -> Result<T, PackageError> {
    framed::from_postcard(bytes).map_err(|reason| damaged(entry, reason))
}
