//! What a backbone says about itself in its ONNX `metadata_props`: preprocessing, licence, source.
//! `lastlayer export` writes it, `lastlayer package` reads it.

use std::collections::BTreeMap;

use lastlayer_shared::{
    backbone::EMBEDDING,
    error::plain,
    preprocess::Preprocess,
    taps::{self, Tap},
};

use super::{
    GraphError,
    onnx::{ModelProto, StringStringEntryProto},
};

/// All our keys start with this.
const PREFIX: &str = "lastlayer.";
const PREPROCESS: &str = "preprocess";
/// `taps::KEY` without the prefix.
const TAPS: &str = "taps";

#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    pub preprocess: Preprocess,
    /// Of the output `taps`, in its order.
    pub taps: Vec<Tap>,
    /// `license`, `source`, `source_sha256`, `recipe` and the like.
    pub provenance: BTreeMap<String, String>,
}

impl Metadata {
    /// Replaces what the model said before; keys of others stay.
    pub fn write(&self, model: &mut ModelProto) -> Result<(), GraphError> {
        let wrong = |error: serde_json::Error| GraphError::Metadata(PREPROCESS, error.to_string());
        let rules = serde_json::to_string(&self.preprocess).map_err(wrong)?;
        let taps = serde_json::to_string(&self.taps).map_err(wrong)?;
        let taps = (!self.taps.is_empty()).then(|| (TAPS.to_owned(), taps));
        model
            .metadata_props
            .retain(|entry| !entry.key.starts_with(PREFIX));
        let entries = self
            .provenance
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .chain([(PREPROCESS.to_owned(), rules)])
            .chain(taps);
        model
            .metadata_props
            .extend(entries.map(|(key, value)| StringStringEntryProto {
                key: format!("{PREFIX}{key}"),
                value,
            }));
        Ok(())
    }

    /// The outputs that boards use.
    pub fn outputs(&self) -> &'static [&'static str] {
        match self.taps.as_slice() {
            [] => &[EMBEDDING],
            _ => &[EMBEDDING, taps::TAPS],
        }
    }

    /// What the output `taps` holds, for people.
    pub fn tap_list(&self) -> String {
        let taps = self.taps.iter();
        let taps = taps.map(|tap| format!("{} numbers of {}", tap.width, plain(&tap.layer)));
        taps.collect::<Vec<_>>().join(", ")
    }

    /// `None` for a network that `lastlayer export` has not written.
    pub fn read(model: &ModelProto) -> Result<Option<Self>, GraphError> {
        let mut entries: BTreeMap<String, String> = model
            .metadata_props
            .iter()
            .filter_map(|entry| {
                let key = entry.key.strip_prefix(PREFIX)?;
                Some((key.to_owned(), entry.value.clone()))
            })
            .collect();
        let Some(rules) = entries.remove(PREPROCESS) else {
            return Ok(None);
        };
        let preprocess: Preprocess = serde_json::from_str(&rules)
            .map_err(|error| GraphError::Metadata(PREPROCESS, error.to_string()))?;
        preprocess
            .check()
            .map_err(|error| GraphError::Metadata(PREPROCESS, error.to_string()))?;
        let taps = taps::layout(model).map_err(|error| GraphError::Metadata(TAPS, error))?;
        entries.remove(TAPS);
        Ok(Some(Self {
            preprocess,
            taps: taps.unwrap_or_default(),
            provenance: entries,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_keys_of_others_stay() {
        let mut model = ModelProto::default();
        model.metadata_props.push(StringStringEntryProto {
            key: "author".into(),
            value: "somebody".into(),
        });
        assert_eq!(Metadata::read(&model).unwrap(), None);
        let metadata = Metadata {
            preprocess: Preprocess::named("imagenet", 96).unwrap(),
            taps: vec![Tap {
                layer: "features.12".into(),
                width: 576,
            }],
            provenance: [("license".to_owned(), "MIT".to_owned())].into(),
        };
        metadata.write(&mut model).unwrap();
        metadata.write(&mut model).unwrap();
        assert_eq!(Metadata::read(&model).unwrap(), Some(metadata));
        assert_eq!(model.metadata_props.len(), 4);
    }

    #[test]
    fn preprocessing_that_is_no_preprocessing_is_refused() {
        for text in ["", "{}", "{\"input_size\": 7}"] {
            let mut model = ModelProto::default();
            model.metadata_props.push(StringStringEntryProto {
                key: "lastlayer.preprocess".into(),
                value: text.into(),
            });
            assert!(Metadata::read(&model).is_err());
        }
    }
}
