//! Photos in folders.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use crate::file;

/// Endings of files that are taken for photos, in lower case.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The photos in a folder and the folders in it, in order of names. Links are followed, but no
/// folder is looked into twice, so that links in a circle end. Hidden files and folders are passed
/// over, and so is what is no file (a pipe would never end).
pub fn find(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut photos = Vec::new();
    find_in(folder, &mut HashSet::new(), &mut photos)?;
    Ok(photos)
}

fn find_in(
    folder: &Path,
    seen: &mut HashSet<PathBuf>,
    photos: &mut Vec<PathBuf>,
) -> io::Result<()> {
    if !seen.insert(folder.canonicalize()?) {
        return Ok(());
    }
    for path in file::list(folder)? {
        if is_hidden(&path) {
            continue;
        }
        if path.is_dir() {
            find_in(&path, seen, photos)?;
        } else if is_photo(&path) && path.is_file() {
            photos.push(path);
        }
    }
    Ok(())
}

pub fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// By its name alone.
fn is_photo(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn photos_are_found_at_any_depth_in_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "b.JPEG",
            "a/2.png",
            "a/1.jpg",
            "a/c/x.y.png",
            "a.txt",
            "png",
            ".hidden.png",
            ".d/1.png",
        ];
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        fs::create_dir(folder.path().join("folder.png")).unwrap();
        let found = find(folder.path()).unwrap();
        let expected = ["a/1.jpg", "a/2.png", "a/c/x.y.png", "b.JPEG"];
        assert_eq!(found, expected.map(|name| folder.path().join(name)));
        assert!(find(&folder.path().join("no")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_end_and_pipes_are_no_photos() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("z.png"), b"").unwrap();
        for link in ["a", "b", "c"] {
            symlink(".", path(link)).unwrap();
        }
        symlink("z.png", path("y.png")).unwrap();
        symlink("nothing", path("x.png")).unwrap();
        // A device stands for all that is no file; making a pipe needs another program.
        symlink("/dev/null", path("w.png")).unwrap();
        assert_eq!(find(folder.path()).unwrap(), [path("y.png"), path("z.png")]);
    }
}
