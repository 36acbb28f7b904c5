//! The pieces; whole networks are tried in `tests/hostile`, which can make them.

use super::{tensor::INT64, *};
use tract_onnx::pb::TensorProto;

#[test]
fn protobuf_that_is_damaged_or_holds_what_no_backbone_has_is_refused() {
    let error = |bytes: &[u8]| wire::check(bytes).unwrap_err().to_string();
    assert_eq!(wire::check(&[]), Ok(()));
    for damaged in [
        // A length beyond the end, a number without one, a group.
        &[0x3a, 5, 0x0a][..],
        &[0x08, 0xff],
        &[
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ],
        &[0x3b, 0x3c],
    ] {
        assert!(error(damaged).contains("damaged"), "{damaged:?}");
    }
    assert!(error(&[0xca, 0x01, 0]).contains("functions"));
    // graph { node { attribute { g {} } } }
    assert!(error(&[0x3a, 6, 0x0a, 4, 0x2a, 2, 0x32, 0]).contains("graphs inside"));
    // graph { initializer { int64_data: a long list } }, each length in three bytes
    let long = |length: usize| {
        [
            length as u8 | 0x80,
            (length >> 7) as u8 | 0x80,
            (length >> 14) as u8,
        ]
    };
    let list = vec![0; 70_000];
    let tensor = [
        &[0x3a][..],
        &long(70_008),
        &[0x2a],
        &long(70_004),
        &[0x3a],
        &long(70_000),
        &list,
    ]
    .concat();
    assert!(error(&tensor).contains("too many whole numbers"));
}

#[test]
fn tensors_have_as_many_numbers_as_they_say() {
    let of = |dims: &[i64], kind: i32, raw: usize| {
        Value::of_tensor(&TensorProto {
            dims: dims.to_vec(),
            data_type: kind,
            raw_data: vec![0; raw],
            ..TensorProto::default()
        })
    };
    assert_eq!(of(&[2, 3], FLOAT, 24), Ok(Value::float(vec![2, 3], true)));
    assert_eq!(of(&[2], INT64, 16).unwrap().whole, Some(vec![0, 0]));
    // No axes at all.
    assert_eq!(of(&[0], INT64, 0).unwrap().whole, Some(vec![]));
    for (dims, kind, raw) in [
        (&[2, 3][..], FLOAT, 20),
        (&[2, 3], INT64, 24),
        (&[2, 0], FLOAT, 0),
        (&[-1], FLOAT, 4),
        (&[1 << 24, 1 << 24, 1 << 24], FLOAT, 0),
        (&[1; 9], FLOAT, 4),
        (&[8192], INT64, 65_536),
        (&[1], 8, 4),
    ] {
        assert!(of(dims, kind, raw).is_err(), "{dims:?}");
    }
}

#[test]
fn names_out_of_a_file_are_short_and_plain() {
    assert_eq!(short("a\u{1b}[2Kb"), "\"a [2Kb\"");
    assert_eq!(short(&"x".repeat(100_000)).len(), 62);
}
