//! One order for the same bursts, whatever order and numbers they come in: sums of floating-point numbers
//! depend on their order, and heads must not.

use std::cmp::Ordering;

use super::{Example, Number};

/// The examples class by class, a class's bursts in the order of what is in them, numbered anew; and
/// for each its place in `examples`.
pub(super) fn ordered<'a, T: Number>(
    examples: &[Example<'a, T>],
) -> (Vec<usize>, Vec<Example<'a, T>>) {
    let embedding = |place: &usize| examples[*place].embedding;
    let key = |place: &usize| (examples[*place].class, examples[*place].burst);
    let mut places: Vec<usize> = (0..examples.len()).collect();
    places.sort_by(|a, b| {
        let by_burst = key(a).cmp(&key(b));
        by_burst.then_with(|| compare(embedding(a), embedding(b)))
    });
    let mut bursts: Vec<&[usize]> = places.chunk_by(|a, b| key(a) == key(b)).collect();
    bursts.sort_by(|a, b| {
        let by_class = examples[a[0]].class.cmp(&examples[b[0]].class);
        let pairs = a.iter().zip(*b);
        let within = pairs.map(|(a, b)| compare(embedding(a), embedding(b)));
        let by_examples = || within.fold(Ordering::Equal, Ordering::then);
        by_class
            .then_with(by_examples)
            .then_with(|| a.len().cmp(&b.len()))
    });
    let numbered = (0..).zip(bursts);
    numbered
        .flat_map(|(burst, places)| {
            places.iter().map(move |&place| {
                let example = Example {
                    burst,
                    ..examples[place]
                };
                (place, example)
            })
        })
        .unzip()
}

/// Number by number.
fn compare<T: Number>(a: &[T], b: &[T]) -> Ordering {
    let pairs = a.iter().zip(b);
    let pairs = pairs.map(|(&a, &b)| f32::total_cmp(&a.into(), &b.into()));
    let first = pairs.into_iter().find(|order| order.is_ne());
    first.unwrap_or_else(|| a.len().cmp(&b.len()))
}
