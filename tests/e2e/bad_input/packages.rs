//! Packages that were cut short, edited, or are of another format.

use std::{fs, io::Write};

use lastlayer_shared::{file::sha256, package::Package};
use zip::write::SimpleFileOptions;

use super::Bench;
use crate::support::*;

#[test]
fn packages_that_are_cut_short_edited_or_newer() {
    let bench = Bench::new();
    let good = fs::read(bare_package()).unwrap();
    let refused = |bytes: &[u8], expected: &str| {
        let package = bench.file("bad.llp", bytes);
        let camera = format!("folder:{}", bench.folder.path().display());
        // What a signature finds is not the point here, but what is found without one.
        let mut board = lastlayerd();
        board
            .args(["--unsigned", "--package"])
            .arg(&package)
            .args(["--camera", &camera]);
        for message in [
            fail(lastlayer().arg("inspect").arg(&package), 1),
            // It does not become right by itself: not to be started again.
            fail(&mut board, 2),
        ] {
            assert!(
                message.contains(expected),
                "{expected:?} is not in {message}"
            );
        }
    };
    refused(b"", "not a package, or it is cut short");
    for length in [10, good.len() / 2, good.len() - 1] {
        refused(&good[..length], "not a package, or it is cut short");
    }
    // A byte in the weights: the container's own checksum notices.
    let mut flipped = good.clone();
    flipped[good.len() / 3] ^= 1;
    refused(&flipped, "backbone.onnx");

    // The same archive again with an entry changed, as an archive tool would do it.
    type Edit<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>>;
    let repacked = |mend: bool, edit: Edit<'_>| {
        let mut sums = String::new();
        let mut from = zip::ZipArchive::new(std::io::Cursor::new(&good)).unwrap();
        let mut to = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for index in 0..from.len() {
            let mut entry = from.by_index(index).unwrap();
            let name = entry.name().unwrap().into_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if let Some(mut content) = edit(&name, content) {
                match name.as_str() {
                    "SHA256SUMS" if mend => content = std::mem::take(&mut sums).into_bytes(),
                    name => sums += &format!("{}  {name}\n", sha256(&content)),
                }
                let stored =
                    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
                to.start_file(name, stored).unwrap();
                to.write_all(&content).unwrap();
            }
        }
        to.finish().unwrap().into_inner()
    };
    let manifest = |mend: bool, from: &'static str, to: &'static str| {
        repacked(mend, &|name, content| {
            Some(match name {
                "manifest.json" => text(&content).replace(from, to).into_bytes(),
                _ => content,
            })
        })
    };
    refused(
        &manifest(false, "\"version\": 1", "\"version\": 2"),
        "manifest.json does not match SHA256SUMS",
    );
    refused(
        &manifest(true, "\"format\": 3", "\"format\": 4"),
        "is of format 4",
    );
    refused(
        &manifest(true, "\"format\": 3", "\"format\": 1"),
        "format 1 is not read any more",
    );
    let dropped = repacked(false, &|name, content| {
        (name != "self-test/0.png").then_some(content)
    });
    refused(&dropped, "self-test/0.png is gone, which SHA256SUMS lists");
    let dropped = repacked(false, &|name, content| {
        (name != "SHA256SUMS").then_some(content)
    });
    refused(&dropped, "no SHA256SUMS");

    // It holds together, and this machine computes something else.
    let mut other = Package::from_bytes(&good).unwrap();
    other.self_test[1].embedding.reverse();
    refused(&other.to_bytes().unwrap(), "self-test 1 failed");
}
