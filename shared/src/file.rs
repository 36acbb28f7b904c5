//! Whole files, read with a limit and written so that they are there whole or not at all.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// How the names of files begin that are being written.
const TEMPORARY: &str = ".lastlayer-";

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read {path}: {}", reading(.source))]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is larger than {limit} bytes, more than this program reads into memory")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("cannot write {path}: {}", writing(.source))]
    Write { path: PathBuf, source: io::Error },
}

/// What the commonest failures mean and what to do about them.
fn reading(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::NotFound => "there is no such file; is the path right?".into(),
        ErrorKind::IsADirectory => "it is a folder, and a file is wanted here".into(),
        ErrorKind::PermissionDenied => "this user may not read it".into(),
        _ => source.to_string(),
    }
}

fn writing(source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::NotFound => "its folder is not there; make it first".into(),
        ErrorKind::AlreadyExists => "it is there already, and is not replaced".into(),
        ErrorKind::NotADirectory => "a part of its path is a file, not a folder".into(),
        ErrorKind::IsADirectory => "it is a folder; give the name of a file".into(),
        ErrorKind::PermissionDenied => "this user may not write there; choose another place".into(),
        ErrorKind::StorageFull => "the disk is full; make room".into(),
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only; choose another place".into(),
        _ => source.to_string(),
    }
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
/// no file, such as a device, is written into.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same with what `fill` writes, piece by piece, for what need not be in memory as bytes; where
/// `fill` fails the file stays as it was.
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    write_through(path, fill).map_err(|source| FileError::Write {
        path: path.into(),
        source,
    })
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whom the umask lets.
    Ordinary,
    /// Its owner alone.
    Owner,
}

/// Writes a file that is not there yet, whole or not at all; one that is there stays as it is and is
/// an error.
pub fn create(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FileError> {
    let folder = folder_of(path);
    let write = || {
        let mut temporary = match readers {
            Readers::Ordinary => temporary_in(folder)?,
            // tempfile's own way.
            Readers::Owner => tempfile::Builder::new()
                .prefix(TEMPORARY)
                .tempfile_in(folder)
                .map_err(|error| io::Error::from(error.kind()))?,
        };
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary
            .persist_noclobber(path)
            .map_err(|failed| failed.error)?;
        sync_folder(folder)
    };
    write().map_err(|source| FileError::Write {
        path: path.into(),
        source,
    })
}

fn write_through<F>(path: &Path, fill: F) -> io::Result<()>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    match path.metadata() {
        Ok(there) if !there.is_file() => {
            buffered(&mut File::options().write(true).open(path)?, fill)
        }
        Ok(there) => replace(&path.canonicalize()?, fill, Some(there.permissions())),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        // A link to what is not there yet. Links in a circle are another error than NotFound.
        Err(_) => match fs::read_link(path) {
            Ok(target) => write_through(&folder_of(path).join(target), fill),
            Err(_) => replace(path, fill, None),
        },
    }
}

fn buffered(
    file: &mut File,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = BufWriter::new(file);
    fill(&mut buffer)?;
    buffer.flush()
}

/// Whether `write` could write there now: for commands that take long before they write.
pub fn can_write(path: &Path) -> Result<(), FileError> {
    let attempt = match path.metadata() {
        Ok(there) if !there.is_file() => File::options().write(true).open(path).map(drop),
        _ => temporary_in(folder_of(path)).map(drop),
    };
    attempt.map_err(|source| FileError::Write {
        path: path.into(),
        source,
    })
}

/// Whether both name one file that is there.
pub fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Removes what writes left in `folder` that were cut off by a kill or a power cut. Only for a
/// folder that nobody else is writing to.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for path in list(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(TEMPORARY) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// tempfile makes its files private; these are ordinary files, so the umask decides.
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temporary.permissions(fs::Permissions::from_mode(0o666));
    }
    // Its message would name the temporary file, which says nothing to anybody.
    temporary
        .tempfile_in(folder)
        .map_err(|error| error.kind().into())
}

fn replace(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    permissions: Option<fs::Permissions>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let mut temporary = temporary_in(folder)?;
    if let Some(permissions) = permissions {
        fs::set_permissions(temporary.path(), permissions)?;
    }
    buffered(temporary.as_file_mut(), fill)?;
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

/// The SHA-256 of `bytes`.
pub fn sum(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The same in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    sum(bytes)
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
        let broken = |file: &mut dyn Write| {
            file.write_all(b"half a ")?;
            Err(io::Error::other("gave up"))
        };
        let error = write_with(&path, broken).unwrap_err();
        assert!(error.to_string().ends_with("gave up"), "{error}");
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_created_file_is_new_and_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"one", Readers::Owner).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let error = create(&path, b"two", Readers::Owner).unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(read(&path, 3).unwrap(), b"one");
        create(&folder.path().join("pub"), b"", Readers::Ordinary).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn leftovers_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("kept"), b"").unwrap();
        // What a kill in the middle of a write leaves.
        drop(temporary_in(folder.path()).unwrap().keep().unwrap());
        assert_eq!(list(folder.path()).unwrap().len(), 2);
        remove_leftovers(folder.path()).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [folder.path().join("kept")]);
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
        assert!(can_write(&path).is_ok() && can_write(&folder.path().join("new")).is_ok());
        let error = can_write(&folder.path().join("no/such")).unwrap_err();
        assert!(!error.to_string().contains(TEMPORARY), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_what_is_no_file_is_never_replaced() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(read(&file, 3).unwrap(), b"two");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o666);
        let (later, waiting) = (folder.path().join("later"), folder.path().join("waiting"));
        symlink("later", &waiting).unwrap();
        write(&waiting, b"three").unwrap();
        assert_eq!(read(&later, 5).unwrap(), b"three");
        assert!(waiting.symlink_metadata().unwrap().is_symlink());
        assert!(same(&later, &waiting) && !same(&later, &file));
        symlink("circle", folder.path().join("circle")).unwrap();
        assert!(write(&folder.path().join("circle"), b"").is_err());
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
