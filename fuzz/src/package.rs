//! Packages: bytes as they are, and good packages with changed entries under right checksums. What
//! opens is used as a board uses it first, and is written and read back as the same package.

use std::{
    io::{Cursor, Read, Write},
    sync::LazyLock,
};

use super::{edited, part};
use lastlayer_shared::{
    file::sha256,
    frame::Frame,
    head::{Example, Head, Kind, Layout},
    package::{Package, SelfTest},
    preprocess::Preprocess,
    sample::Sample,
    verdict::Verdict,
    view::View,
};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

const SUMS: &str = "SHA256SUMS";

/// The entries of a good package, but for the sums.
static ENTRIES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let bytes = good().to_bytes().unwrap();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name != SUMS {
            entries.push((name, content));
        }
    }
    entries
});

// The first byte: the input is a package as it is, or a row of changes.
pub fn run(data: &[u8]) {
    let Some((how, mut data)) = data.split_first() else {
        return;
    };
    if how % 4 == 0 {
        return check(data);
    }
    let mut entries = ENTRIES.clone();
    let mut whole: &[u8] = &[];
    // Each change: which entry, then its edits.
    while let [which, rest @ ..] = data {
        data = rest;
        let edits = part(&mut data);
        match entries.get_mut(usize::from(which % 16)) {
            Some((_, content)) => *content = edited(content, edits),
            None if which % 16 == 15 => whole = edits,
            None => {
                let name = String::from_utf8_lossy(edits).into_owned();
                entries.push((name, b"[]".to_vec()));
            }
        }
    }
    if let Some(bytes) = archive(entries) {
        check(&edited(&bytes, whole));
    }
}

/// With right sums; `None` where the writer refuses names, such as two that are the same.
fn archive(mut entries: Vec<(String, Vec<u8>)>) -> Option<Vec<u8>> {
    let sums: String = entries
        .iter()
        .map(|(name, content)| format!("{}  {name}\n", sha256(content)))
        .collect();
    entries.push((SUMS.into(), sums.into_bytes()));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in entries {
        archive.start_file(name, stored).ok()?;
        archive.write_all(&content).ok()?;
    }
    Some(archive.finish().ok()?.into_inner())
}

fn check(bytes: &[u8]) {
    let Ok(package) = Package::from_bytes(bytes) else {
        return;
    };
    let written = package.to_bytes().expect("what opens can be written");
    let again = Package::from_bytes(&written).expect("what is written opens");
    assert_eq!(again.version, package.version);
    assert_eq!(again.classes, package.classes);
    assert_eq!(again.preprocess, package.preprocess);
    assert_eq!(again.provenance, package.provenance);
    assert_eq!(again.backbone, package.backbone);
    assert_eq!(again.samples, package.samples);
    assert_eq!(again.head, package.head);
    assert_eq!(again.self_test.len(), package.self_test.len());
    for (a, b) in again.self_test.iter().zip(&package.self_test) {
        assert_eq!((&a.crop, &a.embedding), (&b.crop, &b.embedding));
    }

    assert_eq!(package.counts().len(), package.classes.len());
    for test in &package.self_test {
        let verdict = Verdict::of(package.head.as_ref(), &test.embedding, &package.classes);
        assert!((0.0..=1.0).contains(&verdict.confidence), "{verdict:?}");
        if let Ok(crop) = package.preprocess.crop(&test.crop, &View::default()) {
            package.preprocess.normalise(&crop).unwrap();
        }
    }
}

/// A package that holds together; its network is not one, which nobody asks here.
pub fn good() -> Package {
    let rgb = (0..32 * 32 * 3).map(|i| (i / 48) as u8).collect();
    let crop = Frame::new(32, 32, rgb).unwrap();
    let embeddings = [[1.0f32, 0.0, 0.5], [0.0, 1.0, 0.5]];
    let samples: Vec<Sample> = (0..2u16)
        .map(|class| Sample {
            class,
            burst: class.into(),
            sequence: class.into(),
            embedding: embeddings[usize::from(class)].to_vec(),
            crop: vec![1, 2, 3],
            view: View::default(),
        })
        .collect();
    let examples: Vec<Example<'_>> = lastlayer_shared::sample::examples(&samples);
    Package {
        version: 3,
        classes: vec!["car".into(), "truck".into(), "bird".into()],
        preprocess: Preprocess::named("imagenet", 32).unwrap(),
        provenance: [("license".to_owned(), "MIT".to_owned())].into(),
        backbone: vec![1, 2, 3, 4],
        head: Some(Head::fit(Kind::Lda, &Layout::plain(3), &examples).unwrap()),
        samples,
        self_test: vec![SelfTest {
            crop,
            embedding: vec![0.25, 0.5, 0.75],
        }],
        signed_by: None,
    }
}
