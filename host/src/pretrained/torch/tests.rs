use std::io::Write;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::*;

/// Pickles as torch writes them, from the few pieces that it uses.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.raw(b"X")
            .raw(&(text.len() as u32).to_le_bytes())
            .raw(text.as_bytes())
    }

    fn int(self, value: i32) -> Self {
        self.raw(b"J").raw(&value.to_le_bytes())
    }

    /// A tensor of this shape and strides in the storage `key` of `count` numbers.
    fn tensor(self, class: &str, key: &str, count: i32, shape: &[i32], strides: &[i32]) -> Self {
        let ints = |pickle: Self, values: &[i32]| {
            values
                .iter()
                .fold(pickle.raw(b"("), |p, &v| p.int(v))
                .raw(b"t")
        };
        let storage = self
            .raw(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage")
            .raw(format!("ctorch\n{class}\n").as_bytes())
            .text(key)
            .text("cpu")
            .int(count)
            .raw(b"tQ")
            .int(0);
        let shaped = ints(ints(storage, shape), strides);
        shaped.raw(b"\x89ccollections\nOrderedDict\n)RtR")
    }

    fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

fn archive(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    };
    put("a/data.pkl", pickle);
    for (key, bytes) in storages {
        put(&format!("a/data/{key}"), bytes);
    }
    zip.finish().unwrap().into_inner()
}

use zip::ZipWriter;

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// One tensor `w` of shape 2 x 3 in a file of the new format.
fn good() -> Vec<u8> {
    let pickle = Pickle::new()
        .raw(b"}(")
        .text("w")
        .tensor("FloatStorage", "0", 6, &[2, 3], &[3, 1])
        .raw(b"u")
        .end();
    archive(&pickle, &[("0", &floats(&[1., 2., 3., 4., 5., 6.]))])
}

#[test]
fn a_tensor_is_read_in_its_order() {
    let weights = read(&good()).unwrap();
    assert_eq!(weights["w"].shape, [2, 3]);
    assert_eq!(weights["w"].data, [1., 2., 3., 4., 5., 6.]);
    // The same numbers seen as 3 x 2, turned.
    let turned = Pickle::new()
        .raw(b"}")
        .text("w")
        .tensor("FloatStorage", "0", 6, &[3, 2], &[1, 3])
        .raw(b"s")
        .end();
    let weights = read(&archive(
        &turned,
        &[("0", &floats(&[1., 2., 3., 4., 5., 6.]))],
    ))
    .unwrap();
    assert_eq!(weights["w"].data, [1., 4., 2., 5., 3., 6.]);
}

#[test]
fn whole_numbers_are_passed_over_and_halves_are_read() {
    let pickle = Pickle::new()
        .raw(b"}(")
        .text("steps")
        .tensor("LongStorage", "0", 1, &[], &[])
        .text("w")
        .tensor("HalfStorage", "1", 2, &[2], &[1])
        .raw(b"u")
        .end();
    let halves = [0x3c00u16, 0xc000].map(u16::to_le_bytes).concat();
    let weights = read(&archive(&pickle, &[("0", &[0; 8]), ("1", &halves)])).unwrap();
    assert_eq!(weights.len(), 1);
    assert_eq!(weights["w"].data, [1.0, -2.0]);
}

#[test]
fn weights_within_a_checkpoint_are_found() {
    let pickle = Pickle::new()
        .raw(b"}(")
        .text("epoch")
        .int(3)
        .text("state_dict")
        .raw(b"}(")
        .text("w")
        .tensor("FloatStorage", "0", 1, &[1], &[1])
        .raw(b"uu")
        .end();
    let weights = read(&archive(&pickle, &[("0", &floats(&[7.0]))])).unwrap();
    assert_eq!(weights["w"].data, [7.0]);
}

#[test]
fn lies_about_sizes_are_refused() {
    let six = floats(&[0.0; 6]);
    for (count, shape, strides) in [
        (6, vec![7], vec![1]),
        (6, vec![2, 3], vec![1]),
        (6, vec![6], vec![2]),
        (5, vec![5], vec![1]),
        (6, vec![-1], vec![1]),
        (6, vec![i32::MAX, i32::MAX], vec![0, 0]),
        (-6, vec![6], vec![1]),
    ] {
        let pickle = Pickle::new()
            .raw(b"}")
            .text("w")
            .tensor("FloatStorage", "0", count, &shape, &strides)
            .raw(b"s")
            .end();
        assert!(
            read(&archive(&pickle, &[("0", &six)])).is_err(),
            "{count} {shape:?}"
        );
    }
}

#[test]
fn one_storage_named_often_does_not_multiply() {
    let mut pickle = Pickle::new().raw(b"}(");
    for number in 0..2000 {
        let name = number.to_string();
        pickle = pickle
            .text(&name)
            .tensor("FloatStorage", "0", 4000, &[4000], &[1]);
    }
    let bytes = archive(&pickle.raw(b"u").end(), &[("0", &floats(&[0.0; 4000]))]);
    assert!(matches!(read(&bytes), Err(WeightsError::TooLarge(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_changed_program_never_panics(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut pickle = Pickle::new()
            .raw(b"}(")
            .text("w")
            .tensor("FloatStorage", "0", 6, &[2, 3], &[3, 1])
            .raw(b"u")
            .end();
        for (at, byte) in edits {
            let at = at.index(pickle.len());
            pickle[at] = byte;
        }
        let _ = read(&archive(&pickle, &[("0", &[0; 24])]));
        let legacy = [LEGACY, b"\x80\x02M\xe9\x03.\x80\x02}.", &pickle, b"\x80\x02]q\x00X\x01\0\0\x000a."].concat();
        let _ = read(&legacy);
    }

    #[test]
    fn a_changed_or_cut_file_never_panics(at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = good();
        let at = at.index(bytes.len());
        let _ = read(&bytes[..at]);
        bytes[at] = byte;
        let _ = read(&bytes);
    }

    #[test]
    fn no_program_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&[LEGACY, bytes.as_slice()].concat());
        let _ = pickle::read(&mut bytes.as_slice());
    }
}
