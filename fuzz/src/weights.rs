//! Weight files: bytes as they are, and changed good files of each format. Lengths and checksums
//! around what is changed are put right, so that the pickle machine and the headers are reached.

use std::io::{Cursor, Write};

use super::{edited, part};
use lastlayer_host::pretrained::state_dict;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A dictionary with one tensor `w` of 2 x 3 in the storage `0`, as torch writes it.
const PROGRAM: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\n\
    q\x02((X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05\
    X\x03\x00\x00\x00cpuq\x06K\x06tq\x07QK\x00K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\
    \x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0du.";
/// Six numbers of four bytes.
const NUMBERS: [u8; 24] = [1; 24];
/// The pickles of torch's old format: its magic number, protocol and system before the program,
/// and after it the list of storages with the length of the one.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const BEFORE: &[u8] = b"\x80\x02M\xe9\x03.\x80\x02}.";
const AFTER: &[u8] = b"\x80\x02]q\x00X\x01\x00\x00\x000q\x01a.\x06\x00\x00\x00\x00\x00\x00\x00";
const HEADER: &[u8] = br#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;

pub fn run(data: &[u8]) {
    let Some((how, mut data)) = data.split_first() else {
        return;
    };
    let bytes = match how % 5 {
        0 => data.to_vec(),
        1 => {
            let header = edited(HEADER, part(&mut data));
            let length = (header.len() as u64).to_le_bytes();
            [length.as_slice(), &header, &edited(&NUMBERS, data)].concat()
        }
        2 => {
            let rest = [BEFORE, PROGRAM, AFTER, &NUMBERS].concat();
            [MAGIC, edited(&rest, data).as_slice()].concat()
        }
        3 => {
            let program = edited(PROGRAM, part(&mut data));
            archive(&program, &edited(&NUMBERS, data))
        }
        _ => edited(&archive(PROGRAM, &NUMBERS), data),
    };
    let Ok(weights) = state_dict::read(&bytes) else {
        return;
    };
    let mut numbers = 0;
    for (name, tensor) in &weights {
        let count: usize = tensor.shape.iter().product();
        assert_eq!(tensor.data.len(), count, "{name}");
        numbers += count;
    }
    assert!(numbers <= bytes.len(), "more numbers than bytes");
}

/// Torch's new format.
fn archive(program: &[u8], numbers: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in [
        ("a/data.pkl", program),
        ("a/byteorder", b"little"),
        ("a/data/0", numbers),
    ] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
