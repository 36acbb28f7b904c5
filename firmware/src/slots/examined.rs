//! What the slots ask of packages and networks, and what they tell of them.

use crate::memory::Memory;

/// A package's network, ready to run.
pub trait Network {
    /// What embeddings may be compared with.
    fn backbone(&self) -> &str;
    /// Numbers in an embedding.
    fn width(&self) -> usize;
    /// Of a crop: a JPEG, of whatever size.
    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String>;
}

/// Where packages are tried. Errors are for a person, and a fragment: they follow what failed.
pub trait Examiner {
    type Package;
    type Network: Network;

    /// Whether it is a package at all, signed by somebody who is trusted, and no older than the one
    /// that it follows; with its version.
    fn verify(
        &mut self,
        bytes: &[u8],
        follows: Option<u64>,
    ) -> Result<(u64, Self::Package), String>;

    /// Loads its network, which passes its self-test.
    fn load(&mut self, package: Self::Package) -> Result<Self::Network, String>;

    /// Why another network does too badly on what was taught, where it does.
    fn cost(
        &mut self,
        before: (&Self::Network, &Memory),
        after: (&Self::Network, &Memory),
    ) -> Option<String>;

    /// So many samples of so many were moved; `false` ends it.
    fn moved(&mut self, samples: usize, of: usize) -> bool;

    fn tell(&mut self, news: News);
}

/// What became of a package.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// `samples` were moved to it; `proves`: the one before comes back where it does not do.
    Installed {
        version: u64,
        samples: usize,
        proves: bool,
    },
    /// The offered one; another runs.
    Refused { running: u64, why: String },
    /// `version` comes back in place of the other.
    Back {
        version: u64,
        of: u64,
        why: String,
        /// Bursts that could not come along, and why.
        left: Vec<(u32, String)>,
        /// Why nothing could.
        unread: Option<String>,
    },
    /// Something was put right, or cannot be.
    Note { text: String },
}
