//! Framed files of every type that the product keeps in them. The payload gets a right header and
//! checksum, without which no input would ever reach the values.

use std::collections::BTreeMap;

use lastlayer_shared::{
    framed::{self, Kind},
    head::Head,
    sample::Sample,
};
use serde::{
    Serialize, Serializer,
    de::DeserializeOwned,
    ser::{Error, SerializeTuple},
};

const KIND: Kind = Kind {
    name: *b"FUZZ",
    version: 1,
};

/// Bytes that postcard writes as they are: a tuple has no length in front.
struct Bare<'a>(&'a [u8]);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0
            .iter()
            .try_for_each(|byte| tuple.serialize_element(byte))
            .map_err(S::Error::custom)?;
        tuple.end()
    }
}

pub fn run(data: &[u8]) {
    let [kind, data @ ..] = data else {
        return;
    };
    match kind % 4 {
        0 => open::<Head>(data),
        1 => open::<BTreeMap<String, Vec<f32>>>(data),
        2 => open::<Vec<Sample>>(data),
        _ => open::<String>(data),
    }
}

fn open<T: Serialize + DeserializeOwned>(data: &[u8]) {
    // As it is: only the header's checks are reached.
    let _ = framed::open::<T>(KIND, data);
    let sealed = framed::seal(KIND, &Bare(data)).unwrap();
    let Ok(value) = framed::open::<T>(KIND, &sealed) else {
        return;
    };
    // Compared as bytes: not every number that is read is equal to itself.
    let written = framed::seal(KIND, &value).unwrap();
    let again: T = framed::open(KIND, &written).expect("what is sealed opens");
    assert_eq!(framed::seal(KIND, &again), Ok(written));
}
