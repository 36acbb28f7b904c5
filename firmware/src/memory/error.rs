//! What can be wrong with the memory, and what to do about it.

use std::io::{self, ErrorKind};

use lastlayer_shared::framed::FramedError;

use crate::storage::DiskError;

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error(transparent)]
    Folder(#[from] DiskError),
    #[error("the memory in the state folder cannot be {what}: {}", advice(.source))]
    Disk {
        what: &'static str,
        source: io::Error,
    },
    #[error(
        "{path} in the state folder cannot be read: {reason}. It is left as it is; give another \
         folder with --state; `lastlayerd reset --yes` removes it"
    )]
    Damaged { path: String, reason: FramedError },
    #[error(
        "what was taught here was taught with another network and cannot be used with this package; \
         give another folder with --state, the package it was taught with, or forget it with \
         `lastlayerd reset --yes`"
    )]
    OtherBackbone,
    #[error(
        "the state folder is of an older lastlayerd, and cannot be read; give another with --state, or \
         forget what was taught there with `lastlayerd reset --yes`"
    )]
    Older,
    #[error(
        "the memory is full: {samples} samples, and no class has more than {floor} to make room; \
         remove some (`lastlayerd samples`), or raise memory.samples"
    )]
    Full { samples: usize, floor: usize },
    #[error("there are {0} classes already, and no more fit")]
    TooManyClasses(usize),
    #[error("there is no earlier head to go back to")]
    NoEarlierHead,
}

fn advice(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full; make room".into(),
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only; is it worn out?".into(),
        ErrorKind::PermissionDenied => "this user may not; who owns the folder?".into(),
        _ => source.to_string(),
    }
}

impl MemoryError {
    pub fn disk_is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Disk { source, .. } | Self::Folder(DiskError::Folder { source, .. }) => {
                matches!(
                    source.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                )
            }
            _ => false,
        }
    }
}

pub(crate) fn reading(source: io::Error) -> MemoryError {
    let what = "read";
    MemoryError::Disk { what, source }
}

pub(crate) fn writing(source: io::Error) -> MemoryError {
    let what = "written";
    MemoryError::Disk { what, source }
}
