//! `lastlayer sign`: says whose package it is.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use lastlayer_shared::{file, package::MAX_SIZE};

use super::password;
use crate::signing::{self, SecretKey};

/// Sign a package, in its file
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lastlayer sign site.llp --key site.key\n\n\
    With a key that only the minisign tool reaches, on this machine or another:\n  \
    unzip -p site.llp SHA256SUMS > SHA256SUMS\n  \
    minisign -Sm SHA256SUMS\n  \
    lastlayer sign site.llp --signature SHA256SUMS.minisig --trust site.pub")]
pub struct Sign {
    /// The package; a signature that it has is replaced
    package: PathBuf,
    /// The secret key, from `lastlayer keygen` or minisign
    #[arg(long, value_name = "FILE", required_unless_present = "signature")]
    key: Option<PathBuf>,
    /// A signature of the package's SHA256SUMS that minisign made
    #[arg(long, value_name = "FILE", conflicts_with = "key", requires = "trust")]
    signature: Option<PathBuf>,
    /// The public key that --signature is checked with
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    trust: Vec<PathBuf>,
}

impl Sign {
    pub fn run(self) -> anyhow::Result<()> {
        let place = || format!("{}", self.package.display());
        let bytes = file::read(&self.package, MAX_SIZE)?;
        let signed = match (&self.key, &self.signature) {
            (Some(key), _) => {
                let key = SecretKey::open(key, || password::of(key))?;
                key.sign(&bytes)
            }
            (None, Some(signature)) => {
                let trust = signing::trusted(&self.trust)?;
                signing::attach_file(&bytes, signature, &trust)
            }
            (None, None) => anyhow::bail!("sign with what? Give --key FILE"),
        };
        let (signed, by) = signed.with_context(place)?;
        file::write(&self.package, &signed)?;
        crate::say!("{}: signed by {by}", place());
        Ok(())
    }
}
