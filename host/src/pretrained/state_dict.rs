//! Weights by name, whatever file they came in.

use std::collections::BTreeMap;

/// Numbers in a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Outermost side first.
    pub shape: Vec<usize>,
    /// Row by row, as many as the shape says.
    pub data: Vec<f32>,
}

/// Floating-point tensors by name; counters and other whole numbers are left out.
pub type StateDict = BTreeMap<String, Tensor>;

/// Why a file gives no weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(
        "these weights are neither a torch file (.pt, .pth) nor .safetensors; save a state dict \
         with `torch.save(model.state_dict(), ...)`"
    )]
    UnknownFormat,
    #[error("the weight file is cut short or damaged: {0}; download it again")]
    Damaged(String),
    #[error(
        "the weight file asks for {0}, which plain weights never need; it is refused, because such \
         a file could run code. Save the state dict alone with `torch.save(model.state_dict(), ...)`"
    )]
    Forbidden(String),
    #[error("the weight file holds no tensors by name; save `model.state_dict()`")]
    NoTensors,
    #[error("the weight file is larger than this program reads ({0})")]
    TooLarge(String),
}

/// Number formats that weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    F32,
    F16,
    /// The upper half of an `F32`.
    Bf16,
    F64,
    /// Whole numbers and truth values of this many bytes: read past, not used.
    Whole(usize),
}

impl Number {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Number::F32 => 4,
            Number::F16 | Number::Bf16 => 2,
            Number::F64 => 8,
            Number::Whole(size) => size,
        }
    }

    /// Little-endian bytes as f32; nothing for whole numbers.
    pub fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        let pairs = || {
            bytes
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        };
        match self {
            Number::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Number::F16 => pairs().map(half_to_f32).collect(),
            Number::Bf16 => pairs()
                .map(|b| f32::from_bits(u32::from(b) << 16))
                .collect(),
            Number::F64 => bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b) as f32)
                .collect(),
            Number::Whole(_) => Vec::new(),
        }
    }
}

fn half_to_f32(bits: u16) -> f32 {
    tract_onnx::prelude::f16::from_bits(bits).to_f32()
}

/// Reads torch's two formats and safetensors, told apart by their first bytes. Gives at least one
/// tensor. A `module.` before every name is taken off.
pub fn read(bytes: &[u8]) -> Result<StateDict, WeightsError> {
    let mut weights = if super::safetensors::looks_like(bytes) {
        super::safetensors::read(bytes)?
    } else if super::torch::looks_like(bytes) {
        super::torch::read(bytes)?
    } else {
        return Err(WeightsError::UnknownFormat);
    };
    // DataParallel saves every name under `module.`.
    if weights.keys().all(|name| name.starts_with("module.")) {
        weights = weights
            .into_iter()
            .map(|(name, tensor)| (name["module.".len()..].to_owned(), tensor))
            .collect();
    }
    if weights.is_empty() {
        return Err(WeightsError::NoTensors);
    }
    Ok(weights)
}

/// Elements of a shape, as long as they are few enough to be weights.
pub fn elements(shape: &[usize]) -> Option<usize> {
    const MOST: usize = 1 << 30;
    shape
        .iter()
        .try_fold(1usize, |product, &side| product.checked_mul(side))
        .filter(|&product| product <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_format_reads_one_and_a_half() {
        assert_eq!(Number::F32.to_f32(&1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(Number::F64.to_f32(&1.5f64.to_le_bytes()), [1.5]);
        assert_eq!(Number::F16.to_f32(&0x3e00u16.to_le_bytes()), [1.5]);
        assert_eq!(Number::Bf16.to_f32(&0x3fc0u16.to_le_bytes()), [1.5]);
        assert!(Number::Whole(8).to_f32(&[0; 8]).is_empty());
    }

    #[test]
    fn what_is_not_weights_says_so() {
        assert!(matches!(read(b""), Err(WeightsError::UnknownFormat)));
        assert!(matches!(
            read(b"<html>404"),
            Err(WeightsError::UnknownFormat)
        ));
    }
}
