//! Whole files, read with a limit and written so that they are there whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is larger than {limit} bytes, more than this program reads into memory")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("cannot write {path}: {source}; is the folder there, writable and not full?")]
    Write { path: PathBuf, source: io::Error },
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read {
        path: path.into(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge {
            path: path.into(),
            limit,
        });
    }
    Ok(bytes)
}

/// What is in a folder, in order of names.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Replaces `path` by `bytes` in one step: a reader, or a machine that loses power, sees the old
/// file or the new one, never a part. A link stays a link: what it points to is replaced. What is
/// no file, such as `/dev/stdout`, is written into.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let attempt = || match path.metadata() {
        Ok(there) if !there.is_file() => File::options().write(true).open(path)?.write_all(bytes),
        Ok(there) => replace(&path.canonicalize()?, bytes, Some(there.permissions())),
        Err(_) => replace(path, bytes, None),
    };
    attempt().map_err(|source| FileError::Write {
        path: path.into(),
        source,
    })
}

fn replace(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(".lastlayer-");
    // tempfile makes its files private; these are ordinary files, so the umask decides.
    #[cfg(unix)]
    temporary.permissions(permissions.unwrap_or_else(|| {
        use std::os::unix::fs::PermissionsExt;
        fs::Permissions::from_mode(0o666)
    }));
    #[cfg(not(unix))]
    let _ = permissions;
    let mut temporary = temporary.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    sync_folder(folder)
}

/// Makes a rename in `folder` last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_whole_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn limits_and_missing_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"four").unwrap();
        assert!(matches!(read(&path, 3), Err(FileError::TooLarge { .. })));
        assert!(matches!(
            write(&folder.path().join("no/such"), b""),
            Err(FileError::Write { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_what_is_no_file_is_never_replaced() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(read(&file, 3).unwrap(), b"two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write(folder.path(), b"").is_err());
        // Through a link, so that a mistake here costs a link and not the machine's own device.
        let device = folder.path().join("null");
        symlink("/dev/null", &device).unwrap();
        write(&device, b"gone").unwrap();
        assert!(device.metadata().unwrap().file_type().is_char_device());
    }

    #[test]
    fn sha256_of_nothing_is_the_published_one() {
        assert!(sha256(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
