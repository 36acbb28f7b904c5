//! Taps: what a backbone says of its middle layers beside the last embedding. A second output named
//! `taps` of `1 x D` numbers is a concatenation of pooled activation maps; the network's metadata say
//! which numbers are of which map.

use serde::{Deserialize, Serialize};
use tract_onnx::pb::ModelProto;

use crate::head::MOST_TAPS;

/// The name of the output.
pub const TAPS: &str = "taps";
/// The key of the layout in the network's metadata: a JSON list of `Tap`.
pub const KEY: &str = "lastlayer.taps";

/// One pooled activation map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tap {
    /// What the source calls the layer.
    pub layer: String,
    /// Numbers: channels of the map.
    pub width: u32,
}

/// Of a network with an output `taps`, in its order; `None` where it does not say. The error says what
/// is wrong with what it says.
pub fn layout(model: &ModelProto) -> Result<Option<Vec<Tap>>, String> {
    let Some(entry) = model.metadata_props.iter().find(|entry| entry.key == KEY) else {
        return Ok(None);
    };
    let taps: Vec<Tap> = serde_json::from_str(&entry.value).map_err(|error| error.to_string())?;
    match (1..=MOST_TAPS).contains(&taps.len()) {
        true => Ok(Some(taps)),
        false => Err(format!(
            "it lists {} taps, not 1 to {MOST_TAPS}",
            taps.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::StringStringEntryProto;

    #[test]
    fn what_is_no_list_of_taps_is_an_error() {
        let said = |value: &str| {
            let entry = StringStringEntryProto {
                key: KEY.into(),
                value: value.into(),
            };
            layout(&ModelProto {
                metadata_props: vec![entry],
                ..ModelProto::default()
            })
        };
        let tap = Tap {
            layer: "features.12".into(),
            width: 576,
        };
        let good = serde_json::to_string(&[&tap]).unwrap();
        assert_eq!(said(&good), Ok(Some(vec![tap.clone()])));
        assert_eq!(layout(&ModelProto::default()), Ok(None));
        let many = serde_json::to_string(&vec![tap; MOST_TAPS + 1]).unwrap();
        for wrong in [
            "",
            "[]",
            "{}",
            "[1]",
            r#"[{"layer": "a"}]"#,
            r#"[{"layer": "a", "width": -1}]"#,
            &many,
        ] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }
}
