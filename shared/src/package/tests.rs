use proptest::prelude::*;

use super::*;
use crate::head::{Example, Kind, Layout};
use crate::view::View;

/// A package that holds together; its network is not one, which nobody asks here.
pub(super) fn package() -> Package {
    let crop = Frame::new(32, 32, (0..3072).map(|i| (i * 7) as u8).collect()).unwrap();
    let embeddings = [[1.0f32, 0.0, 0.5], [0.0, 1.0, 0.5]];
    let examples: Vec<Example<'_>> = embeddings
        .iter()
        .enumerate()
        .map(|(class, embedding)| Example {
            embedding,
            class,
            burst: class as u32,
        })
        .collect();
    Package {
        version: 3,
        classes: vec!["car".into(), "truck".into(), "bird".into()],
        preprocess: Preprocess::named("imagenet", 32).unwrap(),
        provenance: [("license".to_owned(), "MIT".to_owned())].into(),
        backbone: vec![1, 2, 3, 4],
        samples: (0..2u16)
            .map(|class| Sample {
                class,
                burst: class.into(),
                sequence: class.into(),
                embedding: embeddings[usize::from(class)].to_vec(),
                crop: crop.to_jpeg().unwrap(),
                view: View::default(),
            })
            .collect(),
        head: Some(Head::fit(Kind::Lda, &Layout::plain(3), &examples).unwrap()),
        self_test: vec![SelfTest {
            crop,
            embedding: vec![0.25, 0.5, 0.75],
        }],
        signed_by: None,
    }
}

fn refused(edit: impl Fn(&mut Package)) -> String {
    let mut package = package();
    edit(&mut package);
    let bytes = package.to_bytes().unwrap();
    Package::from_bytes(&bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_back_and_gives_the_same_bytes() {
    let bytes = package().to_bytes().unwrap();
    let read = Package::from_bytes(&bytes).unwrap();
    assert_eq!(read.version, 3);
    assert_eq!(read.counts(), [1, 1, 0]);
    assert_eq!(read.head, package().head);
    assert_eq!(read.samples, package().samples);
    assert_eq!(read.self_test[0].embedding, [0.25, 0.5, 0.75]);
    assert_eq!(read.to_bytes().unwrap(), bytes);
}

#[test]
fn parts_that_do_not_fit_are_named() {
    type Case = (fn(&mut Package), &'static str);
    let cases: [Case; 9] = [
        (|p| p.classes[1] = "car".into(), "named twice"),
        (|p| p.classes.truncate(1), "a class that is not there"),
        (|p| p.preprocess.std[0] = 0.0, "std above 0"),
        (
            |p| p.samples[0].embedding.push(1.0),
            "does not fit the backbone",
        ),
        (
            |p| p.samples[1].embedding[0] = f32::NAN,
            "does not fit the backbone",
        ),
        (
            |p| p.self_test[0].embedding.truncate(2),
            "does not fit the backbone",
        ),
        (|p| p.self_test.clear(), "no self-test/expected.json"),
        (
            |p| p.preprocess.input_size = 64,
            "not of the network's input size",
        ),
        (
            |p| {
                p.samples.clear();
                p.self_test[0].embedding.push(0.0);
            },
            "head.postcard in the package is damaged",
        ),
    ];
    for (edit, expected) in cases {
        let message = refused(edit);
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every byte of an archive matters, and none makes it panic.
    #[test]
    fn a_changed_byte_is_refused(at in any::<prop::sample::Index>(), by in 1u8..) {
        let mut bytes = package().to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(Package::from_bytes(&bytes).is_err());
    }

    #[test]
    fn a_cut_package_is_refused(at in any::<prop::sample::Index>()) {
        let bytes = package().to_bytes().unwrap();
        prop_assert!(Package::from_bytes(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Package::from_bytes(&bytes).is_err());
    }
}
