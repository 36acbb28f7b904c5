//! What is known of a tensor: its shape, and its numbers where they are whole.

use tract_onnx::pb::TensorProto;

use super::{MOST_SIDE, MOST_SIDES, sides};

/// The number types that a backbone has, as ONNX numbers them.
pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;
/// Numbers of a tensor of whole ones: a shape has eight, a table of places some hundred.
const MOST_WHOLE: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub shape: Vec<usize>,
    /// Whether it is the same for every picture.
    pub fixed: bool,
    /// `Some` for 64-bit whole numbers, row by row; all others are 32-bit floats.
    pub whole: Option<Vec<i64>>,
}

impl Value {
    pub fn float(shape: Vec<usize>, fixed: bool) -> Self {
        Self {
            shape,
            fixed,
            whole: None,
        }
    }

    /// Whole numbers that are as many as `shape` says.
    pub fn whole(shape: Vec<usize>, numbers: Vec<i64>) -> Result<Self, String> {
        if numbers.len() > MOST_WHOLE {
            return Err(format!("has more than {MOST_WHOLE} whole numbers"));
        }
        Ok(Self {
            shape,
            fixed: true,
            whole: Some(numbers),
        })
    }

    /// How many; an error where a side is none or too long.
    pub fn numbers(&self) -> Result<u64, String> {
        count(&self.shape)
    }

    /// Of a tensor in the file.
    pub fn of_tensor(tensor: &TensorProto) -> Result<Self, String> {
        if tensor.data_location.unwrap_or_default() != 0 {
            return Err("are in another file".into());
        }
        let shape: Vec<usize> = tensor
            .dims
            .iter()
            .map(|&side| usize::try_from(side).unwrap_or(usize::MAX))
            .collect();
        // No list of whole numbers is empty but for the axes of a scalar: 0 is a side only there.
        let none = shape == [0] && tensor.data_type == INT64;
        let numbers = if none { 0 } else { count(&shape)? };
        let others = [
            tensor.int32_data.len(),
            tensor.string_data.len(),
            tensor.double_data.len(),
            tensor.uint64_data.len(),
        ];
        let (size, listed, other) = match tensor.data_type {
            FLOAT => (4, tensor.float_data.len(), tensor.int64_data.len()),
            INT64 => (8, tensor.int64_data.len(), tensor.float_data.len()),
            _ => return Err("are neither 32-bit floats nor 64-bit whole numbers".into()),
        };
        let raw = tensor.raw_data.len() as u64;
        let fits = match listed {
            0 => raw == numbers * size,
            listed => raw == 0 && listed as u64 == numbers,
        };
        if !fits || other != 0 || others.iter().any(|&length| length != 0) {
            return Err(format!(
                "have the shape {}, and not as many numbers",
                sides(&shape)
            ));
        }
        if tensor.data_type == FLOAT {
            return Ok(Self::float(shape, true));
        }
        let raw = tensor.raw_data.chunks_exact(8);
        let whole = match listed {
            0 => raw
                .filter_map(|chunk| chunk.try_into().ok().map(i64::from_le_bytes))
                .collect(),
            _ => tensor.int64_data.clone(),
        };
        Self::whole(shape, whole)
    }
}

/// The product of the sides.
pub fn count(shape: &[usize]) -> Result<u64, String> {
    if shape.len() > MOST_SIDES {
        return Err(format!("has {} sides, more than {MOST_SIDES}", shape.len()));
    }
    if let Some(side) = shape.iter().find(|side| !(1..=MOST_SIDE).contains(*side)) {
        return Err(format!("has a side of {side}"));
    }
    let product = shape
        .iter()
        .try_fold(1u64, |product, &side| product.checked_mul(side as u64));
    product.ok_or_else(|| "has too many numbers".into())
}
