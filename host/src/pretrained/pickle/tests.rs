use super::*;

fn run(program: &[u8]) -> Result<(Values, Id), WeightsError> {
    read(&mut &*program)
}

/// `step` again and again, more often than there may be steps.
fn endless(before: &[u8], step: &[u8]) -> Vec<u8> {
    [before, &step.repeat(MOST_STEPS + 1), b"."].concat()
}

#[test]
fn memory_is_bounded_whatever_the_program() {
    assert!(size_of::<Value>() <= 32);
    // Values, marks, entries of the memo, copies of a reference, items of a list, empty containers.
    let programs: [(&[u8], &[u8]); 6] = [
        (b"", b"N"),
        (b"", b"("),
        (b"N", b"\x94"),
        (b"Nq\0", b"h\0"),
        (b"Nq\0]", b"h\0a"),
        (b"", b"]"),
    ];
    for (before, step) in programs {
        let error = run(&endless(before, step)).unwrap_err();
        assert!(matches!(error, WeightsError::TooLarge(_)), "{error}");
    }
    // A few less are no reason to complain.
    let (values, top) = run(&[&b"("[..], &b"N".repeat(1000), b"t."].concat()).unwrap();
    assert!(matches!(values.get(top), Value::Tuple(items) if items.len() == 1000));
}

#[test]
fn bytes_that_are_no_name_are_not_kept() {
    let long = [&b"X\x01\x10\0\0"[..], &[b'a'; MOST_NAME + 1], b"."].concat();
    let (values, top) = run(&long).unwrap();
    assert!(matches!(values.get(top), Value::Bytes));
    let (values, top) = run(b"U\x02\xff\xfe.").unwrap();
    assert!(matches!(values.get(top), Value::Bytes));
    let (values, top) = run(b"U\x02ok.").unwrap();
    assert!(matches!(values.get(top), Value::Text(text) if &**text == "ok"));
}
