//! Heads: bytes as they are, and a good head in which some are changed. What passes the check that packages
//! and the memory make answers any embedding with probabilities, or not at all.

use std::sync::LazyLock;

use super::edited;
use lastlayer_shared::{
    framed::{self, Kind as Form},
    head::{Example, Head, Kind, Layout},
};

const PARTS: [usize; 3] = [4, 3, 2];
const WIDTH: usize = 9;
const CLASSES: usize = 3;
/// Examples of a class, two a burst.
const EXAMPLES: usize = 8;
/// Every second number of an embedding.
const ODD: [f32; 7] = [0.0, 1.0, -3.0, 1e-30, 1e20, f32::MAX, f32::NAN];
/// What is before a frame's payload.
const HEADER: usize = 46;
const FORM: Form = Form {
    name: *b"FUZZ",
    version: 1,
};

/// A head with taps, and with all that says what is unknown, in postcard.
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let embeddings: Vec<Vec<f32>> = (0..CLASSES * EXAMPLES)
        .map(|at| {
            let number = |i: usize| match i % CLASSES == at % CLASSES {
                true => 3.0 + (at * i % 5) as f32 * 0.2,
                false => (at * (i + 2) % 7) as f32 * 0.1,
            };
            (0..WIDTH).map(number).collect()
        })
        .collect();
    let examples: Vec<Example<'_>> = embeddings
        .iter()
        .enumerate()
        .map(|(at, embedding)| Example {
            embedding,
            class: at % CLASSES,
            burst: (at / CLASSES / 2) as u32,
        })
        .collect();
    let head = Head::fit(Kind::default(), &Layout::new(PARTS).unwrap(), &examples).unwrap();
    assert!(head.judge(&embeddings[0]).unwrap().familiarity.is_some());
    framed::seal(FORM, &head).unwrap()[HEADER..].to_vec()
});

pub fn run(data: &[u8]) {
    let [how, data @ ..] = data else {
        return;
    };
    let bytes = match how % 4 {
        0 => data.to_vec(),
        _ => edited(&GOOD, data),
    };
    let Ok(head) = framed::from_postcard::<Head>(&bytes) else {
        return;
    };
    if head.check(CLASSES, WIDTH).is_err() {
        return;
    }
    let embeddings = ODD.map(|odd| {
        let number = |i: usize| if i.is_multiple_of(2) { odd } else { i as f32 };
        (0..WIDTH).map(number).collect::<Vec<f32>>()
    });
    for embedding in &embeddings {
        let Some(said) = head.judge(embedding) else {
            continue;
        };
        assert!(embedding.iter().all(|number| number.is_finite()));
        assert_eq!(said.answers.len(), head.classes().count());
        let sum: f32 = said.answers.iter().map(|answer| answer.confidence).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{said:?}");
        let is_share = |share: f32| (0.0..=1.0).contains(&share);
        assert!(said.familiarity.is_none_or(is_share), "{said:?}");
        for answer in said.answers {
            assert!(answer.class < CLASSES && is_share(answer.confidence));
        }
    }
    let shares = head.reliance(embeddings[..4].iter().map(Vec::as_slice));
    assert!(shares.is_none_or(|shares| shares.iter().all(|share| share.is_finite())));
}
