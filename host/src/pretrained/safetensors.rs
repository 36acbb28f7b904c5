//! The `.safetensors` format, through its own crate.

use safetensors::{Dtype, SafeTensors};

use super::state_dict::{Number, StateDict, Tensor, WeightsError, elements};

/// The format's own limit, in bytes.
const MAX_HEADER: u64 = 100 << 20;

/// Eight bytes of header length, then a JSON object.
pub fn looks_like(bytes: &[u8]) -> bool {
    let header = bytes
        .first_chunk::<8>()
        .map(|length| u64::from_le_bytes(*length));
    bytes.get(8) == Some(&b'{') && header.is_some_and(|length| length < MAX_HEADER)
}

/// Its floating-point tensors by name.
pub fn read(bytes: &[u8]) -> Result<StateDict, WeightsError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| WeightsError::Damaged(error.to_string()))?;
    let mut weights = StateDict::new();
    for (name, view) in file.tensors() {
        let number = match view.dtype() {
            Dtype::F32 => Number::F32,
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F64 => Number::F64,
            _ => continue,
        };
        let count = elements(view.shape()).ok_or_else(|| WeightsError::TooLarge(name.clone()))?;
        let data = number.to_f32(view.data());
        if data.len() != count {
            return Err(WeightsError::Damaged(format!("{name} has too few numbers")));
        }
        weights.insert(
            name,
            Tensor {
                shape: view.shape().to_vec(),
                data,
            },
        );
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file() -> Vec<u8> {
        let numbers: Vec<u8> = [1.0f32, -2.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let view = TensorView::new(Dtype::F32, vec![2, 1], &numbers).unwrap();
        safetensors::serialize([("a.weight", view)], None).unwrap()
    }

    #[test]
    fn a_written_file_is_read_back() {
        assert!(looks_like(&file()));
        let weights = read(&file()).unwrap();
        assert_eq!(weights["a.weight"].shape, [2, 1]);
        assert_eq!(weights["a.weight"].data, [1.0, -2.0]);
    }

    #[test]
    fn every_cut_is_an_error() {
        let whole = file();
        for length in 9..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut at {length}");
        }
    }
}
