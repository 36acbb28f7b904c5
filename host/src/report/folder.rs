//! Where a report is written: a folder that is not there yet, is empty, or holds an older report.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use lastlayer_shared::{
    file::{self, FileError},
    photos::is_hidden,
};

/// The file that is the report.
const PAGE: &str = "index.html";
/// What our own pages have near their beginning.
pub(super) const GENERATOR: &str = "lastlayer eval --report";
/// It is within so many bytes.
const BEGINNING: u64 = 400;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("the report is a folder, and {0} is none; give the name of a new or an empty folder")]
    NoFolder(PathBuf),
    #[error("{0} holds other things than a report; give the name of a new or an empty folder")]
    NotEmpty(PathBuf),
    #[error(
        "the report {0} would be taken for a class, because it is among the folders of the \
         photos; choose a place outside of {1}"
    )]
    AmongPhotos(PathBuf, PathBuf),
    #[error(transparent)]
    File(#[from] FileError),
}

/// A folder that can take a report.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Looks whether `folder` can take a report, and changes nothing. `photos` is the folder of
    /// labelled folders.
    pub fn new(folder: &Path, photos: &Path) -> Result<Self, ReportError> {
        let above = match folder.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        if file::same(above, photos) {
            return Err(ReportError::AmongPhotos(folder.into(), photos.into()));
        }
        let checked = Self(folder.into());
        if folder.is_dir() {
            checked.check_content()?;
            file::can_write(&checked.page())?;
        } else if folder.symlink_metadata().is_ok() {
            return Err(ReportError::NoFolder(folder.into()));
        } else {
            file::can_write(folder)?;
        }
        Ok(checked)
    }

    /// The report's file, to be opened by a person.
    pub fn page(&self) -> PathBuf {
        self.0.join(PAGE)
    }

    /// Nothing else may be mixed with a report or lost by it. What is hidden is the file manager's.
    fn check_content(&self) -> Result<(), ReportError> {
        let failed = |source| FileError::Read {
            path: self.0.clone(),
            source,
        };
        let inside = file::list(&self.0).map_err(failed)?;
        let mut seen = inside.iter().filter(|path| !is_hidden(path));
        match seen.all(|path| *path == self.page() && is_ours(path)) {
            true => Ok(()),
            false => Err(ReportError::NotEmpty(self.0.clone())),
        }
    }

    /// Writes the page, whole or not at all; an older one is replaced.
    pub fn write(&self, page: &str) -> Result<(), ReportError> {
        if !self.0.is_dir() {
            fs::create_dir(&self.0).map_err(|source| FileError::Write {
                path: self.0.clone(),
                source,
            })?;
        }
        Ok(file::write(&self.page(), page.as_bytes())?)
    }
}

fn is_ours(page: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(page).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    read.is_ok() && String::from_utf8_lossy(&beginning).contains(GENERATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for photos, and one beside it.
    fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let (photos, report) = (place.path().join("photos"), place.path().join("report"));
        fs::create_dir(&photos).unwrap();
        (place, photos, report)
    }

    #[test]
    fn a_new_an_empty_and_an_own_folder_will_do() {
        let (_place, photos, report) = places();
        let page = format!("<!DOCTYPE html><meta name=\"generator\" content=\"{GENERATOR}\">");
        let folder = Folder::new(&report, &photos).unwrap();
        assert!(!report.exists(), "nothing is made before it is written");
        folder.write(&page).unwrap();
        fs::write(report.join(".DS_Store"), b"").unwrap();
        let again = Folder::new(&report, &photos).unwrap();
        again.write(&page.replace("html", "HTML")).unwrap();
        let written = fs::read_to_string(folder.page()).unwrap();
        assert!(written.starts_with("<!DOCTYPE HTML>"), "{written}");
        assert_eq!(
            file::list(&report).unwrap().len(),
            2,
            "no temporary file stays"
        );
        fs::remove_file(folder.page()).unwrap();
        assert!(Folder::new(&report, &photos).is_ok());
    }

    #[test]
    fn what_others_keep_there_stays() {
        let (_place, photos, report) = places();
        fs::create_dir(&report).unwrap();
        fs::write(report.join("index.html"), b"<h1>My garden</h1>").unwrap();
        let error = Folder::new(&report, &photos).unwrap_err();
        assert!(matches!(error, ReportError::NotEmpty(_)), "{error}");
        fs::write(report.join("index.html"), GENERATOR).unwrap();
        assert!(Folder::new(&report, &photos).is_ok());
        fs::write(report.join("letter.txt"), b"").unwrap();
        let error = Folder::new(&report, &photos).unwrap_err();
        assert!(matches!(error, ReportError::NotEmpty(_)), "{error}");
    }

    #[test]
    fn places_that_cannot_be_are_told_early() {
        let (place, photos, report) = places();
        fs::write(&report, b"").unwrap();
        let error = Folder::new(&report, &photos).unwrap_err();
        assert!(matches!(error, ReportError::NoFolder(_)), "{error}");
        let error = Folder::new(&place.path().join("no/such"), &photos).unwrap_err();
        assert!(error.to_string().contains("make it first"), "{error}");
        let error = Folder::new(&photos.join("report"), &photos).unwrap_err();
        assert!(matches!(error, ReportError::AmongPhotos(..)), "{error}");
        assert!(Folder::new(&photos.join("car/report"), &photos).is_err());
    }
}
